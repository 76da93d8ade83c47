"""A sheet of all tasks, five moments of an expert's episode each: `python -m robomem_sim.tasks.pictures docs/tasks.png`."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import gymnasium
import numpy as np

from robomem_sim.tasks import NAMESPACE
from robomem_sim.tasks.ballet import CELLS, CELLS_OF
from robomem_sim.tasks.rooms import COLUMNS, ROOM_M
from robomem_sim.tasks.t_maze import CELL_M
from robomem_sim.tasks.table import IMAGE
from robomem_sim.tasks.task import POSITION, STATE, Array, Observation, Task

if TYPE_CHECKING:
    from matplotlib.axes import Axes

FRAMES = 5
SIZE_IN, DPI = (15.0, 4.6), 90
MARGINS = {"left": 0.01, "right": 0.99, "bottom": 0.14, "top": 0.86, "wspace": 0.08}
INK, PALE, PAPER, WOOD, ROBOT = "#22262e", "#7a818f", "#eceef2", "#96703f", "#c3cde0"
# Okabe and Ito, "Color Universal Design", 2008: told apart by those who see few colours, too.
COLOURS = "#d55e00", "#0072b2", "#009e73", "#f0e442", "#cc79a7", "#56b4e9", "#e69f00", "#000000"

Draw = Callable[["Axes", Sequence[Observation]], None]


@dataclass(frozen=True, slots=True)
class Panel:
    """How a task is told.

    Attributes:
        name: of its id.
        story: what it is about, in a line.
        settings: with which it is made.
        draw: draws what is seen, in a frame from (0, 0) to (1, 1); it is given all until then, the newest last.
        captions: by moment, counted from the end where it is negative; they are shown in this order.
        seed: of the episode.
    """

    name: str
    story: str
    settings: Mapping[str, Any]
    draw: Draw
    captions: Mapping[int, str]
    seed: int = 0


def draw_tasks(path: Path) -> None:
    """Draw the sheet into a file."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=SIZE_IN, dpi=DPI)
    figures = np.ravel(np.asarray(figure.subfigures(3, 3, wspace=0.04)))
    for part, panel in zip(figures, PANELS, strict=True):
        part.suptitle(f"{panel.name}: {panel.story}", fontsize=10, color=INK, x=0.01, ha="left")
        frames = part.subplots(1, FRAMES, gridspec_kw=MARGINS)
        seen = _play(panel)
        for axes, (moment, caption) in zip(frames, panel.captions.items(), strict=True):
            axes.set(
                xlim=(0, 1), ylim=(0, 1), xticks=[], yticks=[], aspect="equal", facecolor=PAPER
            )
            axes.spines[:].set_visible(False)
            panel.draw(axes, seen[: moment + 1] if moment != -1 else seen)
            axes.set_xlabel(caption, fontsize=8.5, color=PALE)
    figure.savefig(path)


def _play(panel: Panel) -> list[Observation]:
    """Return all moments of the expert's episode."""
    env = gymnasium.make(
        f"{NAMESPACE}/{panel.name}",
        disable_env_checker=True,
        **cast(dict[str, Any], panel.settings),
    )
    task = cast(Task[Any], env.unwrapped)
    observation, _ = task.reset(seed=panel.seed)
    observations, is_over = [observation], False
    while not is_over:
        observation, _, is_over, _, _ = task.step(task.expert_action())
        observations.append(observation)
    return observations


def _ask(axes: "Axes") -> None:
    axes.text(0.5, 0.5, "?", fontsize=24, ha="center", va="center", color=INK)


def _disc(axes: "Axes", x: float, y: float, radius: float, colour: str) -> None:
    from matplotlib.patches import Circle

    axes.add_patch(Circle((x, y), radius, color=colour, lw=0))


def _box(axes: "Axes", x: float, y: float, width: float, height: float, colour: str) -> None:
    from matplotlib.patches import Rectangle

    axes.add_patch(Rectangle((x, y), width, height, color=colour, lw=0))


