"""Adds ONNX nodes to what skl2onnx converts."""

from typing import Any

import numpy as np
from onnx import numpy_helper

from stages.frameworks.join import OPSET


class Nodes:
    """The nodes and constants of one operator, in skl2onnx's container, named by its scope."""

    def __init__(self, scope: Any, container: Any) -> None:
        self.scope, self.container = scope, container

    def add(self, kind: str, *inputs: str, output: str = "", **attributes: Any) -> str:
        """Adds a node; returns the name of its output."""
        output = output or self.scope.get_unique_variable_name(kind.lower())
        name = self.scope.get_unique_operator_name(kind)
        self.container.add_node(
            kind, list(inputs), output, name=name, op_version=OPSET, **attributes
        )
        return output

    def constant(self, value: Any) -> str:
        """Adds a constant; returns its name."""
        array = np.asarray(value)
        name = self.scope.get_unique_variable_name("constant")
        tensor = numpy_helper.from_array(array)
        self.container.add_initializer(name, tensor.data_type, array.shape, tensor)
        return name
