"""A model file from anywhere is one of this pipeline, or is refused at once and in one line."""

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from damage import READ, REFUSED, attempt
from onnx import TensorProto, helper, numpy_helper

from stages.frameworks.export import to_contract
from stages.model_file import limits
from stages.model_file.classifier import classify, open_classifier, read_metadata

FLOAT, INT64 = TensorProto.FLOAT, TensorProto.INT64
METADATA = {
    "dataset": "toy",
    "classes": ["a", "b"],
    "normalization": {"mean": [0.0], "deviation": [1.0]},
    "layout": "flat",
    "image_shape": [2, 2, 1],
}
Nodes = list[onnx.NodeProto]
Values = dict[str, Any]


def write(path: Path, nodes: Nodes, values: Values, probability: bool = False) -> onnx.ModelProto:
    """Writes a model whose nodes make `label`, and perhaps `probability`, of `images`, (n, 4)."""
    outputs = [helper.make_tensor_value_info("label", INT64, ["n"])]
    if probability:
        outputs.append(helper.make_tensor_value_info("probability", FLOAT, ["n", 2]))
    graph = helper.make_graph(
        nodes,
        "toy",
        [helper.make_tensor_value_info("images", FLOAT, ["n", 4])],
        outputs,
        [numpy_helper.from_array(np.array(value), name) for name, value in values.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("own", 1)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    path.write_bytes(to_contract(model, METADATA))
    return onnx.load(path)


def then_label(name: str) -> Nodes:
    """Nodes that make the labels of the images and a number."""
    return [
        helper.make_node("Add", ["images", name], ["sum"]),
        helper.make_node("Slice", ["sum", "from", "to", "axis"], ["two"]),
        helper.make_node("ArgMax", ["two"], ["label"], axis=1, keepdims=0),
    ]


SLICE = {"from": [0], "to": [2], "axis": [1]}


def inner(inputs: list[tuple[str, int]], outputs: list[tuple[str, int]]) -> onnx.GraphProto:
    """A graph in a node: it squares `state`."""
    takes, gives = (
        [
            helper.make_tensor_value_info(name, kind, None if kind == FLOAT else [])
            for name, kind in values
        ]
        for values in (inputs, outputs)
    )
    nodes = [helper.make_node("Mul", ["state", "state"], ["squared"])]
    if len(outputs) > 1:
        nodes.append(helper.make_node("Identity", ["go"], ["on"]))
    return helper.make_graph(nodes, "inner", takes, gives)


def with_loop(path: Path) -> None:
    body = inner(
        [("index", INT64), ("go", TensorProto.BOOL), ("state", FLOAT)],
        [("on", TensorProto.BOOL), ("squared", FLOAT)],
    )
    loop = helper.make_node("Loop", ["times", "start", "one"], ["z"], body=body)
    values = {"times": np.int64(2**62), "start": True, "one": np.float32(1)}
    write(path, [loop, *then_label("z")], SLICE | values)


def with_loop_in_a_branch(path: Path) -> None:
    with_loop(path)
    model = onnx.load(path)
    loop = onnx.NodeProto.FromString(model.graph.node[0].SerializeToString())
    (output,), go = loop.output, loop.input[1]
    loop.output[:] = ["inner"]
    value = helper.make_tensor_value_info("inner", FLOAT, None)
    branch = helper.make_graph([loop], "branch", [], [value])
    model.graph.node[0].CopyFrom(
        helper.make_node("If", [go], [output], then_branch=branch, else_branch=branch)
    )
    path.write_bytes(model.SerializeToString())


def with_endless_scan(path: Path) -> None:
    body = inner([("state", FLOAT), ("nothing", FLOAT)], [("squared", FLOAT)])
    scan = helper.make_node("Scan", ["one", "empty"], ["z"], body=body, num_scan_inputs=1)
    values = {"one": np.float32(1), "empty": np.zeros((10**12, 0), np.float32)}
    write(path, [scan, *then_label("z")], SLICE | values)


def with_functions(path: Path) -> None:
    """Each of 30 functions calls the next one twice: a billion nodes, if they are inlined."""
    model = write(path, then_label("zero"), SLICE | {"zero": np.float32(0)})
    own = [helper.make_opsetid("own", 1), helper.make_opsetid("", 17)]
    for number in range(30):
        calls = [
            helper.make_node(f"F{number + 1}", ["a"], ["b"], domain="own"),
            helper.make_node(f"F{number + 1}", ["b"], ["c"], domain="own"),
        ]
        last = [helper.make_node("Neg", ["a"], ["c"])]
        nodes = calls if number < 29 else last
        model.functions.append(helper.make_function("own", f"F{number}", ["a"], ["c"], nodes, own))
    model.graph.node[0].op_type, model.graph.node[0].domain = "F0", "own"
    del model.graph.node[0].input[1]
    path.write_bytes(model.SerializeToString())


def with_memory(nodes: Nodes, values: Values) -> Callable[[Path], object]:
    total = helper.make_node("ReduceSum", ["many"], ["z"], keepdims=0)
    return lambda path: write(path, [*nodes, total, *then_label("z")], SLICE | values)


def with_other_file(path: Path) -> None:
    model = write(path, then_label("zero"), SLICE | {"zero": np.zeros(4, np.float32)})
    (weights,) = (one for one in model.graph.initializer if one.data_type == FLOAT)
    weights.ClearField("raw_data")
    weights.data_location = weights.EXTERNAL
    for key, value in (("location", "/etc/passwd"), ("length", "16")):
        weights.external_data.add(key=key, value=value)
    path.write_bytes(model.SerializeToString())


def with_many_nodes(path: Path) -> None:
    names = ["zero", *(f"x{number}" for number in range(limits.NODES))]
    nodes = [helper.make_node("Neg", [one], [other]) for one, other in pairwise(names)]
    write(path, [*nodes, *then_label(names[-1])], SLICE | {"zero": np.float32(0)})


def with_label(operator: str, value: int, **how: Any) -> Callable[[Path], object]:
    """Makes `label` of the right one, 0, and another number."""
    nodes = then_label("zero")[:2]
    nodes += [helper.make_node("ArgMax", ["two"], ["small"], axis=1, keepdims=0)]
    nodes += [helper.make_node(operator, ["small", "more"], ["label"], **how)]
    values = {"zero": np.float32(0), "more": np.array([value])}
    return lambda path: write(path, nodes, SLICE | values)


def with_probability(*add: float) -> Callable[[Path], object]:
    nodes = [*then_label("zero"), helper.make_node("Softmax", ["two"], ["softmax"])]
    nodes += [helper.make_node("Add", ["softmax", "add"], ["probability"])]
    values = {"zero": np.float32(0), "add": np.array(add, np.float32)}
    return lambda path: write(path, nodes, SLICE | values, probability=True)


def with_constants(path: Path) -> None:
    """Products of large constants, which ONNX Runtime computes when it opens the file."""
    names = ["large", *(f"x{number}" for number in range(1000))]
    nodes = [helper.make_node("Expand", ["value", "shape"], ["large"])]
    nodes += [helper.make_node("MatMul", [one, "large"], [other]) for one, other in pairwise(names)]
    nodes += [helper.make_node("ReduceSum", [names[-1]], ["z"], keepdims=0), *then_label("z")]
    write(path, nodes, SLICE | {"value": np.float32(1), "shape": np.array([4000, 4000])})


def with_one_slow_node(path: Path) -> None:
    """ONNX Runtime cannot be asked to stop in a node."""
    large = np.zeros((1, 1, 4000, 4000), np.float32)
    nodes = [
        helper.make_node("ReduceSum", ["images"], ["total"], keepdims=0),
        helper.make_node("Add", ["large", "total"], ["image"]),
        helper.make_node("MaxPool", ["image"], ["pooled"], kernel_shape=[3000, 3000]),
        helper.make_node("ReduceMax", ["pooled"], ["z"], keepdims=0),
    ]
    write(path, [*nodes, *then_label("z")], SLICE | {"large": large})


def as_another_format(path: Path) -> None:
    """A file that is empty to protobuf, and of ONNX Runtime's own format to it."""
    path.write_bytes(b"\x78\x00\x7a\x04ORTM" + bytes(100))


def out_of_order(path: Path) -> None:
    with_constants(path)
    model = onnx.load(path)
    nodes = [*model.graph.node]
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])
    path.write_bytes(model.SerializeToString())


