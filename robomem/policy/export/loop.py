"""All steps of a sampler in one graph: an ONNX Loop around the denoiser, with the sampler's table as an input.

The same file serves any number of steps and any sampler: rows of the table are trips of the Loop.
"""

import numpy as np
import onnx
from numpy.typing import ArrayLike
from onnx import TensorProto, compose, helper, numpy_helper

from robomem.policy.schedules import (
    ALPHA,
    CLIP,
    COLUMNS,
    NEXT_LAST_X0,
    NEXT_PREDICTED,
    NEXT_X,
    NEXT_X0,
    SIGMA,
    TIME,
    X0_PREDICTED,
    X0_X,
)

STEP = "step/"


def looped(context: onnx.ModelProto, step: onnx.ModelProto) -> onnx.ModelProto:
    """Return the graph (context's inputs, noise, table, known, weights) -> chunk.

    `known` are actions that the chunk has to go on from, `weights` (H, 1) how much: as `schedules.inpainted`, which
    does nothing where the weights are 0.

    Args:
        context: A graph whose outputs are inputs of `step`.
        step: (x, time, what `context` gives) -> predicted.
    """
    chunk_type = _type_of(step, "x")
    body = _body(compose.add_prefix(step, STEP), chunk_type)
    table = helper.make_tensor_value_info("table", TensorProto.FLOAT, ["steps", COLUMNS])
    horizon = chunk_type.tensor_type.shape.dim[1].dim_value
    weights = helper.make_tensor_value_info("weights", TensorProto.FLOAT, [horizon, 1])
    one = numpy_helper.from_array(np.array(1, np.float32), "one")
    nodes = [
        helper.make_node("Sub", ["one", "weights"], ["free"]),
        *context.graph.node,
        helper.make_node("Shape", ["table"], ["table_shape"], start=0, end=1),
        helper.make_node("Squeeze", ["table_shape"], ["trips"]),
        helper.make_node("Sub", ["noise", "noise"], ["nothing"]),  # zeros of its shape
        helper.make_node(
            "Loop", ["trips", "", "noise", "nothing"], ["chunk", "last_x0"], body=body
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "chunk",
        [
            *context.graph.input,
            _named("noise", chunk_type),
            table,
            _named("known", chunk_type),
            weights,
        ],
        [_named("chunk", chunk_type)],
        initializer=[*context.graph.initializer, one],
    )
    model = helper.make_model(graph, opset_imports=step.opset_import, ir_version=step.ir_version)
    onnx.checker.check_model(model)
    return model


def _body(step: onnx.ModelProto, chunk_type: onnx.TypeProto) -> onnx.GraphProto:
    """Return one trip: (trip, condition, x, last_x0) -> (condition, x_next, x0); the rest is outside."""
    made: list[onnx.NodeProto] = []
    constants: dict[str, onnx.TensorProto] = {}

    def constant(name: str, value: ArrayLike) -> str:
        constants[name] = numpy_helper.from_array(np.asarray(value), name)
        return name

    def do(operator: str, *inputs: str, to: str) -> str:
        made.append(helper.make_node(operator, list(inputs), [to]))
        return to

    row = do("Gather", "table", "trip", to="row")

    def coefficient(column: int) -> str:
        index = constant(f"column_{column}", np.int64(column))
        return do("Gather", row, index, to=f"coefficient_{column}")

    def scaled(column: int, array: str) -> str:
        return do("Mul", coefficient(column), array, to=f"{array}_by_{column}")

    told = do("Add", scaled(ALPHA, "known"), scaled(SIGMA, "noise"), to="told")
    do("Add", do("Mul", "weights", told, to="put"), do("Mul", "free", "x_in", to="kept"), to="x")
    batch = do(
        "Gather", do("Shape", "x", to="x_shape"), constant("first", np.array([0])), to="batch"
    )
    do("Expand", coefficient(TIME), batch, to="time")
    made += [_with_inputs(node) for node in step.graph.node]
    predicted = STEP + "predicted"
    do("Add", scaled(X0_X, "x"), scaled(X0_PREDICTED, predicted), to="free_x0")
    bound = coefficient(CLIP)
    do("Max", do("Min", "free_x0", bound, to="below"), do("Neg", bound, to="low"), to="x0")
    moved = do("Add", scaled(NEXT_X, "x"), scaled(NEXT_PREDICTED, predicted), to="moved")
    drawn = do("Add", scaled(NEXT_X0, "x0"), scaled(NEXT_LAST_X0, "last_x0_in"), to="drawn")
    do("Add", moved, drawn, to="x_next")
    do("Identity", "condition_in", to="condition")
    return helper.make_graph(
        made,
        "denoise",
        [
            helper.make_tensor_value_info("trip", TensorProto.INT64, []),
            helper.make_tensor_value_info("condition_in", TensorProto.BOOL, []),
            _named("x_in", chunk_type),
            _named("last_x0_in", chunk_type),
        ],
        [
            helper.make_tensor_value_info("condition", TensorProto.BOOL, []),
            _named("x_next", chunk_type),
            _named("x0", chunk_type),
        ],
        initializer=[*step.graph.initializer, *constants.values()],
    )


def _with_inputs(node: onnx.NodeProto) -> onnx.NodeProto:
    """Return a node of the step that takes what is outside of it by its own name."""
    kept = onnx.NodeProto()
    kept.CopyFrom(node)
    outside = {STEP + name: name for name in ("x", "time", "keys_values", "bias", "pooled")}
    kept.input[:] = [outside.get(name, name) for name in node.input]
    return kept


def _type_of(model: onnx.ModelProto, name: str) -> onnx.TypeProto:
    kind: onnx.TypeProto = next(each.type for each in model.graph.input if each.name == name)
    return kind


def _named(name: str, kind: onnx.TypeProto) -> onnx.ValueInfoProto:
    return helper.make_value_info(name, kind)
