"""Reversible long-term tokens: one for each place, written and read back through the same invertible blocks.

He et al., "Mem4Nav: Boosting Vision-and-Language Navigation in Urban Environments with a Hierarchical
Spatial-Cognition Long-Short Memory System", 2025. A token of 2 d floats is R([h; v]): v is the newest observation of
the place, which inversion gives back to round-off, and h what is kept of all before it. That an invertible R loses
nothing does not mean that a token holds everything: h has d floats, whatever was seen (`capacity`).
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional

from robomem.errors import ConfigError
from robomem.policy.memories.attentive import Attended, AttentiveMemory
from robomem.policy.memories.coupling import Coupling
from robomem.policy.memories.layers import (
    HIDDEN,
    at_reads,
    counts,
    feed_forward,
    output_head,
    squared_distances,
    zeros,
)
from robomem.policy.memories.memory import Moments, State
from robomem.policy.memories.places import NEVER, Tour, cells_of, places_of, tour, visit
from robomem.policy.memories.scan import linear_scan

SLOW_CONSOLIDATION = -3.0
"""Bias before training: a visit takes 1 / 20 of h, so that after 20 visits there is a third of the first."""
LEAST_SPREAD = 1e-3
"""Variance below which h counts as nothing: what round-off leaves of an h of zeros must not be blown up."""
REACH_CELLS = 10.0
"""Before training, a token as far as this loses 1 of its logit: all that are held can be found."""


@dataclass(frozen=True, slots=True)
class ReversibleSettings:
    """Settings of `Reversible`.

    Attributes:
        size: d, numbers that an observation is encoded in; a token has twice as many.
        blocks: of the coupling.
        places: P, places that are held; a new one takes the token of the one that was unvisited longest.
        cell_m: edge of a place, a cube in map.
        top_k: tokens that are read.
    """

    size: int = 64
    blocks: int = 4
    places: int = 32
    cell_m: float = 2.0
    top_k: int = 3


class Reversible(AttentiveMemory):
    """Holds a token for each of P places; the present moment is written before the tokens are read.

    At another visit the place's token is inverted into h and v, and the next h is (1 - a) T h + a W v with gates a
    that v sets, so that what was seen before stays in it and a sequence needs no loop (`linear_scan`). T turns pairs
    of h by angles that are learned: decays alone cannot tell more than some eight visits apart, whatever d is.
    """

    minds_places = True

    def __init__(
        self, input_size: int, output_size: int, settings: ReversibleSettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or ReversibleSettings()
        size = self.settings.size
        self.embed = nn.Linear(input_size, size)
        self.coupling = Coupling(size, self.settings.blocks)
        if size % 2:
            raise ConfigError(f"size of memory reversible is {size}, and must be even")
        self.gate = nn.Linear(size, size // 2)
        self.turns = nn.Parameter(torch.linspace(0.0, math.pi, size // 2))
        nn.init.constant_(self.gate.bias, SLOW_CONSOLIDATION)
        self.kept = nn.Linear(size, size)
        self.history_norm = nn.LayerNorm(size, eps=LEAST_SPREAD)
        self.before = nn.Linear(size, size)
        self.query = nn.Linear(size, size)
        self.key = nn.Linear(2 * size, size)
        self.log_reach = nn.Parameter(torch.tensor(math.log(REACH_CELLS)))
        self.value = nn.Linear(2 * size, size)
        self.think = feed_forward(size)
        self.head = output_head(size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return places that are nowhere."""
        places = self.settings.places
        return {
            "tokens": zeros(self, batch_size, places, 2 * self.settings.size),
            "cells": zeros(self, batch_size, places, 3),
            "visited": counts(self, batch_size, places) + NEVER,
            "written": counts(self, batch_size, places),
        }

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Write the token of the place, then invert and read all."""
        row, cell = self.embed(moment.features), cells_of(moment.positions, self.settings.cell_m)
        at, places = visit(places_of(state), cell, queue=1)
        history, newest = self.coupling.invert(at_reads(state["tokens"], at.place[:, None])[:, 0])
        history = self._consolidated(history, newest) * at.is_known[:, None]
        here = at.place[:, None] == torch.arange(self.settings.places, device=row.device)
        token = self.coupling(history, row)
        tokens = torch.where(here[..., None], token[:, None], state["tokens"])
        known = self._known(*self.coupling.invert(tokens))
        away = squared_distances(cell[:, None], places.cells)
        visible = (places.visited != NEVER)[:, None]
        read, _ = self._read(row[:, None], tokens, known, away, visible)
        return self.head(read[:, 0]), {"tokens": tokens, **places._asdict()}

    def attend(self, moments: Moments, state: State | None = None, *, reads: Tensor) -> Attended:
        """Write everywhere, read at `reads`. What was written is known, so it need not be inverted."""
        state = state or self.init_state(len(moments.stamps_s))
        rows = self.embed(moments.features)
        cells = cells_of(moments.positions, self.settings.cell_m)
        went = tour(places_of(state), cells, queue=1)
        history, newest = self.coupling.invert(state["tokens"])
        newest = torch.cat([newest, rows], dim=1)
        history = self._histories(history, newest, went)
        new = slice(self.settings.places, None)
        tokens = torch.cat([state["tokens"], self.coupling(history[:, new], rows)], dim=1)
        known = self._known(history, newest)
        away = squared_distances(at_reads(cells, reads), torch.cat([state["cells"], cells], dim=1))
        read, weights = self._read(at_reads(rows, reads), tokens, known, away, went.visible(reads))
        kept = at_reads(tokens, went.entries[..., 0].clamp(min=0))
        after = {"tokens": kept, **went.places._asdict()}
        return Attended(self.head(read), after, weights[:, None, :, new])

    def auxiliary_loss(self, moments: Moments) -> Tensor:
        """Return how badly tokens tell the observation before the newest, over its mean square (the cycle loss).

        The newest one is in a token to round-off, so what can be learned is what h keeps of those before.
        """
        rows = self.embed(moments.features)
        cells = cells_of(moments.positions, self.settings.cell_m)
        state = self.init_state(len(rows))
        went = tour(places_of(state), cells, queue=1)
        newest = torch.cat([torch.zeros_like(state["tokens"][..., : rows.shape[-1]]), rows], dim=1)
        history = self._histories(torch.zeros_like(newest[:, : self.settings.places]), newest, went)
        told, _ = self.coupling.invert(self.coupling(history, newest))
        order = went.order
        wanted = at_reads(newest, order)[:, :-1].detach()
        known = at_reads(went.is_known, order)[:, 1:, None]
        missed = (self.before(at_reads(told, order)[:, 1:]) - wanted).square() * known
        loss: Tensor = missed.sum() / (wanted.square() * known).sum().clamp(min=1e-6)
        return loss

    def _consolidated(self, history: Tensor, newest: Tensor) -> Tensor:
        """Return the next h (B, d), when `newest` (B, d) becomes history."""
        keeps, adds = self._gates(newest)
        real, imaginary = history.chunk(2, dim=-1)
        cosines, sines = torch.cos(self.turns), torch.sin(self.turns)
        turned = (real * cosines - imaginary * sines, real * sines + imaginary * cosines)
        return torch.cat([keeps * part for part in turned], dim=-1) + adds

    def _gates(self, newest: Tensor) -> tuple[Tensor, Tensor]:
        """Return what is left of h, (..., d / 2), and what is added to it, (..., d)."""
        gates = torch.sigmoid(self.gate(newest))
        return 1.0 - gates, torch.cat([gates, gates], dim=-1) * self.kept(newest)

    def _histories(self, history: Tensor, newest: Tensor, went: Tour) -> Tensor:
        """Return h of the P tokens before and of the T new ones, (B, P + T, d).

        In the order of `went` the visits of a place follow each other, so that one scan does all places.
        """
        order = went.order
        keeps, adds = (part[:, :-1] for part in self._gates(at_reads(newest, order)))
        known = at_reads(went.is_known, order)[:, 1:, None]
        held = torch.zeros_like(newest)
        held[:, : history.shape[1]] = history
        held = at_reads(held, order)
        turns = torch.polar(torch.ones_like(self.turns), self.turns)
        factors = functional.pad(keeps * known, (0, 0, 1, 0)) * turns
        terms = held + functional.pad(adds * known, (0, 0, 1, 0))
        solved = linear_scan(factors, torch.complex(*terms.float().chunk(2, dim=-1)))
        histories = torch.cat([solved.real, solved.imag], dim=-1)
        return at_reads(histories, order.argsort(dim=1))

    def _known(self, history: Tensor, newest: Tensor) -> Tensor:
        """Return what is read of tokens with these halves (..., d): (..., 2 d)."""
        return torch.cat([self.history_norm(history), newest], dim=-1)

    def _read(
        self, rows: Tensor, tokens: Tensor, known: Tensor, away: Tensor, visible: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Let rows (B, R, d) look at the k tokens (B, N, 2 d) that fit best.

        Args:
            rows: who asks.
            tokens: by which they are found.
            known: their inverses, which is what is read.
            away: squared, to their places, (B, R, N) in cells.
            visible: (B, R, N).

        Returns:
            the rows (B, R, d), and the weights (B, R, N).
        """
        logits = self.query(rows) @ self.key(tokens).transpose(1, 2) / rows.shape[-1] ** 0.5
        logits = (logits - away.sqrt() / self.log_reach.exp()).masked_fill(~visible, HIDDEN)
        least = logits.topk(min(self.settings.top_k, logits.shape[-1]), dim=-1).values[..., -1:]
        weights = logits.masked_fill(logits < least, HIDDEN).softmax(dim=-1) * visible
        rows = rows + weights @ self.value(known)
        return rows + self.think(rows), weights
