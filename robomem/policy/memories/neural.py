"""A neural network as memory, trained at test time on what surprises it.

Behrouz et al., "Titans: Learning to Memorize at Test Time", 2025: a network M of two layers
learns l = |M(k) - v|^2 / 2 as the robot lives, with momentum and with a decay that forgets,

    P_t = eta_t P_{t-1} - theta_t grad l,    W_t = (1 - alpha_t) W_{t-1} + P_t.

As in the paper the gradients of a chunk are taken at the weights before it, so that a chunk of a sequence takes a
few products of matrices. The gradients are written out: each is an outer product, and none is ever formed.
"""

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

from robomem.policy.memories.layers import at_reads, counts, output_head
from robomem.policy.memories.memory import Moments, PolicyMemory, State

SLOW_FORGETTING = -6.0
"""Bias before training: alpha is sigmoid(-6), 0.0025."""


@dataclass(frozen=True, slots=True)
class NeuralSettings:
    """Settings of `Neural`.

    Attributes:
        size: C, numbers of a moment, of a key and of a value.
        hidden: F, of the network's hidden layer.
        chunk: S, moments whose gradients are taken at the same weights. A rate theta is at most (1 - eta) / S, so
            that the same moment S times over does not overshoot.
    """

    size: int = 64
    hidden: int = 64
    chunk: int = 8


class Layer(NamedTuple):
    """One layer of the network, (B, out, in).

    Attributes:
        begun: weights that the chunk began with: its gradients are taken there.
        weights: W.
        momentum: P.
    """

    begun: Tensor
    weights: Tensor
    momentum: Tensor


class Lessons(NamedTuple):
    """What moments teach, (B, S, C) or (B, S).

    Attributes:
        keys: of unit length.
        values: what the keys shall call up.
        rates: theta; 0 teaches nothing.
        log_momenta: logarithm of eta.
        log_keeps: logarithm of 1 - alpha.
        lived: 1, or 0 where a chunk has no moment: nothing then moves, not even by momentum.
    """

    keys: Tensor
    values: Tensor
    rates: Tensor
    log_momenta: Tensor
    log_keeps: Tensor
    lived: Tensor


