"""The card of an exported policy: what it is, what it was made of, how good it is, who may use it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from robomem.policy.runtime.manifest import Manifest

UNKNOWN = "not told"


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What a policy's files do not say by themselves.

    Attributes:
        data: What it was trained on.
        seed: Of the training.
        command: That made it.
        scores: By what was measured.
        licence: Under which it may be used.
    """

    data: str = UNKNOWN
    seed: str = UNKNOWN
    command: str = UNKNOWN
    scores: Mapping[str, str] = field(default_factory=dict)
    licence: str = "Apache-2.0"


def card(manifest: Manifest, told: Told, *, parameters: int) -> str:
    """Return the card, in Markdown."""
    memory = sum(_bytes(spec.shape, spec.dtype) for spec in manifest.state.values())
    facts = {
        "kind": manifest.kind,
        "parameters": f"{parameters:,}",
        "memory": f"{memory:,} bytes a robot",
        "observes": ", ".join(f"`{k}` {list(s.shape)}" for k, s in manifest.observation.items()),
        "acts": f"{manifest.action.shape[0]} numbers, {manifest.horizon} at a time, every {manifest.period_s} s",
        "data": told.data,
        "seed": told.seed,
        "command": f"`{told.command}`" if told.command != UNKNOWN else UNKNOWN,
        **dict(told.scores),
        "licence": told.licence,
        "ONNX opset": str(manifest.opset),
        "exported by": f"robomem {manifest.robomem}",
    }
    lines = [
        f"# {manifest.name}",
        "",
        "A policy with a memory, as ONNX graphs.",
        "",
        "| | |",
        "| --- | --- |",
        *(f"| {name} | {value} |" for name, value in facts.items()),
        "",
        "```python",
        "from robomem.policy.runtime.policy import RuntimePolicy",
        "",
        'policy = RuntimePolicy.from_pretrained(".")',
        "policy.reset()",
        "action = policy.select_action(observation)",
        "```",
        "",
        "The sha256 of every file is in `manifest.json`, and checked when it is loaded.",
        "",
    ]
    return "\n".join(lines)


def _bytes(shape: tuple[int, ...], dtype: str) -> int:
    return int(np.prod(shape)) * np.dtype(dtype).itemsize
