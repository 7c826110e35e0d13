"""Puts the nodes of a convolutional network together as ONNX, channels first."""

from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, helper, numpy_helper

from stages.frameworks.join import FORMAT, OPSET


class Graph:
    """The nodes and weights of a network, and its layers: named values, which are its outputs.

    The input `images` is float32 (n, height, width, 3), RGB from 0 to 1. A layer is
    (n, channels, height, width). A network has no size of its own.
    """

    def __init__(self) -> None:
        self.nodes: list[onnx.NodeProto] = []
        self.weights: list[onnx.TensorProto] = []
        self.layers: dict[str, int] = {}  # their channels

    def add(self, kind: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        output = f"value_{len(self.nodes)}"
        self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def weight(self, array: Any) -> str:
        """Adds numbers, as float32; returns their name."""
        name = f"weight_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.asarray(array, np.float32), name))
        return name

    def scale(self, means: list[float], deviations: list[float], bgr: bool = False) -> str:
        """The images, channels first, as (255 * pixel - mean) / deviation; BGR if so asked."""
        values = self.add("Transpose", "images", perm=[0, 3, 1, 2])
        if bgr:
            order = [self.add("Slice", values, *map(self.index, (i, i + 1, 1))) for i in (2, 1, 0)]
            values = self.add("Concat", *order, axis=1)
        factors, shifts = 255 / np.array(deviations), np.array(means) / deviations
        values = self.add("Mul", values, self.weight(factors.reshape(1, 3, 1, 1)))
        return self.add("Sub", values, self.weight(shifts.reshape(1, 3, 1, 1)))

    def index(self, value: int) -> str:
        """Adds an integer, (1,); returns its name."""
        name = f"index_{len(self.weights)}"
        self.weights.append(numpy_helper.from_array(np.array([value], np.int64), name))
        return name

    def convolve(
        self,
        values: str,
        kernel: NDArray[Any],
        bias: NDArray[Any],
        stride: int = 1,
        groups: int = 1,
        padding: str = "SAME_UPPER",
    ) -> str:
        """Adds a convolution, with a kernel (filters, channels per group, height, width).

        Padded as TensorFlow does, one more pixel at the end if it cannot be as many as before.
        """
        weights = [self.weight(kernel), self.weight(bias)]
        strides = [stride, stride]
        return self.add("Conv", values, *weights, auto_pad=padding, strides=strides, group=groups)

    def layer(self, name: str, channels: int) -> str:
        """Gives the output of the newest node a name by which a run can choose it."""
        self.nodes[-1].output[0] = name
        self.layers[name] = channels
        return name

    def finish(self, classes: int) -> onnx.ModelProto:
        """The network; its last output is `probability`, of each class of ImageNet."""
        self.nodes[-1].output[0] = "probability"
        shapes: dict[str, list[Any]] = {
            name: ["n", channels, None, None] for name, channels in self.layers.items()
        }
        shapes["probability"] = ["n", classes]
        graph = helper.make_graph(
            self.nodes,
            "backbone",
            [helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", None, None, 3])],
            [helper.make_tensor_value_info(k, TensorProto.FLOAT, v) for k, v in shapes.items()],
            self.weights,
        )
        opsets = [helper.make_opsetid("", OPSET)]
        return helper.make_model(graph, opset_imports=opsets, ir_version=FORMAT)
