"""A bank of tokens: cross-attention over it, a gate, and the most similar neighbours merged when it is full.

Shi et al., "MemoryVLA: Perceptual-Cognitive Memory in Vision-Language-Action Models for Robotic Manipulation", 2025. There tokens are held
apart from the gradient, since a large model made them; here the encoder is trained by what it has to remember, so
the gradient flows into the bank (which neighbours are merged is decided without it).
"""

from dataclasses import dataclass
from typing import NamedTuple, cast

import torch
from torch import Tensor, nn
from torch.nn import functional

from robomem.errors import ConfigError
from robomem.policy.memories.attention import AttentionBlock
from robomem.policy.memories.layers import at_reads, counts, output_head, zeros
from robomem.policy.memories.memory import Moments, PolicyMemory, State

GATE_SPREAD = 1e-3
"""Standard deviation of the gate's weights before training: half of the present, half of the past."""


@dataclass(frozen=True, slots=True)
class TokenBankSettings:
    """Settings of `TokenBank`.

    Attributes:
        size: C, numbers of a token.
        heads: of the attention.
        layers: blocks of attention, one after the other.
        slots: L, tokens that are held, of each role.
        cognitive: how many of the features, the last ones, say what was understood; the others say what was
            perceived, and either role has a bank of its own. 0: one bank for all.
    """

    size: int = 64
    heads: int = 4
    layers: int = 2
    slots: int = 16
    cognitive: int = 0


class TokenBank(PolicyMemory):
    """Holds L tokens and their stamps, the newest last, for each of Q roles (one or two)."""

    merges: Tensor

    def __init__(
        self, input_size: int, output_size: int, settings: TokenBankSettings | None = None
    ) -> None:
        super().__init__(input_size, output_size)
        self.settings = settings or TokenBankSettings()
        cognitive = self.settings.cognitive
        if not 0 <= cognitive < input_size:
            raise ConfigError(f"cognitive is {cognitive} of {input_size} features: take fewer")
        self._widths = [input_size - cognitive] + [cognitive] * (cognitive > 0)
        self.embeds = nn.ModuleList(nn.Linear(width, self.settings.size) for width in self._widths)
        self.readers = nn.ModuleList(_Reader(self.settings) for _ in self._widths)
        self.register_buffer("merges", _merges(self.settings.slots), persistent=False)
        self.head = output_head(len(self._widths) * self.settings.size, output_size)

    def init_state(self, batch_size: int) -> State:
        """Return empty banks."""
        slots = (batch_size, len(self._widths), self.settings.slots)
        return {
            "tokens": zeros(self, *slots, self.settings.size),
            "stamps_s": zeros(self, *slots),
            "held": counts(self, batch_size),
        }

    def step(self, moment: Moments, state: State) -> tuple[Tensor, State]:
        """Read the bank and the moment, then write the moment."""
        tokens = self._embed(moment.features)
        bank = _Bank(*_append(state, tokens, moment.stamps_s), state["held"])
        output = self._read(_Bank(*(part[:, None] for part in bank)))[:, 0]
        return output, self._write(bank)

    def forward(
        self, moments: Moments, state: State | None = None, *, reads: Tensor | None = None
    ) -> tuple[Tensor, State]:
        """Write the moments one after the other, then read all banks that are asked for at once."""
        state = state or self.init_state(len(moments.stamps_s))
        tokens, banks = self._embed(moments.features), []
        # Unbound, not sliced: the gradient of each slice would be as long as the sequence.
        for token, stamp_s in zip(tokens.unbind(1), moments.stamps_s.unbind(1), strict=True):
            banks.append(_Bank(*_append(state, token, stamp_s), state["held"]))
            state = self._write(banks[-1])
        asked = (at_reads(torch.stack(parts, dim=1), reads) for parts in zip(*banks, strict=True))
        return self._read(_Bank(*asked)), state

    def _embed(self, features: Tensor) -> Tensor:
        """Encode what each role is told: (..., Q, C)."""
        parts = features.split_with_sizes(self._widths, dim=-1)
        return torch.stack(
            [embed(part) for embed, part in zip(self.embeds, parts, strict=True)], -2
        )

    def _read(self, bank: "_Bank") -> Tensor:
        """Return what banks (B, R, Q, L + 1, ...) say of their newest tokens: (B, R, output_size)."""
        index = torch.arange(self.settings.slots + 1, device=bank.held.device)
        visible = (index >= self.settings.slots - bank.held[..., None])[..., None, :]
        said = [
            reader(bank.tokens[:, :, role], bank.stamps_s[:, :, role], visible)
            for role, reader in enumerate(self.readers)
        ]
        output: Tensor = self.head(torch.cat(said, dim=-1))
        return output

    def _write(self, bank: "_Bank") -> State:
        """Drop an empty place, or merge the two neighbours that are most alike."""
        slots = self.settings.slots
        with torch.no_grad():
            alike = functional.cosine_similarity(
                bank.tokens[..., :-1, :], bank.tokens[..., 1:, :], dim=-1
            )
            choice = torch.where(bank.held[:, None] < slots, slots, alike.argmax(dim=-1))
        merge = self.merges[choice]
        tokens = merge @ bank.tokens
        # Not a product of matrices: in bfloat16 a stamp would be seconds off.
        stamps_s = (merge * bank.stamps_s[..., None, :]).sum(dim=-1)
        held = (bank.held + 1).clamp(max=slots)
        return {"tokens": tokens, "stamps_s": stamps_s, "held": held}


