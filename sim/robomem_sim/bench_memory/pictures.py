"""What a day looks like: where the robot was, what happened, and what an answer rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from robomem.errors import MissingExtraError
from robomem.eval.bench import Table
from robomem.eval.trial import Stopwatch
from robomem.memory import Memory
from robomem.types import Answer, Event, EventKind
from robomem_sim.bench_memory.life import ENCODER_SEED, told_memory
from robomem_sim.lives import ConceptEncoder, Life, live
from robomem_sim.lives.home import HALL
from robomem_sim.lives.world import DAY_NS, HOUR_NS

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE_IN, DPI = (13.0, 6.4), 130
INK, PALE, ANSWER = "#22262e", "#8a91a0", "#d55e00"
# Okabe and Ito, "Color Universal Design", 2008: told apart by those who see few colours, too.
DOING = {"patrol": "#56b4e9", "company": "#e69f00", "a task": "#009e73", "charging": "#d7dae0"}
MARKS = {
    EventKind.MOVED: ("^", "#0072b2", "a thing had moved"),
    EventKind.MISSING: ("x", "#cc3311", "a thing was gone"),
    EventKind.TOLD: ("D", "#7b3294", "somebody told something"),
    EventKind.OUTCOME: ("s", "#007a55", "a task ended"),
}
LANE = 0.62  # height of a bar, of the distance between lanes


@dataclass(frozen=True, slots=True)
class Pictures:
    """Which files were drawn."""

    files: tuple[str, ...]

    def tables(self) -> tuple[Table, ...]:
        """Return nothing: they are looked at."""
        return ()


def check_matplotlib() -> None:
    """Raise MissingExtraError where matplotlib is not installed."""
    try:
        import matplotlib  # noqa: F401
    except ImportError as err:
        raise MissingExtraError("drawing needs matplotlib: pip install 'robomem[viz]'") from err


def draw_pictures(folder: Path, *, seed: int) -> Pictures:
    """Draw all pictures into a folder.

    Args:
        folder: It is made where it is not there.
        seed: Of the life.
    """
    folder.mkdir(parents=True, exist_ok=True)
    life = live(seed)
    file = folder / "life.png"
    with told_memory(life, ConceptEncoder(ENCODER_SEED), Stopwatch()) as memory:
        draw_day(life, memory, question_about(life), file)
    return Pictures((file.name,))


def question_about(life: Life) -> str:
    """Return a question about the thing that was carried about most, where the robot saw it."""
    spots = {t.label: {g.spot for g in life.glimpses_of([t.thing_id])} for t in life.home.things}
    return f"where did I last see the {max(spots, key=lambda label: len(spots[label]))}?"


def draw_day(life: Life, memory: Memory, question: str, file: Path) -> None:
    """Draw a day as rooms over time, with the events of a memory, and a question with its evidence."""
    from matplotlib.figure import Figure

    figure = Figure(SIZE_IN, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    lanes = _lanes(life)
    _draw_stays(axes, life, lanes)
    _draw_boundaries(axes, life, len(lanes))
    _draw_events(axes, life, memory.events(), lanes)
    answer = memory.ask(question)
    _draw_evidence(axes, life, answer, lanes)
    _finish(axes, life, lanes)
    axes.set_title(f"{question}\n{answer.text}", loc="left", fontsize=11, color=INK, wrap=True)
    figure.savefig(file)


def _lanes(life: Life) -> dict[str, int]:
    """Return the row of each room: the hall last, for the robot lives there."""
    names = sorted(room.name for room in life.home.rooms if room.name != HALL)
    return {name: row for row, name in enumerate([*names, HALL])}


def _draw_stays(axes: "Axes", life: Life, lanes: dict[str, int]) -> None:
    """Draw where the robot was, coloured by what it did."""
    for doing, color in DOING.items():
        for segment in life.segments:
            if doing not in (segment.name.split(" of ")[0], segment.part_of.split(" for ")[0]):
                continue
            span_h = (segment.end_ns - segment.start_ns) / HOUR_NS
            axes.barh(
                lanes[segment.room], max(span_h, 0.02), LANE, _hour(segment.start_ns), color=color, zorder=2
            )  # fmt: skip
        axes.barh(0, 0, color=color, label="charging" if doing == "charging" else doing)


def _draw_boundaries(axes: "Axes", life: Life, rows: int) -> None:
    hours = [_hour(segment.start_ns) for segment in life.segments]
    axes.vlines(hours, -0.6, rows - 0.4, color=PALE, lw=0.4, alpha=0.5, zorder=1)


def _draw_events(axes: "Axes", life: Life, events: Sequence[Event], lanes: dict[str, int]) -> None:
    for kind, (marker, color, label) in MARKS.items():
        of_kind = [event for event in events if event.kind is kind]
        places = [(_hour(e.stamp_ns), lanes[room]) for e in of_kind if (room := _room(life, e))]
        x, y = [hour for hour, _ in places], [row - LANE / 2 - 0.09 for _, row in places]
        axes.scatter(x, y, s=22, marker=marker, color=color, label=label, zorder=4, lw=1.2)


def _draw_evidence(axes: "Axes", life: Life, answer: Answer, lanes: dict[str, int]) -> None:
    """Ring what the answer rests on, and name it."""
    for rank, evidence in enumerate(answer.evidence[:3]):
        room = None if evidence.p_map is None else life.home.room_at(evidence.p_map)
        if room is None:
            continue
        at = _hour(evidence.stamp_ns), lanes[room]
        axes.scatter(*at, s=210, marker="o", facecolor="none", edgecolor=ANSWER, lw=2, zorder=6)
        axes.annotate(
            f"{rank + 1}: {evidence.text}",
            at,
            xytext=(10, 15),
            textcoords="offset points",
            color=ANSWER,
            fontsize=9,
            zorder=7,
            bbox={"boxstyle": "round,pad=0.2", "fc": "white", "ec": ANSWER, "lw": 0.6},
        )


def _finish(axes: "Axes", life: Life, lanes: dict[str, int]) -> None:
    first, last = life.segments[0].start_ns, life.segments[-1].end_ns
    axes.set_xlim(_hour(first) - 0.15, _hour(last) + 0.15)
    axes.set_ylim(len(lanes) - 0.4, -0.75)
    axes.set_yticks(list(lanes.values()), list(lanes), color=INK)
    hours = range(int(_hour(first)), int(_hour(last)) + 1)
    axes.set_xticks(list(hours), [f"{hour}:00" for hour in hours], color=INK, fontsize=9)
    day = datetime.fromtimestamp(first // 10**9, UTC)
    axes.set_xlabel(f"{day:%A}, {day.day} {day:%B %Y}; thin lines: the robot began something else")
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.09), ncols=8, frameon=False, fontsize=9)


def _room(life: Life, event: Event) -> str | None:
    if event.p_map is not None and (room := life.home.room_at(event.p_map)):
        return room
    doing = [s for s in life.segments if s.start_ns <= event.stamp_ns < s.end_ns]
    return doing[0].room if doing else None


def _hour(stamp_ns: int) -> float:
    return stamp_ns % DAY_NS / HOUR_NS
