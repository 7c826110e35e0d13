"""A network whose decision is known: two corners of the image, and nothing else."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stages.frameworks.export import to_contract

UNIT = {"mean": [0.0], "deviation": [1.0]}


def make_network(
    weights: NDArray[Any], side: int, channels: int = 1, nodes: tuple[Any, ...] = ()
) -> onnx.ModelProto:
    """A network that looks at the upper left and the lower right corner, a quarter of each side.

    Its features are their brightness, 0 to 1; the last layer has `weights`, (2, classes), unless
    `nodes` compute `p` of `features`.
    """
    corner, classes = side // 4, weights.shape[1]
    looks = np.zeros((2, channels, side, side), dtype=np.float32)
    looks[0, :, :corner, :corner] = looks[1, :, -corner:, -corner:] = 1 / channels / corner**2
    dense = [
        helper.make_node("MatMul", ["features", "weights"], ["scores"]),
        helper.make_node("Add", ["scores", "bias"], ["sums"]),
        helper.make_node("Softmax", ["sums"], ["p"]),
    ]
    values = {"looks": looks, "weights": weights, "bias": -weights.mean(axis=0)}
    graph = helper.make_graph(
        [
            helper.make_node("Transpose", ["images"], ["moved"], perm=[0, 3, 1, 2]),
            helper.make_node("Conv", ["moved", "looks"], ["map"]),
            helper.make_node("Flatten", ["map"], ["features"]),
            *(nodes or dense),
        ],
        "planted",
        [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", side, side, channels])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", classes])],
        [numpy_helper.from_array(one.astype(np.float32), name) for name, one in values.items()],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid("ai.onnx.ml", 1)]
    metadata = {
        "dataset": "planted",
        "classes": [f"class {i}" for i in range(classes)],
        "layout": "image",
        "normalization": {key: one * channels for key, one in UNIT.items()},
        "image_shape": [side, side, channels],
    }
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    return onnx.ModelProto.FromString(to_contract(model, metadata))
