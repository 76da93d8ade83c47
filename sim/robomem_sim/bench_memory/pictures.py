"""What a day looks like: where the robot was, what happened, and what an answer rests on."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from robomem.episodic.episodes import EpisodeLevel
from robomem.eval.bench import Table
from robomem.eval.trial import Stopwatch
from robomem.memory import Memory
from robomem.types import Answer, Event, EventKind
from robomem_sim.bench_memory.life import ENCODER_SEED, told_memory
from robomem_sim.lives import Asked, ConceptEncoder, Life, ask_about, live
from robomem_sim.lives.home import HALL
from robomem_sim.lives.phrases import GUESTS_CAME
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
    EventKind.OUTCOME: ("s", "#007a55", "how a task ended"),
    EventKind.APPEARED: ("+", "#0072b2", "a thing had appeared"),
}
LANE, EPISODE_LANE = 0.6, 0.5  # height of a bar, of the distance between lanes
THINNEST_H = 0.035  # a bar that can be seen
EPISODES = {
    -2.0: EpisodeLevel.CHUNK,
    -1.2: EpisodeLevel.SEGMENT,
}  # by the row that they are drawn in
SHADES = "#5c6ba0", "#b9c2df"


@dataclass(frozen=True, slots=True)
class Pictures:
    """Which files were drawn."""

    files: tuple[str, ...]

    def tables(self) -> tuple[Table, ...]:
        """Return nothing: they are looked at."""
        return ()


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
    """Return a question about a time: where something was before the guests came, if any did, else at some time."""
    rng = np.random.default_rng(life.seed)
    kinds = [Asked.BEFORE, Asked.AS_OF, Asked.WHERE]
    return ask_about(life, rng, each=1, kinds=kinds)[0].words


def draw_day(life: Life, memory: Memory, question: str, file: Path) -> None:
    """Draw a day as rooms over time, what a memory made of it, and a question with its evidence."""
    from matplotlib.figure import Figure

    figure = Figure(SIZE_IN, dpi=DPI, layout="constrained")
    axes = figure.add_subplot()
    lanes = _lanes(life)
    _draw_stays(axes, life, lanes)
    _draw_episodes(axes, memory)
    _draw_events(axes, life, memory.events(), lanes)
    answer = memory.ask(question)
    _draw_evidence(axes, life, answer, lanes)
    _draw_guests(axes, memory)
    _finish(axes, life, lanes)
    told = answer.text.split(". ")[0].removesuffix(".")
    figure.suptitle(f"{question}", x=0.01, ha="left", fontsize=13, color=INK, weight="bold")
    axes.set_title(f"{told}.", loc="left", fontsize=11, color=ANSWER)
    figure.savefig(file)


def _lanes(life: Life) -> dict[str, int]:
    """Return the row of each room: the hall last, for the robot rests there."""
    names = sorted(room.name for room in life.home.rooms if room.name != HALL)
    return {name: row for row, name in enumerate([*names, HALL])}


def _draw_stays(axes: "Axes", life: Life, lanes: dict[str, int]) -> None:
    """Draw where the robot was, coloured by what it did."""
    for doing, color in DOING.items():
        of_kind = [
            s
            for s in life.segments
            if doing in (s.name.split(" of ")[0], s.part_of.split(" for ")[0])
        ]
        rows = [lanes[segment.room] for segment in of_kind]
        hours = [(s.end_ns - s.start_ns) / HOUR_NS for s in of_kind]
        starts = [_hour(segment.start_ns) for segment in of_kind]
        widths = [max(span_h, THINNEST_H) for span_h in hours]
        axes.barh(rows, widths, LANE, starts, color=color, label=doing, zorder=2)


def _draw_episodes(axes: "Axes", memory: Memory) -> None:
    """Draw the segments and chunks that the memory cut the day into, in two shades."""
    for row, level in EPISODES.items():
        found = sorted(memory.episodes(level=level), key=lambda episode: episode.stamp_ns)
        starts = [_hour(episode.stamp_ns) for episode in found]
        ends = [*starts[1:], _hour(found[-1].until_ns)] if found else []
        widths = [end - start for start, end in zip(starts, ends, strict=True)]
        shades = [SHADES[i % 2] for i in range(len(found))]
        axes.barh([row] * len(found), widths, EPISODE_LANE, starts, color=shades, zorder=2)


def _draw_events(axes: "Axes", life: Life, events: Sequence[Event], lanes: dict[str, int]) -> None:
    for kind, (marker, color, label) in MARKS.items():
        of_kind = [event for event in events if event.kind is kind]
        places = [(_hour(e.stamp_ns), lanes[room]) for e in of_kind if (room := _room(life, e))]
        x, y = [hour for hour, _ in places], [row - LANE / 2 - 0.1 for _, row in places]
        axes.scatter(x, y, s=24, marker=marker, color=color, label=label, zorder=4, lw=1.4)


def _draw_evidence(axes: "Axes", life: Life, answer: Answer, lanes: dict[str, int]) -> None:
    """Ring what the answer rests on, and name it."""
    for evidence in answer.evidence[:1]:
        room = None if evidence.p_map is None else life.home.room_at(evidence.p_map)
        if room is None:
            continue
        at = _hour(evidence.stamp_ns), lanes[room]
        axes.scatter(*at, s=260, marker="o", facecolor="none", edgecolor=ANSWER, lw=2.2, zorder=6)
        axes.annotate(
            f"evidence: {evidence.text}",
            at,
            xytext=(18, -4),
            textcoords="offset points",
            color=ANSWER,
            fontsize=9.5,
            zorder=7,
            bbox={"boxstyle": "round,pad=0.25", "fc": "white", "ec": ANSWER, "lw": 0.8},
        )


def _draw_guests(axes: "Axes", memory: Memory) -> None:
    for event in memory.events():
        if event.text.startswith(GUESTS_CAME):
            axes.axvline(_hour(event.stamp_ns), color=INK, lw=1.0, ls=(0, (4, 3)), zorder=5)
            axes.annotate(
                GUESTS_CAME, (_hour(event.stamp_ns), -0.55), xytext=(4, -9), textcoords="offset points",
                color=INK, fontsize=9, zorder=7,
            )  # fmt: skip


def _finish(axes: "Axes", life: Life, lanes: dict[str, int]) -> None:
    first, last = life.segments[0].start_ns, life.segments[-1].end_ns
    axes.set_xlim(_hour(first) - 0.1, _hour(last) + 0.1)
    axes.set_ylim(len(lanes) - 0.5, min(EPISODES) - 0.5)
    rows = {**{level.value + "s": row for row, level in EPISODES.items()}, **lanes}
    axes.set_yticks(list(rows.values()), list(rows), color=INK)
    hours = range(int(_hour(first)), int(_hour(last)) + 1)
    axes.set_xticks(list(hours), [f"{hour}:00" for hour in hours], color=INK, fontsize=9)
    axes.hlines(
        [row + 0.5 for row in lanes.values()], *axes.get_xlim(), color=PALE, lw=0.4, zorder=0
    )
    axes.axhline(-0.62, color=PALE, lw=0.8)
    day = datetime.fromtimestamp(first // 10**9, UTC)
    axes.set_xlabel(f"{day:%A}, {day.day} {day:%B %Y}", color=INK)
    axes.tick_params(length=0)
    for side in axes.spines.values():
        side.set_visible(False)
    axes.legend(
        loc="upper center", bbox_to_anchor=(0.46, -0.08), ncols=5, frameon=False, fontsize=9
    )


def _room(life: Life, event: Event) -> str | None:
    if event.p_map is not None and (room := life.home.room_at(event.p_map)):
        return room
    doing = [s for s in life.segments if s.start_ns <= event.stamp_ns < s.end_ns]
    return doing[0].room if doing else None


def _hour(stamp_ns: int) -> float:
    return stamp_ns % DAY_NS / HOUR_NS
