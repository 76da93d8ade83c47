"""Fast and forgetful memory: sums of what was seen that decay and turn at rates which are learned.

Morad et al., "Reinforcement Learning with Fast and Forgetful Memory", 2023. There time is counted in steps, here
in seconds, so that a late frame decays and turns as much as it is late.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from robomem.policy.memories.layers import at_reads, output_head, zeros
from robomem.policy.memories.memory import Moments, PolicyMemory, State
from robomem.policy.memories.scan import linear_scan

SHORTEST_HORIZON_S, LONGEST_HORIZON_S = 10.0, 10_000.0
SHORTEST_PERIOD_S, LONGEST_PERIOD_S = 1.0, 200.0
FORGOTTEN = 0.01
"""What is left of a trace after its horizon, before training."""


@dataclass(frozen=True, slots=True)
class FFMSettings:
    """Settings of `FFM`.

    Attributes:
        size: C, numbers that a moment is encoded in.
        traces: m, numbers of a moment that are summed, each with a rate of its own to be forgotten at.
        contexts: c, sums of each trace, each turning with a period of its own.
    """

    size: int = 64
    traces: int = 32
    contexts: int = 4


class FFM(PolicyMemory):
    """Holds m traces in c contexts, complex: S_t = gamma^dt S_{t-1} + x_t.

    gamma = exp(-a + i b), one a for each trace and one b for each context; dt in seconds. A stamp that goes
    backwards counts as no time passing.
    """

    def __init__(
        self, input_size: int, output_size: int, settings: FFMSettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or FFMSettings()
        size, traces, contexts = self.settings.size, self.settings.traces, self.settings.contexts
        self.embed = nn.Linear(input_size, size)
        self.trace = nn.Linear(size, traces)
        self.trace_gate = nn.Linear(size, traces)
        horizons = _geometric(SHORTEST_HORIZON_S, LONGEST_HORIZON_S, traces)
        self.log_rates = nn.Parameter((-math.log(FORGOTTEN) / horizons).log())
        periods = _geometric(SHORTEST_PERIOD_S, LONGEST_PERIOD_S, contexts)
        self.turns = nn.Parameter(2.0 * math.pi / periods)
        self.mix = nn.Linear(2 * traces * contexts, size)
        self.norm = nn.LayerNorm(size, elementwise_affine=False)
        self.gate = nn.Linear(size, size)
        self.through = nn.Linear(size, size)
        self.head = output_head(size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return sums of nothing."""
        sums = (batch_size, self.settings.traces, self.settings.contexts)
        return {
            "real": zeros(self, *sums),
            "imaginary": zeros(self, *sums),
            "stamp_s": zeros(self, batch_size),
        }

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Let the sums decay and turn, and add the moment."""
        rows = self.embed(moment.features)
        stamp_s = torch.maximum(moment.stamps_s, state["stamp_s"])
        passed_s = (stamp_s - state["stamp_s"])[:, None]
        decay = torch.exp(-self.log_rates.exp() * passed_s)[..., None]
        angles = (self.turns * passed_s)[:, None]
        cosines, sines = decay * torch.cos(angles), decay * torch.sin(angles)
        real = cosines * state["real"] - sines * state["imaginary"] + self._gated(rows)
        imaginary = sines * state["real"] + cosines * state["imaginary"]
        output = self._read(rows, real, imaginary)
        return output, {"real": real, "imaginary": imaginary, "stamp_s": stamp_s}

    def forward(
        self, moments: Moments, state: State | None = None, *, reads: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Sum the whole sequence at once; what was held before is its first term."""
        state = state or self.init_state(len(moments.stamps_s))
        rows = self.embed(moments.features)
        stamps_s = torch.cat([state["stamp_s"][:, None], moments.stamps_s], dim=1).cummax(1).values
        passed_s = stamps_s.diff(dim=1, prepend=stamps_s[:, :1])[..., None]
        gamma = torch.polar(
            torch.exp(-self.log_rates.exp() * passed_s)[..., None].expand(
                -1, -1, -1, len(self.turns)
            ),
            (self.turns * passed_s)[:, :, None].expand(-1, -1, len(self.log_rates), -1),
        )
        before = torch.complex(state["real"], state["imaginary"])[:, None]
        added = self._gated(rows).expand(*rows.shape[:2], *before.shape[2:]).to(before.dtype)
        sums = linear_scan(gamma, torch.cat([before, added], dim=1))
        asked = at_reads(torch.view_as_real(sums[:, 1:]), reads)
        output = self._read(at_reads(rows, reads), asked[..., 0], asked[..., 1])
        last = {"real": sums[:, -1].real, "imaginary": sums[:, -1].imag}
        return output, {**last, "stamp_s": stamps_s[:, -1]}

    def _gated(self, rows: Tensor) -> Tensor:
        """Return what is added to the sums of each trace: (..., m, 1)."""
        gated: Tensor = self.trace(rows) * torch.sigmoid(self.trace_gate(rows))
        return gated[..., None]

    def _read(self, rows: Tensor, real: Tensor, imaginary: Tensor) -> Tensor:
        """Return what is made of rows (..., C) and of the sums (..., m, c)."""
        mixed = self.norm(self.mix(torch.cat([real.flatten(-2), imaginary.flatten(-2)], dim=-1)))
        gate = torch.sigmoid(self.gate(rows))
        output: Tensor = self.head(mixed * gate + self.through(rows) * (1.0 - gate))
        return output


def _geometric(first: float, last: float, count: int) -> Tensor:
    return torch.logspace(math.log10(first), math.log10(last), count)
