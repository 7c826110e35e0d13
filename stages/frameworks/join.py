"""Puts one ONNX network on another: a classifier on what computes its input."""

import onnx
from onnx import compose, version_converter

OPSET = 18  # of both; ONNX Runtime 1.16, of September 2023, has up to 19


def join(first: onnx.ModelProto, second: onnx.ModelProto) -> onnx.ModelProto:
    """`second` on the outputs of `first`, which are its inputs, in the same order.

    The names of the input of `first` and of the outputs of `second` stay, if they differ.
    """
    second = raise_opset(second)
    first = raise_opset(first)
    first.ir_version = second.ir_version = max(first.ir_version, second.ir_version)
    ends = [one.name for one in first.graph.output], [one.name for one in second.graph.input]
    first_keeps = {value.name: value.name for value in first.graph.input}
    keeps = first_keeps | {value.name: value.name for value in second.graph.output}
    joined = compose.merge_models(
        compose.add_prefix(first, "first_"),
        compose.add_prefix(second, "second_"),
        [(f"first_{one}", f"second_{other}") for one, other in zip(*ends, strict=True)],
    )
    rename(joined.graph, {f"first_{name}": name for name in first_keeps})
    rename(joined.graph, {f"second_{name}": name for name in keeps if name not in first_keeps})
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
