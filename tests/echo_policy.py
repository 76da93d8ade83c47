"""A policy of three tiny graphs, written by hand: it does what its state says."""

from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper

from robomem.policy.runtime.manifest import INITIAL_STATE, MANIFEST, Manifest, Spec, sha256_of


def write_echo_policy(path: Path, *, size: int = 2) -> Path:
    """Write a policy whose action (A,) is `observation.state` (A,)."""
    path.mkdir()
    graphs = {
        "encoder": ("observation.state", "features"),
        "memory": ("features", "remembered"),
        "act": ("remembered", "action"),
    }
    for role, (taken, given) in graphs.items():
        graph = helper.make_graph(
            [helper.make_node("Identity", [taken], [given])],
            role,
            [helper.make_tensor_value_info(taken, TensorProto.FLOAT, ["batch", size])],
            [helper.make_tensor_value_info(given, TensorProto.FLOAT, ["batch", size])],
        )
        opset = helper.make_opsetid("", 18)
        onnx.save(
            helper.make_model(graph, opset_imports=[opset], ir_version=8), path / f"{role}.onnx"
        )
    np.savez(path / INITIAL_STATE)
    manifest = Manifest(
        name="echo",
        kind="direct",
        observation={"observation.state": Spec("float32", (size,))},
        action=Spec("float32", (size,)),
        state={},
        graphs={role: f"{role}.onnx" for role in graphs},
        files={file.name: sha256_of(file) for file in sorted(path.iterdir())},
        horizon=1,
        execute=1,
        period_s=0.1,
        action_middle=(0.0,) * size,
        action_reach=(1.0,) * size,
        sampling=None,
        opset=18,
        robomem="0",
    )
    (path / MANIFEST).write_text(manifest.to_json())
    return path
