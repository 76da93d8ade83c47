"""Parts of a policy as ONNX graphs whose batch may have any size."""

import logging
import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

import onnx
import torch
from torch import Tensor, nn

from robomem.errors import PolicyError
from robomem.policy.interrupts import interrupts_counted

OPSET = 18  # what torch writes without converting, and TensorRT reads
EXAMPLES = 2  # robots in the batch that is traced; with one, torch would take the 1 for a constant

Named = Mapping[str, Tensor]


class Part(nn.Module, ABC):
    """A part of a policy that takes tensors by name and returns tensors by name."""

    batch_axes: Mapping[str, int] = {}
    """Where the batch is in what goes in, for what has it elsewhere than first."""

    @abstractmethod
    def example(self) -> dict[str, Tensor]:
        """Return what may go in, with a batch of `EXAMPLES`."""

    @abstractmethod
    def compute(self, inputs: Named) -> dict[str, Tensor]:
        """Return what comes out."""


def traced(part: Part) -> onnx.ModelProto:
    """Return a part, in evaluation mode, as a graph; Ctrl-C ends it when the graph is done.

    Torch swallows a KeyboardInterrupt that comes while it imports its compiler, and fails of that later.

    Raises:
        PolicyError: There is something in it that ONNX has no name for.
    """
    with interrupts_counted() as interrupts:
        model = _traced(part)
    if interrupts:
        raise KeyboardInterrupt
    return model


def _traced(part: Part) -> onnx.ModelProto:
    example = part.example()
    with torch.no_grad():
        outputs = list(part.compute(example))
    batch = torch.export.Dim("batch", min=1, max=4096)
    axes = {name: {part.batch_axes.get(name, 0): batch} for name in example}
    try:
        with quiet(), torch.no_grad():
            program = torch.onnx.export(
                _ByPlace(part, list(example)).eval(),
                tuple(example.values()),
                dynamo=True,
                dynamic_shapes=(tuple(axes.values()),),
                opset_version=OPSET,
                input_names=list(example),
                output_names=outputs,
                verbose=False,
            )
    except (torch.onnx.OnnxExporterError, RuntimeError) as err:
        raise PolicyError(f"{type(part).__name__} cannot be written as ONNX: {err}") from err
    assert program is not None
    model = _cleaned(program.model_proto)
    _check_batch(model, {name: part.batch_axes.get(name, 0) for name in example})
    return model


class _ByPlace(nn.Module):
    """A part whose tensors have places instead of names: that is what is traced."""

    def __init__(self, part: Part, names: Sequence[str]) -> None:
        super().__init__()
        self.part = part
        self.names = tuple(names)

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        found = self.part.compute(dict(zip(self.names, tensors, strict=True)))
        return tuple(found.values())


def _cleaned(model: onnx.ModelProto) -> onnx.ModelProto:
    """Check a graph, and take out of it what torch wrote down of files on this machine."""
    del model.metadata_props[:]
    for node in model.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    del model.graph.metadata_props[:]
    # Can be inferred, and would contradict what a quantiser transposes.
    del model.graph.value_info[:]
    for value in (*model.graph.input, *model.graph.output):
        del value.metadata_props[:]
    onnx.checker.check_model(model)
    return model


def _check_batch(model: onnx.ModelProto, axes: Mapping[str, int]) -> None:
    """Raise PolicyError where a graph lost an input, or takes a batch of one size only: torch does so silently."""
    found = {value.name: value.type.tensor_type.shape.dim for value in model.graph.input}
    fixed = [
        name for name, axis in axes.items() if name not in found or not found[name][axis].dim_param
    ]
    if fixed:
        raise PolicyError(
            f"the batch became a constant in {', '.join(fixed)}, or they are not used"
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep to themselves what exporters say of packages that are not installed and of their own deprecations."""
    before = logging.root.manager.disable
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
