"""Policies of three tiny graphs, written by hand: they do what they see."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from robomem.policy.runtime.manifest import INITIAL_STATE, MANIFEST, Manifest, Spec, sha256_of

STATE = "observation.state"
OPSET = 18


def write_echo_policy(path: Path, *, size: int = 2) -> Path:
    """Write a policy whose action (A,) is `observation.state` (A,)."""
    return write_showing_policy(path, {}, size=size)


def write_showing_policy(path: Path, also: Mapping[str, Spec], *, size: int = 2) -> Path:
    """Write a policy whose action is all that it observes, one number after the other.

    Args:
        path: Its folder.
        also: What it observes after `observation.state` (size,), which comes through its memory.
    """
    path.mkdir()
    observed = {STATE: Spec("float32", (size,)), **also}
    action_size = sum(int(np.prod(spec.shape)) for spec in observed.values())
    features, remembered = _value("features", size), _value("remembered", size)
    _write(path, "encoder", [_identity(STATE, "features")], [_value(STATE, size)], features)
    _write(path, "memory", [_identity("features", "remembered")], [features], remembered)
    flat, nodes, inputs = ["remembered"], [], [remembered]
    for key, spec in also.items():
        kind = TensorProto.BOOL if spec.dtype == "bool" else TensorProto.FLOAT
        inputs.append(_value(key, *spec.shape, kind=kind))
        nodes += [
            helper.make_node("Cast", [key], [f"{key}.cast"], to=TensorProto.FLOAT),
            helper.make_node("Flatten", [f"{key}.cast"], [f"{key}.flat"]),
        ]
        flat.append(f"{key}.flat")
    nodes.append(helper.make_node("Concat", flat, ["action"], axis=1))
    _write(path, "act", nodes, inputs, _value("action", action_size))
    np.savez(path / INITIAL_STATE)
    manifest = Manifest(
        name="echo",
        kind="direct",
        observation=observed,
        action=Spec("float32", (action_size,)),
        state={},
        graphs={role: f"{role}.onnx" for role in ("encoder", "memory", "act")},
        files={file.name: sha256_of(file) for file in sorted(path.iterdir())},
        horizon=1,
        execute=1,
        period_s=0.1,
        action_middle=(0.0,) * action_size,
        action_reach=(1.0,) * action_size,
        sampling=None,
        opset=OPSET,
        robomem="0",
    )
    (path / MANIFEST).write_text(manifest.to_json())
    return path


def _value(name: str, *shape: int, kind: int = TensorProto.FLOAT) -> onnx.ValueInfoProto:
    return helper.make_tensor_value_info(name, kind, ["batch", *shape])


def _identity(taken: str, given: str) -> onnx.NodeProto:
    return helper.make_node("Identity", [taken], [given])


def _write(
    path: Path,
    role: str,
    nodes: list[onnx.NodeProto],
    taken: list[onnx.ValueInfoProto],
    given: onnx.ValueInfoProto,
) -> None:
    graph = helper.make_graph(nodes, role, taken, [given])
    opsets = [helper.make_opsetid("", OPSET)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path / f"{role}.onnx")
