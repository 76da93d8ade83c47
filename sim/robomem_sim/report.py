"""The end of the demonstration: ask, judge, drive, draw, and put it all in one table."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from robomem.errors import UnreachableError
from robomem.geometry import Points
from robomem.memory import Memory
from robomem.viz.top_view import Mark, draw_top_view
from robomem_sim.robot import ROBOT_RADIUS_M
from robomem_sim.scenario import REACH_M, AnswerLike, Scenario

STANDOFF_M = 0.6
SAFETY_M = 0.05  # a voxel: better than that the memory does not know where things end
COLUMNS = "question", "answer", "truth", "ok"
WIDTHS = 42, 44, 42, 3
LEGEND_CHARS = 115


@dataclass(frozen=True, slots=True, eq=False)
class Row:
    """One line of the table; `answer` is None for what was not asked in words."""

    question: str
    text: str
    expected_text: str
    ok: bool
    answer: AnswerLike | None = None


def ask_all(scenario: Scenario, ask: Callable[[str], AnswerLike]) -> Iterator[Row]:
    """Ask the scenario's questions one by one and judge the answers.

    Args:
        scenario: After its second patrol.
        ask: Puts a question to the memory, in this process or another.
    """
    for check in scenario.questions():
        answer = ask(check.question)
        verdict = check.judge(answer)
        yield Row(check.question, answer.text, verdict.expected_text, verdict.ok, answer)


def conclude(
    memory: Memory,
    scenario: Scenario,
    rows: Sequence[Row],
    *,
    out: Path,
    plan: Callable[..., Points] | None = None,
) -> Iterator[Row]:
    """Drive to where the memory says the moved thing is, and draw `top_view.png`; yields one more row.

    Args:
        memory: What was observed into, open for reading at least.
        scenario: Its questions are asked.
        rows: What `ask_all` gave; the first answer says where the moved thing is.
        out: Folder of the picture.
        plan: Plans as `Memory.route` does, perhaps in another process; by default it is the memory's.
    """
    route: Points | None = None
    question = f"drive to the {scenario.moved.label}"
    expected_text = f"within {REACH_M} m, touching nothing"
    try:
        route = (plan or memory.route)(
            scenario.position_map,
            _goal(rows[0]),
            radius_m=ROBOT_RADIUS_M + SAFETY_M,
            standoff_m=STANDOFF_M,
        )
    except UnreachableError as err:
        yield Row(question, str(err), expected_text, ok=False)
    else:
        yield _drive(scenario, route, question, expected_text)
    title = f"A robot's memory of house {scenario.seed}"
    draw_top_view(memory, out / "top_view.png", route=route, marks=_marks(rows), title=title)


def table(rows: Sequence[Row]) -> str:
    """Return question, answer, truth and ok as a table for a terminal."""
    lines = [_line(COLUMNS), _line(["-" * width for width in WIDTHS])]
    lines += [
        _line((row.question, row.text, row.expected_text, "yes" if row.ok else "NO"))
        for row in rows
    ]
    return "\n".join(lines)


def _drive(scenario: Scenario, route: Points, question: str, expected_text: str) -> Row:
    result = scenario.drive(route)
    how = "touching nothing" if result.is_collision_free else "BUMPING into something"
    clearance = f"{100 * result.clearance_m:.0f} cm at least to everything"
    text = f"stopped {result.distance_to_goal_m:.2f} m away, {how}, {clearance}"
    return Row(question, text, expected_text, result.ok)


def _goal(row: Row) -> tuple[float, ...]:
    """Return the place (3,) in map that an answer names first; raises UnreachableError without one."""
    for evidence in row.answer.evidence if row.answer else ():
        if evidence.p_map is not None:
            return tuple(map(float, evidence.p_map))
    raise UnreachableError(f"the memory names no place: {row.text}")


def _marks(rows: Sequence[Row]) -> list[Mark]:
    """Return the place of each answer's best evidence, with what was asked."""
    return [
        Mark(
            np.asarray(row.answer.evidence[0].p_map),
            _cut(f"{row.question}  {row.text}", LEGEND_CHARS),
        )
        for row in rows
        if row.answer and row.answer.evidence and row.answer.evidence[0].p_map is not None
    ]


def _line(cells: Sequence[str]) -> str:
    padded = (_cut(cell, width).ljust(width) for cell, width in zip(cells, WIDTHS, strict=True))
    return "  ".join(padded).rstrip()


def _cut(text: str, length: int) -> str:
    """Return the text on one line, cut to a length."""
    line = " ".join(text.split())
    return line if len(line) <= length else line[: length - 1] + "…"
