"""Graphs with weights of 8 bits, and whether a policy still does what it should with them."""

from collections.abc import Callable
from pathlib import Path

import onnx
from onnxruntime.quantization import QuantType, quantize_dynamic

from robomem.policy.export.tracing import quiet
from robomem.policy.runtime.policy import RuntimePolicy

SuccessTest = Callable[[RuntimePolicy, RuntimePolicy], bool]
"""Says, given a policy and the same in int8, whether that still succeeds: `robomem.policy.export.success.holds_up`."""


def quantised(model: onnx.ModelProto, path: Path) -> None:
    """Write a graph whose matrices have weights of 8 bits; what goes in and out stays float32.

    Dynamic quantisation: scales of activations are found while it runs, so that no calibration data is needed.
    """
    own = onnx.ModelProto()
    own.CopyFrom(model)  # the quantiser changes what it is given
    _unshare(own.graph)
    with quiet():
        quantize_dynamic(
            own,
            path,
            op_types_to_quantize=["MatMul", "Gemm"],
            weight_type=QuantType.QInt8,
            extra_options={"EnableSubgraph": True},
        )


def _unshare(graph: onnx.GraphProto) -> None:
    """Give every product weights of its own: the quantiser transposes those of a Gemm, once for each that has them."""
    weights = {each.name: each for each in graph.initializer}
    seen: set[str] = set()
    for number, node in enumerate(graph.node):
        if node.op_type != "Gemm" or node.input[1] not in weights:
            continue
        name = node.input[1]
        if name in seen:
            copied = graph.initializer.add()
            copied.CopyFrom(weights[name])
            copied.name = node.input[1] = f"{name}/{number}"
        seen.add(name)
