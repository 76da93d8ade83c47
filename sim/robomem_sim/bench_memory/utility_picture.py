"""What a memory under a budget can still answer, as a picture."""

from pathlib import Path
from typing import TYPE_CHECKING

from robomem_sim.bench_memory.demand import Demand
from robomem_sim.bench_memory.retention import (
    LAST_N,
    LEARNED,
    LRU,
    RANDOM,
    SPACES,
    STRATEGIES,
    TIGHT,
    RetentionFindings,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE_IN, DPI = (13.0, 5.4), 130
INK, PALE = "#22262e", "#8a91a0"
# Okabe and Ito, "Color Universal Design", 2008: told apart by those who see few colours, too.
STYLES = {  # colour, marker
    LEARNED: ("#d55e00", "o"),
    "weakest": ("#0072b2", "s"),
    "fifo": ("#009e73", "^"),
    "lifo": ("#cc79a7", "v"),
    "least_visited": ("#e69f00", "D"),
    "most_visited": ("#56b4e9", "P"),
    LAST_N: ("#22262e", "x"),
    LRU: ("#999999", "+"),
    RANDOM: ("#c8ccd4", "."),
}
WORDS = {
    LEARNED: "learned: a vote of the five",
    "weakest": "weakest first (Ebbinghaus)",
    "fifo": "first in, first out",
    "lifo": "last in, first out",
    "least_visited": "least visited place first",
    "most_visited": "most visited place first",
    LAST_N: "baseline: the last N",
    LRU: "baseline: least recently used",
    RANDOM: "baseline: at random",
}
ASKED = {
    Demand.EVERYDAY: "everyday mix",
    Demand.EARLY: "the first days",
    Demand.LATE: "the last hours",
    Demand.SELDOM: "seldom visited rooms",
    Demand.OFTEN: "often visited rooms",
}


def draw_utility(findings: RetentionFindings, file: Path) -> None:
    """Draw recall against space, and in little space by what is asked for."""
    from matplotlib.figure import Figure

    figure = Figure(SIZE_IN, dpi=DPI, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(1.25, 1))
    _draw_spaces(left, findings)
    _draw_demands(right, findings)
    for axes in (left, right):
        axes.tick_params(length=0, colors=INK)
        for side in axes.spines.values():
            side.set_visible(False)
    handles, labels = left.get_legend_handles_labels()
    figure.legend(
        handles[::-1], labels[::-1], loc="outside lower center", ncols=5, frameon=False, fontsize=9
    )
    figure.savefig(file)


def _draw_spaces(axes: "Axes", findings: RetentionFindings) -> None:
    across = range(len(SPACES))
    for strategy in reversed(STRATEGIES):  # what is learned lies on top
        found = [findings.of(strategy, space) for space in SPACES]
        color, marker = STYLES[strategy]
        is_main = strategy == LEARNED
        axes.plot(
            across,
            [utility.recall for utility in found],
            color=color,
            marker=marker,
            lw=2.6 if is_main else 1.3,
            ms=8 if is_main else 6,
            ls=":" if strategy in (LAST_N, LRU, RANDOM) else "-",
            label=WORDS[strategy],
            zorder=5 if is_main else 3,
        )
        if is_main:
            lows, highs = [u.recall_low for u in found], [u.recall_high for u in found]
            axes.fill_between(across, lows, highs, color=color, alpha=0.15, lw=0, zorder=2)
    axes.set_xticks(list(across), [f"{space:.0%}" for space in SPACES])
    axes.set_ylim(0, 1.03)
    axes.grid(axis="y", color="#e6e8ec", lw=0.8)
    axes.set_xlabel("events that may be kept, of all that were logged", color=INK)
    axes.set_title("recall@5 of everyday questions", loc="left", fontsize=11, color=INK)


def _draw_demands(axes: "Axes", findings: RetentionFindings) -> None:
    for row, demand in enumerate(Demand):
        axes.axhline(row, color="#e6e8ec", lw=0.8, zorder=1)
        for strategy in reversed(STRATEGIES):
            color, marker = STYLES[strategy]
            is_main = strategy == LEARNED
            axes.scatter(
                findings.of(strategy, TIGHT, demand).recall,
                row,
                s=110 if is_main else 44,
                color=color,
                marker=marker,
                zorder=5 if is_main else 3,
            )
    axes.set_yticks(range(len(Demand)), [ASKED[demand] for demand in Demand])
    axes.set_ylim(len(Demand) - 0.5, -0.5)
    axes.set_xlim(-0.03, 1.03)
    axes.set_title(
        f"recall@5 in {TIGHT:.0%} of the space, by what is asked for",
        loc="left",
        fontsize=11,
        color=INK,
    )