LONG = np.array([10**11])
HOSTILE: dict[str, tuple[Callable[[Path], object], str]] = {
    "a loop": (with_loop, "takes more than 0.3 s for 3 images"),
    "a loop in a branch": (with_loop_in_a_branch, "takes more than 0.3 s for 3 images"),
    "functions": (with_functions, "it has functions"),
    "constants": (with_constants, "it takes more than 1.5 s to open"),
    "nodes out of order": (out_of_order, "nodes are not in the order in which they compute"),
    "another format": (as_another_format, "not a valid ONNX model"),
    "a scan of nothing": (with_endless_scan, "takes more than 0.3 s for 3 images"),
    "many nodes": (with_many_nodes, "more than 50,000 nodes"),
    "weights elsewhere": (with_other_file, "weights in another file"),
    "400 GB of zeros": (
        with_memory([helper.make_node("ConstantOfShape", ["shape"], ["many"])], {"shape": LONG}),
        "not a valid model (",
    ),
    "6 GB of zeros": (
        with_memory(
            [helper.make_node("ConstantOfShape", ["shape"], ["many"])], {"shape": LONG // 66}
        ),
        "not a valid model (",
    ),
    "a long range": (
        with_memory(
            [helper.make_node("Range", ["low", "high", "step"], ["many"])],
            {"low": np.float32(0), "high": np.float32(1e10), "step": np.float32(1)},
        ),
        "not a valid model (",
    ),
    "a label too high": (with_label("Add", 2), "not one of 2 classes"),
    "a label below 0": (with_label("Add", -1), "not one of 2 classes"),
    "another number of labels": (with_label("Concat", 0, axis=0), "its labels, shape (4,)"),
    "probabilities above 1": (with_probability(1), "probabilities are not all from 0 to 1"),
    "probabilities below 0": (with_probability(-1), "probabilities are not all from 0 to 1"),
    "no numbers": (with_probability(float("nan")), "probabilities are not all from 0 to 1"),
}


def use(path: Path) -> None:
    """Does with a model what `evaluate` does."""
    opened = open_classifier(path, threads=1)
    read_metadata(opened)
    classify(opened, np.ones((3, 4), np.float32))


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_model_is_refused_at_once(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, expected = HOSTILE[name]
    path = tmp_path / "model.onnx"
    make(path)
    for limit, value in (("SECONDS", 0.3), ("PER_IMAGE", 0), ("OPENING", 1.5)):
        monkeypatch.setattr(limits, limit, value)
    outcome = attempt(lambda: use(path))
    assert outcome.kind == REFUSED
    assert outcome.message.startswith(f"{path}: ")
    assert expected in outcome.message


def test_a_model_that_cannot_be_stopped_ends_its_process(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "model.onnx"
    with_one_slow_node(path)
    for limit, value in (("SECONDS", 0.3), ("PER_IMAGE", 0), ("GRACE", 0.3)):
        monkeypatch.setattr(limits, limit, value)
    assert attempt(lambda: use(path)).kind == "ends without an outcome"  # and not late


def test_a_model_that_is_none_of_these_is_used(tmp_path: Path) -> None:
    path = tmp_path / "model.onnx"
    for make in (with_label("Add", 1), with_probability(0)):
        make(path)
        assert attempt(lambda: use(path)).kind == READ