class _Bank(NamedTuple):
    """Banks before one more token is made room for.

    Attributes:
        tokens: (..., Q, L + 1, C) the newest last.
        stamps_s: (..., Q, L + 1).
        held: (...) how many of the L before it are tokens; they lie behind the empty places.
    """

    tokens: Tensor
    stamps_s: Tensor
    held: Tensor


class _Reader(nn.Module):
    """Looks from the newest token at the bank, and gates what it found into it."""

    def __init__(self, settings: TokenBankSettings) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            AttentionBlock(settings.size, settings.heads) for _ in range(settings.layers)
        )
        self.gate = nn.Linear(2 * settings.size, settings.size)
        nn.init.normal_(self.gate.weight, std=GATE_SPREAD)
        nn.init.normal_(self.gate.bias, std=GATE_SPREAD)

    def forward(self, tokens: Tensor, stamps_s: Tensor, visible: Tensor) -> Tensor:
        """Return (..., C) of tokens (..., L + 1, C) at stamps (..., L + 1), `visible` (..., 1, L + 1)."""
        present = tokens[..., -1:, :]
        found = present
        for block in cast("list[AttentionBlock]", self.blocks):
            entries = block.entries(tokens, stamps_s)
            found = block.look(found, stamps_s[..., -1:], entries, visible).rows
        gate = torch.sigmoid(self.gate(torch.cat([present, found], dim=-1)))
        return (gate * present + (1.0 - gate) * found)[..., 0, :]


def _append(state: State, tokens: Tensor, stamps_s: Tensor) -> tuple[Tensor, Tensor]:
    """Put tokens (B, Q, C) of stamps (B,) behind those that are held."""
    every_stamp = stamps_s[:, None, None].expand(-1, tokens.shape[1], 1)
    return (
        torch.cat([state["tokens"], tokens[:, :, None]], dim=2),
        torch.cat([state["stamps_s"], every_stamp], dim=2),
    )


def _merges(slots: int) -> Tensor:
    """Return the matrices that make L tokens of L + 1: number i means i and i + 1, number L drops the first.

    (L + 1, L, L + 1).
    """
    keep = torch.eye(slots + 1)
    merges = [keep[1:]]
    for i in reversed(range(slots)):
        mean = (keep[i] + keep[i + 1]) / 2.0
        merges.insert(0, torch.cat([keep[:i], mean[None], keep[i + 2 :]]))
    return torch.stack(merges)