def _draw_ballet(axes: "Axes", seen: Sequence[Observation]) -> None:
    """Draw the way that was danced until now, in the dancer's colour; or the one asked for, in nobody's."""
    dancers = 3
    state = seen[-1][STATE]
    if (asked := state[dancers + 2 * CELLS :]).any():
        _draw_way(axes, CELLS_OF[asked.argmax()], INK)
        _disc(axes, 0.5, 0.5, 0.17, PAPER)
        _ask(axes)
    elif state.any():
        dancer = int(state[:dancers].argmax())
        danced = [moment[STATE] for moment in seen if moment[STATE][dancer]]
        _draw_way(
            axes, np.array([s[dancers : dancers + CELLS].argmax() for s in danced]), COLOURS[dancer]
        )


def _draw_way(axes: "Axes", cells: Array, colour: str) -> None:
    rows, columns = np.divmod(np.append(cells, cells[0]), 3)
    axes.plot(0.2 + 0.3 * columns, 0.2 + 0.3 * rows, color=colour, lw=3, solid_capstyle="round")
    _disc(axes, 0.2 + 0.3 * columns[-2], 0.2 + 0.3 * rows[-2], 0.09, colour)


def _draw_colour(axes: "Axes", seen: Sequence[Observation]) -> None:
    state = seen[-1][STATE]
    colours, (is_cue, is_asked) = state[:-2], state[-2:]
    if is_cue:
        _box(axes, 0.1, 0.1, 0.8, 0.8, INK)
    if colours.any():
        _box(axes, 0.18, 0.18, 0.64, 0.64, COLOURS[colours.argmax()])
    if is_asked:
        _ask(axes)


def _draw_chain(axes: "Axes", seen: Sequence[Observation]) -> None:
    *colours, is_asked = seen[-1][STATE]
    if any(colours):
        _box(axes, 0.18, 0.18, 0.64, 0.64, COLOURS[int(np.argmax(colours))])
    if is_asked:
        _ask(axes)


def _draw_shells(axes: "Axes", seen: Sequence[Observation]) -> None:
    state, cups = seen[-1][STATE], 3
    for cup in range(cups):
        x, is_swapped = 0.2 + 0.3 * cup, state[cups + cup]
        _box(
            axes,
            x - 0.11,
            0.35 + 0.3 * state[:cups].any(),
            0.22,
            0.25,
            COLOURS[1 if is_swapped else 5],
        )
        if state[cup]:
            _disc(axes, x, 0.4, 0.09, COLOURS[0])
    pair = np.flatnonzero(state[cups : 2 * cups])
    if len(pair):
        ends = [(0.2 + 0.3 * place, 0.62) for place in pair]
        style = {"arrowstyle": "<->", "connectionstyle": "arc3,rad=0.5", "color": INK}
        axes.annotate("", xy=ends[0], xytext=ends[1], arrowprops=style)
    if state[-1]:
        axes.text(0.5, 0.8, "?", fontsize=20, ha="center", va="center", color=INK)


def _draw_card(axes: "Axes", seen: Sequence[Observation]) -> None:
    *cards, is_asked = seen[-1][STATE]
    _box(axes, 0.24, 0.1, 0.52, 0.8, "white")
    suit = "♠♥♦♣"[int(np.argmax(cards))]
    axes.text(
        0.5, 0.62 if is_asked else 0.5, suit, fontsize=24, ha="center", va="center", color=INK
    )
    if is_asked:
        axes.text(0.5, 0.26, "?", fontsize=16, ha="center", va="center", color=COLOURS[0])


def _draw_maze(axes: "Axes", seen: Sequence[Observation]) -> None:
    north, south, *_ = seen[-1][STATE]
    unit = 0.86 / 9  # the cells of a corridor of length 8
    _box(axes, 0.07, 0.44, 0.86, 0.12, "white")
    _box(axes, 0.93 - unit, 0.2, unit, 0.6, "white")
    at = 0.07 + unit * (seen[-1][POSITION][0] / CELL_M + 0.5)
    has_chosen = len(seen) > 1 and seen[-1][POSITION][0] == seen[-2][POSITION][0]
    signs = [moment[STATE][:2] for moment in seen if moment[STATE][:2].any()]
    y = 0.5 + 0.24 * (1 if signs[0][0] else -1) if has_chosen else 0.5
    _disc(axes, at, y, 0.06, COLOURS[1])
    if north or south:
        axes.annotate(
            "",
            xy=(0.12, 0.9 if north else 0.1),
            xytext=(0.12, 0.5),
            arrowprops={"color": COLOURS[0]},
        )


