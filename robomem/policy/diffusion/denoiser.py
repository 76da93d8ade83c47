"""A transformer over the chunk of actions that sees the context by cross-attention and AdaLN modulation.

RoboMME measured memory as plain context tokens at 30.7, by cross-attention and modulation at 44.5: both are here. The
blocks are those of Peebles and Xie, "Scalable diffusion models with transformers", 2023 (AdaLN-zero: every block begins
as the identity). What depends on the context only (its keys and values, its pooled vector) is computed once a chunk.
"""

import math
from typing import NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional

MASKED = -1e9  # added to the logit of what is not there; finite, so that nothing becomes NaN
MAX_PERIOD = 10_000.0


class Context(NamedTuple):
    """What the actions are conditioned on, as the denoiser wants it.

    Attributes:
        keys_values: (layers, 2, B, M + 1, width), a learned token that is always there first.
        bias: (B, M + 1), 0 where there is a token and MASKED elsewhere.
        pooled: (B, width).
    """

    keys_values: Tensor
    bias: Tensor
    pooled: Tensor

    def repeat(self, times: int) -> "Context":
        """Return it with every element of the batch `times` times, one after the other."""
        return Context(
            self.keys_values.repeat_interleave(times, 2),
            self.bias.repeat_interleave(times, 0),
            self.pooled.repeat_interleave(times, 0),
        )


class Denoiser(nn.Module):
    """Predict noise, v or flow of a noisy chunk, given the diffusion time and a context.

    Attributes:
        horizon: H, actions in a chunk.
        action_size: A.
        width: d of every token.
    """

    def __init__(
        self, *, horizon: int, action_size: int, width: int = 128, depth: int = 4, heads: int = 4
    ) -> None:
        super().__init__()
        self.horizon, self.action_size, self.width = horizon, action_size, width
        self.action_in = nn.Linear(action_size, width)
        self.place = nn.Parameter(0.02 * torch.randn(horizon, width))
        self.time = nn.Sequential(nn.Linear(width, width), nn.SiLU(), nn.Linear(width, width))
        self.null_token = nn.Parameter(0.02 * torch.randn(width))
        self.context_norm = nn.LayerNorm(width)
        self.keys_values = nn.Linear(width, 2 * depth * width)
        self.pool = nn.Linear(width, width)
        self.blocks = nn.ModuleList(Block(width, heads) for _ in range(depth))
        self.out_modulation = nn.Linear(width, 2 * width)
        self.action_out = nn.Linear(width, action_size)
        for layer in (self.out_modulation, self.action_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def prepare(self, tokens: Tensor, mask: Tensor) -> Context:
        """Return the context of tokens (B, M, width), of which those are there whose mask (B, M) is true.

        With no token there (what classifier-free guidance drops) only the learned one is left.
        """
        null = self.null_token.expand(tokens.shape[0], 1, -1)
        tokens = self.context_norm(torch.cat([null, tokens], dim=1))
        there = functional.pad(mask.to(tokens.dtype), (1, 0), value=1.0)
        keys_values = self.keys_values(tokens).unflatten(-1, (len(self.blocks), 2, self.width))
        pooled = (tokens * there[..., None]).sum(1) / there.sum(1, keepdim=True)
        return Context(keys_values.permute(2, 3, 0, 1, 4), (1 - there) * MASKED, self.pool(pooled))

    def forward(self, chunk: Tensor, time: Tensor, context: Context) -> Tensor:
        """Return the prediction (B, H, A) for noisy chunks (B, H, A) at times (B,) in (0, 1]."""
        condition = functional.silu(self.time(time_features(time, self.width)) + context.pooled)
        x = self.action_in(chunk) + self.place
        for index, block in enumerate(self.blocks):
            x = block(x, condition, context.keys_values[index], context.bias)
        shift, scale = self.out_modulation(condition)[:, None].chunk(2, dim=-1)
        out: Tensor = self.action_out(modulated(x, shift, scale))
        return out


class Block(nn.Module):
    """Self-attention and an MLP, modulated, with cross-attention to the context between them."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.self_in = nn.Linear(width, 3 * width)
        self.self_out = nn.Linear(width, width)
        self.cross_norm = nn.LayerNorm(width)
        self.cross_in = nn.Linear(width, width)
        self.cross_out = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.Linear(width, 2 * width), nn.GELU(approximate="tanh"), nn.Linear(2 * width, width)
        )
        self.modulation = nn.Linear(width, 6 * width)
        for layer in (self.modulation, self.cross_out):
            nn.init.zeros_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, x: Tensor, condition: Tensor, keys_values: Tensor, bias: Tensor) -> Tensor:
        """Return x (B, H, width) after the block.

        Args:
            x: Tokens of the chunk.
            condition: (B, width), of the diffusion time and the pooled context.
            keys_values: (2, B, M, width) of the context.
            bias: (B, M), added to the logits.
        """
        modulation = self.modulation(condition)[:, None]
        shift_1, scale_1, gate_1, shift_2, scale_2, gate_2 = modulation.chunk(6, dim=-1)
        q, k, v = self.self_in(modulated(x, shift_1, scale_1)).chunk(3, dim=-1)
        x = x + gate_1 * self.self_out(attend(q, k, v, heads=self.heads))
        q = self.cross_in(self.cross_norm(x))
        seen = attend(q, keys_values[0], keys_values[1], heads=self.heads, bias=bias)
        x = x + self.cross_out(seen)
        out: Tensor = x + gate_2 * self.mlp(modulated(x, shift_2, scale_2))
        return out


def attend(q: Tensor, k: Tensor, v: Tensor, *, heads: int, bias: Tensor | None = None) -> Tensor:
    """Return multi-head attention (B, N, width) of queries (B, N, width) over keys and values (B, M, width)."""
    q, k, v = (part.view(*part.shape[:2], heads, -1).transpose(1, 2) for part in (q, k, v))
    logits_bias = None if bias is None else bias[:, None, None]
    seen = functional.scaled_dot_product_attention(q, k, v, attn_mask=logits_bias)
    return seen.transpose(1, 2).flatten(2)


def modulated(x: Tensor, shift: Tensor, scale: Tensor) -> Tensor:
    """Return x at zero mean and unit variance, then scaled and shifted."""
    return functional.layer_norm(x, x.shape[-1:]) * (1 + scale) + shift


def time_features(time: Tensor, width: int) -> Tensor:
    """Return sines and cosines (B, width) of times (B,) in (0, 1]."""
    half = width // 2
    steps = torch.arange(half, dtype=time.dtype, device=time.device)
    angles = 1000 * time[:, None] * torch.exp(-math.log(MAX_PERIOD) * steps / half)
    return torch.cat([angles.sin(), angles.cos()], dim=-1)
