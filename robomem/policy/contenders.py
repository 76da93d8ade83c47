"""Ways to make the same chunk from one folder: by torch, and by ONNX Runtime on what there is."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from robomem.policy.runtime.graphs import RuntimeOptions
from robomem.policy.runtime.manifest import Manifest, read_manifest

Chunk = Callable[[], object]
"""Makes a chunk for the first observation of an episode: senses, memory, context and all steps of the denoiser."""


@dataclass(frozen=True, slots=True)
class Contender:
    """One way to make chunks.

    Attributes:
        name: As tables call it.
        options: Of the runtime; None where torch does it.
        is_compiled: Whether torch compiles the denoiser.
    """

    name: str
    options: RuntimeOptions | None = None
    is_compiled: bool = False

    def load(self, folder: Path, *, steps: int) -> Chunk:
        """Return what makes chunks with so many steps of the denoiser, on one thread.

        Raises:
            ProviderError: What it would run on is not there.
        """
        if self.options is None:
            return _by_torch(folder, steps=steps, is_compiled=self.is_compiled)
        return _by_runtime(folder, self.options, steps=steps)


EAGER = Contender("torch eager")
CONTENDERS = (
    EAGER,
    Contender("torch.compile", is_compiled=True),
    Contender("ONNX Runtime CPU, two graphs", RuntimeOptions(provider="cpu", uses_loop=False)),
    Contender("ONNX Runtime CPU, Loop", RuntimeOptions(provider="cpu")),
    Contender("ONNX Runtime CPU, Loop, int8", RuntimeOptions(provider="cpu", precision="int8")),
    Contender("ONNX Runtime CUDA", RuntimeOptions(provider="cuda")),
    Contender("ONNX Runtime TensorRT", RuntimeOptions(provider="tensorrt")),
    Contender("ONNX Runtime TensorRT, fp16", RuntimeOptions(provider="tensorrt", fp16=True)),
)


def _by_runtime(folder: Path, options: RuntimeOptions, *, steps: int) -> Chunk:
    from robomem.policy.runtime.policy import RuntimePolicy

    policy = RuntimePolicy.from_pretrained(folder, replace(options, sampling_steps=steps))
    shown = _observation(policy.manifest)

    def chunk() -> object:
        policy.reset()
        return policy.predict_action_chunk(shown)

    return chunk


def _by_torch(folder: Path, *, steps: int, is_compiled: bool) -> Chunk:
    import torch

    from robomem.policy.policy import DiffusionPolicy
    from robomem.policy.pretrained import load_weights, read_config

    torch.set_num_threads(1)
    policy = DiffusionPolicy(
        read_config(folder).model_copy(update={"sampling_steps": steps})
    ).eval()
    load_weights(policy, folder)
    if is_compiled:
        policy.denoiser.compile()
    shown = {
        key: torch.from_numpy(value) for key, value in _observation(read_manifest(folder)).items()
    }

    def chunk() -> object:
        policy.reset()
        return policy.predict_action_chunk(shown)

    return chunk


def _observation(manifest: Manifest) -> dict[str, NDArray[Any]]:
    """Return the same observation whenever it is asked for."""
    rng = np.random.default_rng(0)
    return {
        key: rng.random((1, *spec.shape)).astype(spec.dtype)
        for key, spec in sorted(manifest.observation.items())
    }


def export_sized(folder: Path, *, width: int, depth: int) -> int:
    """Export a diffusion policy of a size, with weights at random, for `CONTENDERS`; returns its parameters.

    Chunks are of 16 actions of 7 numbers, conditioned on 35 tokens: the observation, the memory, 32 hits, none.
    """
    import torch

    from robomem.policy.config import PolicyConfig
    from robomem.policy.export.folder import ExportOptions, export_policy
    from robomem.policy.policy import DiffusionPolicy

    torch.manual_seed(0)
    config = PolicyConfig(
        state_size=20, action_size=7, memory="gru", recalled_slots=32, width=width, depth=depth
    )
    policy = DiffusionPolicy(config)
    export_policy(policy, folder, ExportOptions(int8=lambda exact, quantised: True))
    return sum(parameter.numel() for parameter in policy.parameters())
