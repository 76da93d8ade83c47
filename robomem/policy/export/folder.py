"""Export a policy into a folder that `RuntimePolicy` runs and servers serve."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import onnx
from torch import Tensor, nn

from robomem import __version__
from robomem.errors import PolicyError
from robomem.policy.export.card import Told, card
from robomem.policy.export.int8 import SuccessTest, quantised
from robomem.policy.export.loop import looped
from robomem.policy.export.parts import (
    Acting,
    AgentSenses,
    Denoising,
    Preparing,
    Remembering,
    Senses,
)
from robomem.policy.export.tracing import OPSET, Part, traced
from robomem.policy.folders import whole_folder
from robomem.policy.memories.memory import PolicyMemory
from robomem.policy.observation import RECALLED, RECALLED_MASK
from robomem.policy.policy import DiffusionPolicy
from robomem.policy.pretrained import WEIGHTS
from robomem.policy.runtime.graphs import Precision, RuntimeOptions
from robomem.policy.runtime.manifest import (
    INITIAL_STATE,
    MANIFEST,
    Manifest,
    Sampling,
    Spec,
    sha256_of,
)
from robomem.policy.runtime.policy import INT8, RuntimePolicy
from robomem.policy.training.agent import Agent, DirectAgent
from robomem.policy.training.chunk_agent import ChunkAgent

README = "README.md"
PRECISIONS: tuple[Precision, Precision] = ("fp32", "int8")
HEADS = ("chunk", "context", "step", "act")  # what is quantised: they are most of the time

Policy = DiffusionPolicy | DirectAgent
Graphs = dict[str, onnx.ModelProto]
OnGraph = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Exported:
    """What was written.

    Attributes:
        path: Where.
        manifest: What it says of itself.
        kept_int8: Whether there are graphs in int8; None where nobody asked for them.
    """

    path: Path
    manifest: Manifest
    kept_int8: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportOptions:
    """How a policy is exported.

    Attributes:
        name: What it is called; the folder's name by default.
        told: What its card says that its files do not.
        force: Replace what is there.
        int8: Says whether the policy still succeeds in int8; without it nothing is quantised.
        on_graph: Is told the role of every graph before it is made: that takes seconds each.
    """

    name: str | None = None
    told: Told = field(default_factory=Told)
    force: bool = False
    int8: SuccessTest | None = None
    on_graph: OnGraph = lambda role: None


def export_policy(policy: Policy, path: Path, options: ExportOptions | None = None) -> Exported:
    """Write a policy as graphs with all that running it takes; the folder appears whole or not at all.

    Raises:
        ConfigError: Something is there already, or is no policy that `force` might replace.
        PolicyError: There is something in the policy that ONNX has no name for.
    """
    options = options or ExportOptions()
    policy = policy.eval()
    with whole_folder(path, mark=MANIFEST, force=options.force) as draft:
        if isinstance(policy, DiffusionPolicy):
            graphs = _diffusion_graphs(policy, options.on_graph)
            manifest = _diffusion_manifest(policy)
            policy.save_pretrained(draft)
        else:
            graphs = _agent_graphs(policy, options.on_graph)
            manifest = _agent_manifest(policy)
            _save_weights(draft, policy)
        manifest = replace(manifest, name=options.name or path.name)
        for role, model in graphs.items():
            onnx.save(model, draft / f"{role}.onnx")
        _save_state(draft, policy.memory)
        parameters = sum(parameter.numel() for parameter in policy.parameters())
        (draft / README).write_text(card(manifest, options.told, parameters=parameters))
        manifest = _sealed(draft, manifest, graphs)
        kept_int8 = None
        if options.int8 is not None:
            kept_int8, manifest = _with_int8(draft, manifest, graphs, options.int8)
    return Exported(path, manifest, kept_int8)


def exportable(agent: Agent) -> Policy:
    """Return what of an agent is exported; raises PolicyError where nothing of it can be."""
    match agent:
        case ChunkAgent():
            return agent.policy
        case DirectAgent():
            return agent
    raise PolicyError(f"a {type(agent).__name__} cannot be exported")


def _diffusion_graphs(policy: DiffusionPolicy, on_graph: OnGraph) -> Graphs:
    if policy.prototypes is not None and policy.prototypes.is_fitted:
        raise PolicyError("no graph draws actions to prototypes: export the policy without them")
    parts = {
        "encoder": Senses(policy),
        "memory": Remembering(policy.memory),
        "context": Preparing(policy),
        "step": Denoising(policy),
    }
    graphs = _graphs(parts, on_graph)
    return {**graphs, "chunk": looped(graphs["context"], graphs["step"])}


def _agent_graphs(agent: DirectAgent, on_graph: OnGraph) -> Graphs:
    parts = {
        "encoder": AgentSenses(agent),
        "memory": Remembering(agent.memory),
        "act": Acting(agent),
    }
    return _graphs(parts, on_graph)


def _graphs(parts: Mapping[str, Part], on_graph: OnGraph) -> Graphs:
    graphs: Graphs = {}
    for role, part in parts.items():
        on_graph(role)
        graphs[role] = traced(part)
    return graphs


def _diffusion_manifest(policy: DiffusionPolicy) -> Manifest:
    config, normaliser = policy.config, policy.normaliser
    observation = {key: _spec(value) for key, value in Senses(policy).example().items()}
    if config.recalled_slots:
        slots = config.recalled_slots
        observation[RECALLED] = Spec("float32", (slots, config.recalled_size))
        observation[RECALLED_MASK] = Spec("bool", (slots,))
    return Manifest(
        name="",
        kind="diffusion",
        observation=observation,
        action=Spec("float32", (config.action_size,)),
        state=_state_specs(policy.memory),
        graphs={},
        files={},
        horizon=config.horizon,
        execute=config.execute,
        period_s=config.period_s,
        action_middle=tuple(normaliser.action_middle.tolist()),
        action_reach=tuple(normaliser.action_reach.tolist()),
        sampling=Sampling(
            schedule=config.schedule,
            levels=config.levels,
            sampler=config.sampler,
            prediction=config.prediction,
            spacing=config.spacing,
            steps=config.sampling_steps,
            clip=config.clip,
        ),
        opset=OPSET,
        robomem=__version__,
    )


def _agent_manifest(agent: DirectAgent) -> Manifest:
    shape = agent.shape
    size = shape.motion_size or 1
    return Manifest(
        name="",
        kind="direct",
        observation={key: _spec(value) for key, value in AgentSenses(agent).example().items()},
        action=Spec("int64" if shape.choices else "float32", (size,)),
        state=_state_specs(agent.memory),
        graphs={},
        files={},
        horizon=1,
        execute=1,
        period_s=1.0,  # of tasks without a clock of their own
        action_middle=(0.0,) * size,
        action_reach=(1.0,) * size,
        sampling=None,
        opset=OPSET,
        robomem=__version__,
    )


def _with_int8(
    draft: Path, manifest: Manifest, graphs: Graphs, holds: SuccessTest
) -> tuple[bool, Manifest]:
    """Add graphs in int8, and take them away again where the policy does not succeed with them."""
    files = {role: draft / f"{role}{INT8}.onnx" for role in HEADS if role in graphs}
    for role, file in files.items():
        quantised(graphs[role], file)
    sealed = _sealed(draft, manifest, {**graphs, **{role + INT8: None for role in files}})
    exact, near = (
        RuntimePolicy.from_pretrained(draft, RuntimeOptions(provider="cpu", precision=precision))
        for precision in PRECISIONS
    )
    if holds(exact, near):
        return True, sealed
    for file in files.values():
        file.unlink()
    return False, _sealed(draft, manifest, graphs)


def _sealed(draft: Path, manifest: Manifest, roles: Mapping[str, object]) -> Manifest:
    """Write the manifest of all files that are there; returns it."""
    files = sorted(file for file in draft.iterdir() if file.name != MANIFEST)
    sealed = replace(
        manifest,
        graphs={role: f"{role}.onnx" for role in roles},
        files={file.name: sha256_of(file) for file in files},
    )
    (draft / MANIFEST).write_text(sealed.to_json())
    return sealed


def _state_specs(memory: PolicyMemory) -> dict[str, Spec]:
    return {name: _spec(value) for name, value in memory.init_state(1).items()}


def _spec(value: Tensor) -> Spec:
    """Return what a tensor with a batch is."""
    return Spec(str(value.dtype).removeprefix("torch."), tuple(value.shape[1:]))


def _save_state(draft: Path, memory: PolicyMemory) -> None:
    state = {name: value.detach().numpy() for name, value in memory.init_state(1).items()}
    np.savez(draft / INITIAL_STATE, **state)  # type: ignore[arg-type] # numpy takes names for its own settings


def _save_weights(draft: Path, module: nn.Module) -> None:
    from safetensors.torch import save

    weights = {name: value.contiguous() for name, value in module.state_dict().items()}
    (draft / WEIGHTS).write_bytes(save(weights))  # save_file would keep other users out