def _draw_rooms(axes: "Axes", seen: Sequence[Observation]) -> None:
    """Draw what was seen in each room: a thing, or a closed cupboard; where the robot is, and what it is asked for."""
    kinds = 8
    _box(axes, *_corner_of(seen[-1]), 0.22, 0.34, ROBOT)
    for moment in seen:
        (x, y), state = _corner_of(moment), moment[STATE]
        if state[:kinds].any():
            _disc(axes, x + 0.11, y + 0.17, 0.07, COLOURS[state[:kinds].argmax()])
        elif state[kinds]:
            _box(axes, x + 0.035, y + 0.07, 0.15, 0.2, WOOD)
    if (asked := seen[-1][STATE][kinds + 1 :]).any():
        _disc(axes, 0.42, 0.87, 0.07, COLOURS[asked.argmax()])
        axes.text(0.58, 0.87, "?", fontsize=14, ha="center", va="center", color=INK)


def _corner_of(moment: Observation) -> tuple[float, float]:
    """Return the lower left corner of the robot's room."""
    column, row, _ = moment[POSITION] / ROOM_M
    return 0.04 + 0.92 * column / COLUMNS, 0.4 - 0.37 * row


def _draw_image(axes: "Axes", seen: Sequence[Observation]) -> None:
    axes.imshow(seen[-1][IMAGE], extent=(0, 1, 0, 1), interpolation="nearest")


PANELS = (
    Panel(
        "Ballet-v0",
        "who danced this dance?",
        {"dancers": 3, "delay_steps": 16},
        _draw_ballet,
        {26: "one dances", 40: "a pause", 58: "another", 90: "a third", -2: "who danced so?"},
        seed=4,
    ),
    Panel(
        "RememberColour-v0",
        "which colour was the first?",
        {"delay_steps": 32},
        _draw_colour,
        {6: "the cue", 7: "a distractor", 15: "nothing", 26: "a distractor", -2: "which was it?"},
    ),
    Panel(
        "ChainOfColours-v0",
        "say them in their order",
        {"length": 3, "delay_steps": 8},
        _draw_chain,
        {6: "first", 7: "second", 8: "third", 12: "nothing", -2: "and now?"},
        seed=2,
    ),
    Panel(
        "ShellGame-v0",
        "where is the ball?",
        {"swaps": 3},
        _draw_shells,
        {6: "the ball", 9: "they swap", 12: "and again", 15: "and again", -2: "where is it?"},
    ),
    Panel(
        "RepeatBack-v0",
        "which card came four before?",
        {},
        _draw_card,
        {0: "moment 0", 1: "1", 2: "2", 3: "3", 4: "4: the one at 0?"},
    ),
    Panel(
        "TMaze-v0",
        "go to the side that the sign pointed to",
        {"length": 8},
        _draw_maze,
        {0: "it begins", 2: "sees the sign", 6: "goes east", 10: "which side?", -1: "there"},
    ),
    Panel(
        "HiddenObject-v0",
        "fetch what was seen, or search the cupboards",
        {},
        _draw_rooms,
        {0: "a tour", 3: "of the house", 7: "is over", 16: "fetch this!", -1: "found"},
        seed=1,
    ),
    Panel(
        "ShellReach-v0",
        "lift the cup with the ball",
        {"images": True},
        _draw_image,
        {0: "the ball", 11: "cups swap", 20: "covered", 44: "it reaches", -1: "and lifts"},
        seed=1,
    ),
    Panel(
        "DrawerSearch-v0",
        "open no drawer twice",
        {"images": True},
        _draw_image,
        {1: "seen: empty", 9: "seen: empty", 14: "covered", 42: "empty, too", -1: "found"},
        seed=1,
    ),
)


if __name__ == "__main__":
    draw_tasks(Path(sys.argv[1]))
