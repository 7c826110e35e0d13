"""Writes a model as ONNX: one contract, the same bytes for the same model, checked."""

import json
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from stages.model_file.classifier import Prediction
from stages.runtime.errors import InputError

# A native model computes in float64 or in another order than ONNX Runtime does in float32, so an
# image on the border between two classes may get either label.
LABELS_APART = 0.001  # share of the images; or one, whose two best classes tie within rounding
PROBABILITY_APART = 1e-3


def to_contract(model: onnx.ModelProto, metadata: dict[str, Any]) -> bytes:
    """The file's bytes: input `images`, outputs `label` and, if any, `probability`, and metadata.

    `model` has one input, float32 (n, ...); its outputs are the labels, the probabilities, or both
    in this order. It is changed in place: a copy of a forest takes 260 MB.
    """
    content = serialize(model, metadata)
    del model  # unless the caller keeps it: the checker has a copy of its own
    onnx.checker.check_model(content)
    return content


def serialize(model: onnx.ModelProto, metadata: dict[str, Any]) -> bytes:
    """The bytes of `model`, changed to the contract."""
    graph = model.graph
    if graph.output[0].type.tensor_type.elem_type == TensorProto.FLOAT:
        add_label(graph)
    drop_unused(graph)
    names = [graph.input[0].name, *(value.name for value in graph.output)]
    make_canonical(graph, dict(zip(names, ["images", "label", "probability"], strict=False)))
    classes = len(metadata["classes"])
    image = [d.dim_value for d in graph.input[0].type.tensor_type.shape.dim[1:]]
    specs = {
        "images": (TensorProto.FLOAT, ["n", *image]),
        "label": (TensorProto.INT64, ["n"]),
        "probability": (TensorProto.FLOAT, ["n", classes]),
    }
    for value in [*graph.input, *graph.output]:
        value.CopyFrom(helper.make_tensor_value_info(value.name, *specs[value.name]))

    opsets = {opset.domain: opset for opset in model.opset_import}  # an exporter repeats some
    model.ClearField("opset_import")
    model.opset_import.extend(opsets[domain] for domain in sorted(opsets))
    for field, _ in model.ListFields():
        if field.name not in ("graph", "ir_version", "opset_import"):
            model.ClearField(field.name)
    model.producer_name = "image-classifiers"
    helper.set_model_props(model, {key: json.dumps(value) for key, value in metadata.items()})
    return model.SerializeToString(deterministic=True)


def add_label(graph: onnx.GraphProto) -> None:
    """Adds the index of the highest probability as first output, before the probabilities."""
    probability = graph.output[0]
    graph.node.append(helper.make_node("ArgMax", [probability.name], ["label"], axis=1, keepdims=0))
    label = helper.make_tensor_value_info("label", TensorProto.INT64, ["n"])
    del graph.output[:]
    graph.output.extend([label, probability])


def drop_unused(graph: onnx.GraphProto) -> None:
    """Removes the nodes and initializers that no output needs."""
    needed = {value.name for value in graph.output}
    for index in reversed(range(len(graph.node))):
        node = graph.node[index]
        if not needed.intersection(node.output):
            del graph.node[index]
            continue
        needed.update(node.input)
        for attribute in node.attribute:
            for inner in attribute.g.node:
                needed.update(inner.input)
    for index in reversed(range(len(graph.initializer))):
        if graph.initializer[index].name not in needed:
            del graph.initializer[index]


def make_canonical(graph: onnx.GraphProto, names: dict[str, str]) -> None:
    """Names every value, node and initializer by its position in the graph.

    Exporters number inner names with counters that differ from run to run. `names` maps old names
    of the inputs and outputs to new ones and, for a graph inside a node, those of the outer values.
    """
    names[""] = ""  # an optional input that is left out

    def new_name(old: str) -> str:
        return names.setdefault(old, f"value_{len(names)}")

    for index, node in enumerate(graph.node):
        node.name = f"node_{index}"
        node.ClearField("doc_string")
        for attribute in node.attribute:
            if attribute.type == onnx.AttributeProto.GRAPH:
                make_canonical(attribute.g, names)
        for values in (node.input, node.output):
            values[:] = [new_name(old) for old in values]
    for value in [*graph.input, *graph.output, *graph.initializer]:
        value.name = new_name(value.name)
        value.ClearField("doc_string")
    graph.initializer.sort(key=lambda initializer: initializer.name)
    del graph.value_info[:]
    graph.name = "classifier"
    graph.ClearField("doc_string")


def check_agreement(native: Prediction, exported: Prediction) -> None:
    """Compares the predictions of the fitted model and of its file for the same images.

    Raises:
        InputError: they differ by more than rounding explains.
    """
    apart = int((native[0] != exported[0]).sum())
    if apart > max(1, LABELS_APART * len(native[0])):
        raise InputError(
            f"the exported model labels {apart} of {len(native[0])} images differently from the "
            "fitted one; the exporter does not convert this model faithfully: choose another"
        )
    if native[1] is not None and exported[1] is not None:
        distance = float(np.abs(native[1] - exported[1]).max())
        if not distance <= PROBABILITY_APART:
            raise InputError(
                f"the exported model's probabilities are up to {distance:.2g} from the fitted "
                "one's; the exporter does not convert this model faithfully: choose another"
            )
