"""A graph of positions, and shortest paths through it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from robomem.errors import DataError, QueryError, UnreachableError
from robomem.geometry import Points
from robomem.spatial.topology.kernels.search import (
    NONE,
    Adjacency,
    Ends,
    find_path,
    label_components,
)

Key = TypeVar("Key", int, str)
Edge = tuple[Key, Key]
ROUNDING = 1 - 1e-12  # keeps what is left from being overestimated by the last digit


@dataclass(frozen=True, slots=True, eq=False)
class GraphPath(Generic[Key]):
    """The nodes of a path, their positions (N, 3), and its cost: lengths in metres and extra costs."""

    keys: tuple[Key, ...]
    positions: Points
    cost: float


class PositionGraph(Generic[Key]):
    """Nodes with positions under weighted edges, of which some may be blocked or dearer for a while.

    Parallel edges are legal, the cheapest open one counts; so are self loops, which no path takes,
    and graphs that fall apart.

    Args:
        keys: What the nodes are called, each once.
        positions: Where they are, (N, 2) or (N, 3) metres in any one frame.
        edges: From and to, (E, 2) rows of `positions`.
        lengths_m: Of the edges, (E,); by default the straight distance.
        is_directed: Whether an edge leads one way only.

    Raises:
        DataError: A name comes twice, a node is unknown, a position is not finite, a length is negative or none.
    """

    def __init__(
        self,
        keys: Sequence[Key],
        positions: ArrayLike,
        edges: ArrayLike,
        *,
        lengths_m: ArrayLike | None = None,
        is_directed: bool = False,
    ) -> None:
        self.keys: tuple[Key, ...] = tuple(keys)
        self.is_directed = is_directed
        self.positions = _checked_positions(positions, len(self.keys))
        self._index: dict[Key, int] = {key: i for i, key in enumerate(self.keys)}
        if len(self._index) != len(self.keys):
            raise DataError("two nodes of the graph have the same name")
        self.edges = _checked_edges(edges, len(self.keys))
        straight_m = np.linalg.norm(np.diff(self.positions[self.edges], axis=1)[:, 0], axis=1)
        self.lengths_m = _checked_lengths(
            straight_m if lengths_m is None else lengths_m, len(self.edges)
        )
        is_apart = straight_m > 0
        ratios = self.lengths_m[is_apart] / straight_m[is_apart]
        self._scale = float(ratios.min(initial=1.0)) * ROUNDING
        self._extra_costs = np.zeros(len(self.edges))
        self._blocked: dict[Edge[Key], NDArray[np.int64]] = {}
        self._lay_out()

    def __len__(self) -> int:
        return len(self.keys)

    def __contains__(self, key: object) -> bool:
        return key in self._index

    def index(self, key: Key) -> int:
        """Return the row of a node; raises QueryError."""
        try:
            return self._index[key]
        except KeyError as err:
            raise QueryError(f"the graph has no node {key!r}") from err

    # ---- paths ------------------------------------------------------------------------------------

    def shortest_path(
        self, start: Key, goal: Key, *, blocked: Iterable[Edge[Key]] = ()
    ) -> GraphPath[Key]:
        """Return the cheapest path, exactly.

        Args:
            start: Its first node.
            goal: Its last.
            blocked: Edges that are blocked this once.

        Raises:
            QueryError: A node or an edge is unknown.
            UnreachableError: No open edges lead there.
        """
        p_goal = self.positions[self.index(goal)]
        return self.shortest_path_between({start: 0.0}, {goal: 0.0}, p_goal, blocked=blocked)

    def shortest_path_between(
        self,
        starts: Mapping[Key, float],
        exits: Mapping[Key, float],
        p_goal: ArrayLike,
        *,
        blocked: Iterable[Edge[Key]] = (),
    ) -> GraphPath[Key]:
        """Return the cheapest path from any start to any exit, these costs of getting on and off included.

        Args:
            starts: Where it may begin, and what getting there costs.
            exits: Where it may end, and the cost from there: at least the straight distance to the goal.
            p_goal: The goal, (3,) metres.
            blocked: Edges that are blocked this once.

        Raises:
            QueryError: A node or an edge is unknown, a cost is negative or not finite.
            UnreachableError: No open edges lead there.
        """
        closed = [self._rows(u, v) for u, v in blocked]
        adjacency = self._with_closed(closed) if closed else self._adjacency
        goal = np.ascontiguousarray(p_goal, dtype=np.float64)
        ends = self._ends(starts), self._ends(exits)
        found = find_path(adjacency, self.positions, goal, self._scale, *ends)
        if found.last == NONE:
            raise UnreachableError(f"no open edges lead from {[*starts]} to {[*exits]}")
        return self._path(found.last, found.came_from, found.cost)

    def components(self) -> NDArray[np.int64]:
        """Return the connected part (N,) that each node is in, from 0; directions and blocks are left aside."""
        return label_components(len(self.keys), self.edges)

    # ---- what an edge costs -----------------------------------------------------------------------

    @property
    def blocked(self) -> tuple[Edge[Key], ...]:
        """The blocked edges, in the order they were."""
        return tuple(self._blocked)

    def block(self, u: Key, v: Key) -> None:
        """Close the edge from u to v, with all parallel ones, until `unblock`; raises QueryError."""
        self._blocked[u, v] = self._rows(u, v)
        self._price()

    def unblock(self, u: Key, v: Key) -> None:
        """Open an edge again; raises QueryError if it was not blocked."""
        edge = (u, v) if (u, v) in self._blocked or self.is_directed else (v, u)
        if edge not in self._blocked:
            raise QueryError(f"the edge from {u!r} to {v!r} is not blocked")
        del self._blocked[edge]
        self._price()

    def set_extra_cost(self, u: Key, v: Key, cost: float) -> None:
        """Make the edge from u to v cost this much, >= 0, beyond its length in metres; raises QueryError."""
        if not 0 <= cost < np.inf:
            raise QueryError(f"an extra cost is finite and not negative, got {cost}: or block it")
        self._extra_costs[self._rows(u, v)] = cost
        self._price()

    # ---- below ------------------------------------------------------------------------------------

    def _lay_out(self) -> None:
        """Sort the edges by where they begin; an edge that leads both ways gets two rows of the adjacency."""
        begins, ends = self.edges.T
        if not self.is_directed:
            begins, ends = np.concatenate([begins, ends]), np.concatenate([ends, begins])
        order = np.argsort(begins, kind="stable")
        first = np.searchsorted(begins[order], np.arange(len(self.keys) + 1))
        slots = np.empty(len(order), np.int64)
        slots[order] = np.arange(len(order))
        ways = 1 if self.is_directed else 2
        self._slots = slots.reshape(ways, len(self.edges)).T  # (E, ways): where each edge is
        self._row_of_slot = np.tile(np.arange(len(self.edges)), ways)[order]
        self._adjacency = Adjacency(first, ends[order], np.empty(len(order)))
        self._price()

    def _price(self) -> None:
        """Write what edges cost, inf where blocked."""
        self._adjacency.costs[self._slots] = (self.lengths_m + self._extra_costs)[:, None]
        self._adjacency = self._with_closed(list(self._blocked.values()))

    def _with_closed(self, rows: list[NDArray[np.int64]]) -> Adjacency:
        costs = self._adjacency.costs.copy()
        for closed in rows:
            costs[self._slots[closed]] = np.inf
        return self._adjacency._replace(costs=costs)

    def _rows(self, u: Key, v: Key) -> NDArray[np.int64]:
        """Return the edges from u to v, or between them where edges lead both ways."""
        begin, end = self._adjacency.first[[self.index(u), self.index(u) + 1]]
        is_slot = self._adjacency.targets[begin:end] == self.index(v)
        if not is_slot.any():
            raise QueryError(f"the graph has no edge from {u!r} to {v!r}")
        rows: NDArray[np.int64] = self._row_of_slot[begin:end][is_slot]
        return rows

    def _ends(self, costs: Mapping[Key, float]) -> Ends:
        nodes = np.array([self.index(key) for key in costs], np.int64)
        values = np.array(list(costs.values()), np.float64)
        if not ((values >= 0) & (values < np.inf)).all():
            raise QueryError(
                f"getting on and off costs something finite, not less than 0: got {values}"
            )
        return Ends(nodes, values)

    def _path(self, last: int, came_from: NDArray[np.int64], cost: float) -> GraphPath[Key]:
        nodes = [last]
        while came_from[nodes[-1]] != NONE:
            nodes.append(int(came_from[nodes[-1]]))
        nodes.reverse()
        keys = tuple(self.keys[i] for i in nodes)
        return GraphPath(keys, self.positions[nodes], cost)


def _checked_positions(positions: ArrayLike, count: int) -> Points:
    array = np.asarray(positions, dtype=np.float64)
    if count == 0 and array.size == 0:
        return np.empty((0, 3))
    if array.ndim != 2 or array.shape[1] not in (2, 3) or len(array) != count:
        raise DataError(f"{count} nodes have positions (N, 2) or (N, 3), got {array.shape}")
    if not np.isfinite(array).all():
        raise DataError("a node's position is not finite")
    padded = np.zeros((count, 3))
    padded[:, : array.shape[1]] = array
    return padded


def _checked_edges(edges: ArrayLike, count: int) -> NDArray[np.int64]:
    array = np.asarray(edges)
    if array.size == 0:
        return np.empty((0, 2), np.int64)
    if array.ndim != 2 or array.shape[1] != 2 or array.dtype.kind not in "iu":
        raise DataError(f"edges are rows of nodes (E, 2), got {array.shape} {array.dtype}")
    if array.min() < 0 or array.max() >= count:
        raise DataError(f"an edge leads to a node that is not one of {count}")
    return array.astype(np.int64)


def _checked_lengths(lengths_m: ArrayLike, count: int) -> NDArray[np.float64]:
    array = np.array(lengths_m, dtype=np.float64)
    if array.shape != (count,) or not (np.isfinite(array) & (array >= 0)).all():
        raise DataError(f"{count} edges have lengths in metres, finite and not negative")
    return array
