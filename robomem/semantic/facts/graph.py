"""The facts that hold as a graph: names are its nodes, facts its edges. Held in memory, and read again when they change."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

import numpy as np
from numpy.typing import NDArray

from robomem.semantic.facts.pagerank import pagerank
from robomem.semantic.facts.truths import REVISION
from robomem.store.fact_rows import FOREVER_NS, TruthRow
from robomem.store.records import Records
from robomem.store.table import Table

Ids = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class FactGraph:
    """The facts that hold at one instant.

    Attributes:
        name_ids: Of the nodes, (N,), rising: the roots of names.
        ends: Rows of `name_ids` of the subject and of the object of every fact, (2, E).
        keys: What a fact is stored under, (E, 2): its `fact_id` and `valid_from_ns`.
        relations: Every relation that there is,
        relation_of: and the row of each fact's in it, (E,).
        from_ns: Since when exactly these hold,
        until_ns: and until before when.
    """

    name_ids: Ids
    ends: Ids
    keys: Ids
    relations: tuple[str, ...]
    relation_of: Ids
    from_ns: int
    until_ns: int

    @classmethod
    def load(cls, truths: Table[TruthRow], *, as_of_ns: int) -> Self:
        """Read what holds at an instant; what is known not to be so connects nothing."""
        rows = truths.values(
            ("subject_id", "object_id", "fact_id", "valid_from_ns", "relation"),
            "valid_until_ns > ? AND valid_from_ns <= ? AND NOT is_denied",
            as_of_ns,
            as_of_ns,
        )
        relations = {name: row for row, name in enumerate(sorted({row[4] for row in rows}))}
        table = np.array([(*row[:4], relations[row[4]]) for row in rows], np.int64).reshape(-1, 5)
        table = table[np.lexsort((table[:, 3], table[:, 2]))]
        name_ids, ends = np.unique(table[:, :2].T, return_inverse=True)
        return cls(
            name_ids,
            ends.reshape(2, -1),
            table[:, 2:4],
            tuple(relations),
            table[:, 4],
            *_window(truths, as_of_ns=as_of_ns),
        )

    def nearest(
        self, root_ids: Ids, *, k: int, weight_of: Callable[[str], float]
    ) -> list[tuple[tuple[int, int], float]]:
        """Return the keys of the k facts nearest to some names, with their scores, best first.

        A fact's score is the sum of the probabilities of its two names, times the weight of its relation.

        Args:
            root_ids: Roots of names, (S,); each counts one by the number of its facts.
            k: How many at most.
            weight_of: Returns the weight of a relation.
        """
        seeds = np.zeros(len(self.name_ids))
        seeds[np.flatnonzero(np.isin(self.name_ids, root_ids))] = 1.0
        if not seeds.any():
            return []
        degree = np.bincount(self.ends.ravel(), minlength=len(seeds))
        p = pagerank(self.ends, nodes=len(seeds), seeds=seeds / np.maximum(degree, 1))
        weights = np.array([weight_of(relation) for relation in self.relations])
        scores = p[self.ends].sum(axis=0) * weights[self.relation_of]
        order = np.lexsort((self.keys[:, 0], -scores)) if len(scores) < 4 * k else _top(scores, k)
        return [((int(self.keys[i, 0]), int(self.keys[i, 1])), float(scores[i])) for i in order[:k]]


class FactGraphs:
    """The graph that was asked for last, for as long as it is the one."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._revision = -1
        self._graph: FactGraph | None = None

    def clear(self) -> None:
        """Forget the graph: what it was made of never was."""
        self._graph = None

    def at(self, as_of_ns: int) -> FactGraph:
        """Return the graph of what holds at an instant."""
        revision = self._records.counter(REVISION)
        graph = self._graph
        if (
            graph is None
            or revision != self._revision
            or not graph.from_ns <= as_of_ns < graph.until_ns
        ):
            graph = FactGraph.load(self._records.truths, as_of_ns=as_of_ns)
            self._graph, self._revision = graph, revision
        return graph


def _window(truths: Table[TruthRow], *, as_of_ns: int) -> tuple[int, int]:
    """Return the last instant at which something began or ended, and the next one."""
    last_ns, next_ns = 0, FOREVER_NS
    for column in ("valid_from_ns", "valid_until_ns"):
        ((before,),) = truths.values((f"max({column})",), f"{column} <= ?", as_of_ns)
        ((after,),) = truths.values((f"min({column})",), f"{column} > ?", as_of_ns)
        last_ns = max(last_ns, before or 0)
        next_ns = min(next_ns, FOREVER_NS if after is None else after)
    return last_ns, next_ns


def _top(scores: NDArray[np.float64], k: int) -> Ids:
    """Return the rows of the k best and of those as good as the last of them, best first; equal ones by row."""
    least = np.partition(scores, len(scores) - k)[len(scores) - k]
    rows = np.flatnonzero(scores >= least)
    return rows[np.argsort(-scores[rows], kind="stable")]
