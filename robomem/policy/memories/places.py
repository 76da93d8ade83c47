"""Which place a moment belongs to: a fixed number of cells, the one longest unvisited given to a new place.

Each place has a first-in-first-out queue of fixed length. What is kept depends on positions alone, so it is decided
in numpy before anything is computed.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from robomem.policy.memories.memory import State

NEVER = -1
"""The visit of a place that is not yet anywhere."""


class Places(NamedTuple):
    """P places of each of B robots.

    Attributes:
        cells: (B, P, 3) which cell each is, counted from the origin of map.
        visited: (B, P) number of the last moment in it, of those the robot lived, or `NEVER`.
        written: (B, P) moments in it since it is that cell.
    """

    cells: Tensor
    visited: Tensor
    written: Tensor


class Visit(NamedTuple):
    """Where one moment goes, (B,) each.

    Attributes:
        place: index among the P.
        entry: index in the place's queue.
        is_known: whether the place is that cell already; what is in its queue is of another cell otherwise.
    """

    place: Tensor
    entry: Tensor
    is_known: Tensor


def places_of(state: State) -> Places:
    """Return the places that a memory holds in its state."""
    return Places(state["cells"], state["visited"], state["written"])


def cells_of(positions: Tensor, cell_m: float) -> Tensor:
    """Return which cell each position (..., 3) in map is in."""
    return torch.floor(positions / cell_m)


def visit(places: Places, cell: Tensor, *, queue: int) -> tuple[Visit, Places]:
    """Take a robot into a cell (B, 3).

    Args:
        places: before.
        cell: from `cells_of`.
        queue: moments that a place holds.
    """
    same = (places.cells == cell[:, None]).all(dim=-1) & (places.visited != NEVER)
    is_known = same.any(dim=1)
    place = torch.where(is_known, same.long().argmax(dim=1), places.visited.argmin(dim=1))
    here = place[:, None] == torch.arange(same.shape[1], device=place.device)
    written = torch.where(here & ~is_known[:, None], 0, places.written)
    entry = written.gather(1, place[:, None])[:, 0] % queue
    now = places.visited.amax(dim=1, keepdim=True) + 1
    after = Places(
        torch.where(here[..., None], cell[:, None], places.cells),
        torch.where(here, now, places.visited),
        written + here,
    )
    return Visit(place, entry, is_known), after


@dataclass(frozen=True, slots=True)
class Tour:
    """Where the moments of sequences went, those held before (N = P times the queue) and T new ones.

    Attributes:
        place: (B, N + T) index among the P.
        gone: (B, N + T) the new moment which took its entry; T where none did. -1: there was none.
        is_known: (B, N + T) whether the moment's place was that cell already when it came; false for the N.
        entries: (B, P, queue) which of the N + T each entry holds at the end, or -1.
        places: after the last moment.
    """

    place: Tensor
    gone: Tensor
    is_known: Tensor
    entries: Tensor
    places: Places

    def visible(self, reads: Tensor) -> Tensor:
        """Say which moments are held at `reads` (B, R), their own among them: (B, R, N + T)."""
        held = self.entries[0].numel()
        born = torch.arange(self.gone.shape[1], device=reads.device) - held
        return (born <= reads[..., None]) & (reads[..., None] < self.gone[:, None])

    @property
    def order(self) -> Tensor:
        """The N + T by place, and by time within a place, (B, N + T)."""
        return self.place.argsort(dim=1, stable=True)


def tour(places: Places, cells: Tensor, *, queue: int) -> Tour:
    """Take robots through cells (B, T, 3): what `visit` does, moment by moment, for all entries at once."""
    walk = _Walk(places, cells.shape[1], queue)
    for t, cell in enumerate(np.moveaxis(cells.detach().cpu().numpy(), 1, 0)):
        walk.go(t, cell)
    return walk.over(cells.device)


class _Walk:
    """The arrays that a tour changes as it goes."""

    def __init__(self, places: Places, moments: int, queue: int) -> None:
        self.cells, self.visited, self.written = (
            part.detach().cpu().numpy().copy() for part in places
        )
        robots, count = self.visited.shape
        held = count * queue
        self._robots, self._queue, self._held = np.arange(robots), queue, held
        self.entries = np.tile(np.arange(held).reshape(count, queue), (robots, 1, 1))
        self.entries[np.arange(queue) >= self.written[..., None]] = NEVER
        self.place = np.zeros((robots, held + moments), dtype=np.int64)
        self.place[:, :held] = np.repeat(np.arange(count), queue)
        self.is_known = np.zeros((robots, held + moments), dtype=np.bool_)
        # One more column than moments: what an empty entry (-1) loses is lost there.
        self.gone = np.full((robots, held + moments + 1), moments, dtype=np.int64)
        self.gone[:, :held][self.entries.reshape(robots, -1) == NEVER] = NEVER

    def go(self, t: int, cell: npt.NDArray[np.float32]) -> None:
        """Take the robots into their cells (B, 3) at moment t."""
        robots = self._robots
        same = (self.cells == cell[:, None]).all(axis=-1) & (self.visited != NEVER)
        is_known = same.any(axis=1)
        place = np.where(is_known, same.argmax(axis=1), self.visited.argmin(axis=1))
        entry = np.where(is_known, self.written[robots, place], 0) % self._queue
        queue = self.entries[robots, place]
        goes = ~is_known[:, None] | (np.arange(self._queue) == entry[:, None])
        self.gone[robots[:, None], np.where(goes, queue, -1)] = t
        queue[~is_known] = NEVER
        queue[robots, entry] = self._held + t
        self.entries[robots, place] = queue
        self.place[:, self._held + t] = place
        self.is_known[:, self._held + t] = is_known
        self.cells[robots, place] = cell
        self.written[robots, place] = np.where(is_known, self.written[robots, place], 0) + 1
        self.visited[robots, place] = self.visited.max(axis=1) + 1

    def over(self, device: torch.device) -> Tour:
        """Return what the tour was."""

        def given(array: npt.NDArray[Any]) -> Tensor:
            return torch.from_numpy(array).to(device)

        return Tour(
            place=given(self.place),
            gone=given(self.gone[:, :-1]),
            is_known=given(self.is_known),
            entries=given(self.entries),
            places=Places(given(self.cells), given(self.visited), given(self.written)),
        )
