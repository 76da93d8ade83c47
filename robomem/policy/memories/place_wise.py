"""Place-wise memory: a queue of moments for each place, read by place first and then within the place.

Cho et al., "Spatially-Aware Transformer for Embodied Agents", 2024. A new place takes the queue of the place that
was unvisited longest.
"""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robomem.policy.memories.attention import Entries
from robomem.policy.memories.attentive import Attended, AttentiveMemory
from robomem.policy.memories.group_attention import EqualGroups, GroupReader, NamedGroups
from robomem.policy.memories.layers import at_reads, counts, output_head, zeros
from robomem.policy.memories.memory import Moments, State
from robomem.policy.memories.places import NEVER, Places, cells_of, places_of, tour, visit


@dataclass(frozen=True, slots=True)
class PlaceWiseSettings:
    """Settings of `PlaceWise`.

    Attributes:
        size: C, numbers that a moment is encoded in.
        heads: of the attention.
        places: P, places that are held.
        queue: S, moments that each holds; the oldest goes when another comes.
        cell_m: edge of a place, a cube in map.
        top_k: places that are read.
        hops: readings, one after the other.
    """

    size: int = 64
    heads: int = 4
    places: int = 16
    queue: int = 32
    cell_m: float = 2.0
    top_k: int = 4
    hops: int = 2


class PlaceWise(AttentiveMemory):
    """Holds P places with a queue of S moments each.

    The present moment is written before the places are read, but not read: its row is there anyway, and a policy
    that finds what it needs first in the place where it is soon looks at no other.
    """

    minds_places = True

    def __init__(
        self, input_size: int, output_size: int, settings: PlaceWiseSettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or PlaceWiseSettings()
        size, hops = self.settings.size, self.settings.hops
        self.embed = nn.Linear(input_size, size)
        self.reader = GroupReader(size, self.settings.heads, top_k=self.settings.top_k, hops=hops)
        self.head = output_head(size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return places that are nowhere."""
        places, size = self.settings.places, self.settings.size
        entries = (batch_size, places * self.settings.queue, size)
        return {
            "keys": zeros(self, *entries),
            "values": zeros(self, *entries),
            "cells": zeros(self, batch_size, places, 3),
            "visited": counts(self, batch_size, places) + NEVER,
            "written": counts(self, batch_size, places),
        }

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Write into the queue of the place, read the places."""
        queue = self.settings.queue
        rows, stamps_s = self.embed(moment.features)[:, None], moment.stamps_s[:, None]
        cell = cells_of(moment.positions, self.settings.cell_m)
        at, places = visit(places_of(state), cell, queue=queue)
        slots = torch.arange(self.settings.places * queue, device=cell.device)
        here = slots == (at.place * queue + at.entry)[:, None]
        new, held = self.reader.entries(rows, stamps_s), Entries(state["keys"], state["values"])
        past = Entries(
            *(torch.where(here[..., None], *part) for part in zip(new, held, strict=True))
        )
        index = torch.arange(queue, device=cell.device)
        written = (index < places.written[..., None]).flatten(1)
        earlier = (written & ~here)[:, None]
        rows = self.reader(rows, stamps_s, past, earlier, EqualGroups(queue)).rows
        return self.head(rows[:, 0]), _state(past, places)

    def attend(self, moments: Moments, state: State | None = None, *, reads: Tensor) -> Attended:
        """Write everywhere, read at `reads`; the weights are the last reading's."""
        state = state or self.init_state(len(moments.stamps_s))
        held = state["keys"].shape[1]
        rows = self.embed(moments.features)
        cells = cells_of(moments.positions, self.settings.cell_m)
        went = tour(places_of(state), cells, queue=self.settings.queue)
        past = Entries(state["keys"], state["values"]).then(
            self.reader.entries(rows, moments.stamps_s)
        )
        asked = at_reads(rows, reads), at_reads(moments.stamps_s, reads)
        groups = NamedGroups(went.place, self.settings.places)
        own = torch.arange(past.keys.shape[1], device=reads.device) == reads[..., None] + held
        read = self.reader(*asked, past, went.visible(reads) & ~own, groups)
        kept = went.entries.flatten(1).clamp(min=0)
        after = _state(Entries(*(at_reads(part, kept) for part in past)), went.places)
        return Attended(self.head(read.rows), after, read.weights[..., held:])


def _state(past: Entries, places: Places) -> State:
    return {"keys": past.keys, "values": past.values, **places._asdict()}
