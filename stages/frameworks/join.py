"""Puts one ONNX network on another: a classifier on what computes its input."""

from pathlib import Path

import onnx
from onnx import compose, version_converter

from stages.model_file.classifier import LARGEST
from stages.runtime.files import REMEDY
from stages.runtime.inputs import reading, require_file

# Of the operators and of the file: ONNX Runtime 1.16, of September 2023, has opsets up to 19.
OPSET, FORMAT = 18, 8
# Beside the features of training images: what computes them, and what follows if it is to learn.
NETWORK, TAIL = "network.onnx", "tail.onnx"


def join(first: onnx.ModelProto, second: onnx.ModelProto) -> onnx.ModelProto:
    """`second` on the outputs of `first`, which are its inputs, in the same order.

    The input of `first` and the outputs of `second` keep their names.
    """
    first, second = raise_opset(first), raise_opset(second)
    first.ir_version = second.ir_version = max(first.ir_version, second.ir_version)
    ends = zip(first.graph.output, second.graph.input, strict=True)
    joined = compose.merge_models(
        compose.add_prefix(first, "first_"),
        compose.add_prefix(second, "second_"),
        [(f"first_{one.name}", f"second_{other.name}") for one, other in ends],
    )
    names = {f"first_{value.name}": value.name for value in first.graph.input}
    names |= {f"second_{value.name}": value.name for value in second.graph.output}
    rename(joined.graph, names)
    del joined.graph.value_info[:]
    return joined


def raise_opset(model: onnx.ModelProto) -> onnx.ModelProto:
    """The same network with the operators of `OPSET`."""
    old = next(one.version for one in model.opset_import if not one.domain)
    return version_converter.convert_version(model, OPSET) if old < OPSET else model


def rename(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Gives values of a graph other names."""
    for node in graph.node:
        for values in (node.input, node.output):
            values[:] = [names.get(value, value) for value in values]
    for value in [*graph.input, *graph.output]:
        value.name = names.get(value.name, value.name)


def read_network(path: Path) -> onnx.ModelProto | None:
    """A network that the stage `features` wrote; None if it wrote none.

    Raises:
        InputError: the file is damaged.
    """
    if not path.exists():
        return None
    require_file(path, LARGEST, REMEDY)
    with reading(path, "ONNX network", REMEDY):
        return onnx.ModelProto.FromString(path.read_bytes())