class Neural(PolicyMemory):
    """Holds the weights of M(k) = W_2 tanh(W_1 k) / sqrt(F), their momentum, and those the chunk began with."""

    def __init__(
        self, input_size: int, output_size: int, settings: NeuralSettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or NeuralSettings()
        size, hidden = self.settings.size, self.settings.hidden
        self.embed = nn.Linear(input_size, size)
        self.teacher = _Teacher(size, self.settings.chunk)
        self.first = nn.Parameter(torch.randn(hidden, size))
        self.second = nn.Parameter(torch.randn(size, hidden) / math.sqrt(size))
        self.out = nn.Sequential(nn.LayerNorm(size), nn.Linear(size, size))
        self.head = output_head(size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return the network as training left it, with no momentum."""
        # Copies: whoever exports `step` must not find that two of its inputs are one tensor.
        first, second = (
            Layer(layer.clone(), layer.clone(), torch.zeros_like(layer))
            for layer in (each.expand(batch_size, -1, -1) for each in (self.first, self.second))
        )
        return _state(first, second, counts(self, batch_size))

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Learn the moment, then ask the network."""
        rows = self.embed(moment.features)[:, None]
        learned = _Chunk(self.teacher(rows)).learn(*_layers(state), self.teacher.queries(rows))
        taught = state["taught"] + 1
        first, second = learned.begin_where(taught % self.settings.chunk == 0)
        return self._join(rows, learned.answers)[:, 0], _state(first, second, taught)

    def forward(
        self, moments: Moments, state: State | None = None, *, reads: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Learn chunk by chunk; chunks begin where `step` begins them."""
        chunk, length = self.settings.chunk, moments.stamps_s.shape[1]
        ahead = chunk - 1 if state else 0
        state = state or self.init_state(len(moments.stamps_s))
        rows, phase = self.embed(moments.features), state["taught"] % chunk
        index = phase[:, None] + torch.arange(length, device=rows.device)
        padded = -(-(ahead + length) // chunk) * chunk
        lessons = Lessons(*(_lay(part, index, padded) for part in self.teacher(rows)))
        queries = _lay(self.teacher.queries(rows), index, padded)
        first, second, answers = *_layers(state), []
        # Split, not sliced: the gradient of each slice would be as long as the sequence.
        parts = zip(*(torch.split(each, chunk, dim=1) for each in (*lessons, queries)), strict=True)
        for number, (*part, asked) in enumerate(parts, start=1):
            learned = _Chunk(Lessons(*part)).learn(first, second, asked)
            # Whatever its phase, a chunk that ends within the length is over: no need to look.
            is_over = None if number * chunk <= length else phase + length >= number * chunk
            first, second = learned.begin_where(is_over)
            answers.append(learned.answers)
        every = torch.cat(answers, dim=1).gather(1, index[..., None].expand_as(rows))
        output = self._join(at_reads(rows, reads), at_reads(every, reads))
        return output, _state(first, second, state["taught"] + length)

    def _join(self, rows: Tensor, answers: Tensor) -> Tensor:
        joined: Tensor = self.head(rows + self.out(answers))
        return joined


class _Teacher(nn.Module):
    """What a moment teaches and asks."""

    def __init__(self, size: int, chunk: int) -> None:
        super().__init__()
        self.chunk = chunk
        self.norm = nn.LayerNorm(size)
        self.key = nn.Linear(size, size)
        self.value = nn.Linear(size, size)
        self.query = nn.Linear(size, size)
        self.rate = nn.Linear(size, 1)
        self.momentum = nn.Linear(size, 1)
        self.forgetting = nn.Linear(size, 1)
        nn.init.constant_(self.forgetting.bias, SLOW_FORGETTING)

    def forward(self, rows: Tensor) -> Lessons:
        """Return what rows (B, T, C) teach."""
        rows = self.norm(rows)
        momentum = self.momentum(rows)[..., 0]
        return Lessons(
            functional.normalize(self.key(rows), dim=-1),
            self.value(rows),
            torch.sigmoid(self.rate(rows)[..., 0]) * torch.sigmoid(-momentum) / self.chunk,
            functional.logsigmoid(momentum),
            functional.logsigmoid(-self.forgetting(rows)[..., 0]),
            torch.ones_like(momentum),
        )

    def queries(self, rows: Tensor) -> Tensor:
        """Return what rows (B, T, C) ask, of unit length."""
        return functional.normalize(self.query(self.norm(rows)), dim=-1)


class Learned(NamedTuple):
    """The network after a chunk, and what it answered, (B, S, C), each moment being learned before it is asked."""

    first: Layer
    second: Layer
    answers: Tensor

    def begin_where(self, is_over: Tensor | None) -> tuple[Layer, Layer]:
        """Let the next chunk begin for the robots (B,) whose chunk is over; None: everyone's is."""
        first, second = (
            layer._replace(
                begun=layer.weights
                if is_over is None
                else torch.where(is_over[:, None, None], layer.weights, layer.begun)
            )
            for layer in (self.first, self.second)
        )
        return first, second


class _Chunk:
    """What the moments of a chunk do to any layer: W_t = a_t W_0 + c_t P_0 - sum_s C_ts theta_s delta_s r_s^T.

    delta_s r_s^T is the gradient of moment s, from the error `delta` at the layer's outputs and its inputs `r`;
    C_ts = sum_u A_tu E_us with A what is kept from u to t and E the momentum that is left from s to u.
    """

    def __init__(self, lessons: Lessons) -> None:
        self._lessons = lessons
        kept, pushed = lessons.log_keeps.cumsum(1), lessons.log_momenta.cumsum(1)
        self._kept = kept.exp()[..., None]
        keeps, pushes = _since(kept) * lessons.lived[:, None], _since(pushed)
        self._carried = keeps @ pushed.exp()[..., None]
        self._counts = keeps @ pushes * lessons.rates[:, None]
        self._pushed = pushed[:, -1].exp()[:, None, None]
        self._pushes = pushes[:, -1] * lessons.rates

    def learn(self, first: Layer, second: Layer, queries: Tensor) -> Learned:
        """Learn the lessons of the chunk, and answer queries (B, S, C)."""
        keys = self._lessons.keys
        scale = 1.0 / math.sqrt(first.weights.shape[1])
        hidden = torch.tanh(keys @ first.begun.transpose(1, 2))
        inputs = hidden * scale
        errors = inputs @ second.begun.transpose(1, 2) - self._lessons.values
        hidden_errors = errors @ second.begun * (1.0 - hidden.square()) * scale
        asked = torch.tanh(self._apply(first, hidden_errors, keys, queries)) * scale
        return Learned(
            self._update(first, hidden_errors, keys),
            self._update(second, errors, inputs),
            self._apply(second, errors, inputs, asked),
        )

    def _apply(self, layer: Layer, errors: Tensor, inputs: Tensor, asked: Tensor) -> Tensor:
        """Return W_t q_t for each moment's q, (B, S, in) to (B, S, out)."""
        before = self._kept * (asked @ layer.weights.transpose(1, 2))
        before = before + self._carried * (asked @ layer.momentum.transpose(1, 2))
        return before - (asked @ inputs.transpose(1, 2) * self._counts) @ errors

    def _update(self, layer: Layer, errors: Tensor, inputs: Tensor) -> Layer:
        """Return the layer after the last moment."""
        learned = (errors * self._counts[:, -1, :, None]).transpose(1, 2) @ inputs
        weights = self._kept[:, -1:] * layer.weights + self._carried[:, -1:] * layer.momentum
        pushed = (errors * self._pushes[..., None]).transpose(1, 2) @ inputs
        return Layer(layer.begun, weights - learned, self._pushed * layer.momentum - pushed)


def _since(logs: Tensor) -> Tensor:
    """Return exp(l_t - l_s) for s <= t and 0 elsewhere, of sums of logarithms (B, S): (B, S, S)."""
    return (logs[:, :, None] - logs[:, None]).tril().exp().tril()


def _lay(rows: Tensor, index: Tensor, length: int) -> Tensor:
    """Lay rows (B, T, ...) at `index` (B, T) among zeros, (B, length, ...)."""
    laid = rows.new_zeros(len(rows), length, *rows.shape[2:])
    return laid.scatter(
        1, index.reshape(*index.shape, *[1] * (rows.dim() - 2)).expand_as(rows), rows
    )


def _layers(state: State) -> tuple[Layer, Layer]:
    first, second = (
        Layer(state[f"{name}_begun"], state[f"{name}_weights"], state[f"{name}_momentum"])
        for name in ("first", "second")
    )
    return first, second


def _state(first: Layer, second: Layer, taught: Tensor) -> State:
    held = {f"first_{name}": part for name, part in first._asdict().items()}
    held |= {f"second_{name}": part for name, part in second._asdict().items()}
    return {**held, "taught": taught}
