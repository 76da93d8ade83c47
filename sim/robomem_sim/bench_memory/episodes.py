"""Episodes, recall through them, and procedures, against their truth."""

from collections.abc import Sequence
from dataclasses import dataclass

from robomem.eval.bench import Table
from robomem.eval.columns import Column, table_of
from robomem_sim.bench_memory.boundaries import BoundaryScore, measure_boundaries
from robomem_sim.bench_memory.procedures import ActingScore, measure_procedures
from robomem_sim.bench_memory.top_down import TopDownScore, measure_top_down

DAYS, QUICK_DAYS = 3.0, 1.0


@dataclass(frozen=True, slots=True)
class EpisodesFindings:
    """What was found of episodes, of recall from the top down, and of acting on procedures."""

    boundaries: tuple[BoundaryScore, ...]
    top_down: tuple[TopDownScore, ...]
    acting: tuple[ActingScore, ...]

    def tables(self) -> tuple[Table, ...]:
        """Return the tables for a document."""
        return (
            _boundary_table(self.boundaries),
            table_of(
                "Recall from the top down: the five best events of all",
                [(f"{score.days:g} days", score) for score in self.top_down],
                _TOP_DOWN,
                first="lives of",
            ),
            table_of(
                "A family of tasks, whose world changes: trials that succeed",
                [(score.acts_on, score) for score in self.acting],
                _ACTING,
                first="acting on",
            ),
        )


def measure_episodes(seeds: Sequence[int], is_quick: bool) -> EpisodesFindings:
    """Cut streams into episodes, recall through them, and act on what was experienced.

    Args:
        seeds: Of the streams, lives and worlds.
        is_quick: Shorter lives for recall.
    """
    return EpisodesFindings(
        boundaries=measure_boundaries(seeds),
        top_down=measure_top_down(seeds[:1], days=QUICK_DAYS if is_quick else DAYS),
        acting=measure_procedures(seeds),
    )


_TOP_DOWN: tuple[Column[TopDownScore], ...] = (
    Column("breadth", lambda s: s.breadth, ".0f"),
    Column("events", lambda s: s.events, ",.0f"),
    Column("compared", lambda s: s.compared, ",.0f"),
    Column("recall@5 %", lambda s: 100 * s.recall, ".0f"),
    Column("of as many at random %", lambda s: 100 * s.recall_at_cost, ".0f"),
)
_ACTING: tuple[Column[ActingScore], ...] = (
    Column("mean %", lambda s: 100 * s.rate, ".0f"),
    Column("worst %", lambda s: 100 * s.worst, ".0f"),
)


def _boundary_table(scores: Sequence[BoundaryScore]) -> Table:
    """Return F1 of every rule in every stream, with precision and recall."""
    streams = list(dict.fromkeys(score.stream for score in scores))
    rules = dict.fromkeys(score.rule for score in scores)
    by_rule = {(score.rule, score.stream): score for score in scores}
    rows = [(rule, *(_written(by_rule[rule, stream]) for stream in streams)) for rule in rules]
    title = "Boundaries of episodes: F1 (precision, recall), off by one event at most"
    return Table(title, ("cut", *streams), tuple(rows))


def _written(score: BoundaryScore) -> str:
    return f"{score.f1:.2f} ({score.precision:.2f}, {score.recall:.2f})"
