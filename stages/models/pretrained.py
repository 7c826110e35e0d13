"""The end of a network that learned ImageNet, to be trained on: on a layout that is not pooled."""

from collections.abc import Callable
from typing import Annotated, Any

import keras
import numpy as np
import onnx
from keras import layers
from onnx import numpy_helper
from pydantic import Field

from stages.model_file.classifier import open_session
from stages.runtime.errors import InputError

APART = 1e-3  # of which values may differ: the order of sums


def build(
    input_shape: tuple[int, ...],
    classes: int,
    tail: onnx.ModelProto,
    *,
    dropout: Annotated[float, Field(ge=0, lt=1)],
) -> keras.Model:
    """What follows the layer of the layout, with its weights, then pooling, dropout and softmax.

    Batch normalization is a part of the convolutions, so that it stays as ImageNet left it: better
    for few images than to learn it again. The layers before are frozen: they are not even here.

    Raises:
        InputError: the network has an operator that is not convolution, pooling, a sum or ReLU.
    """
    inputs = keras.Input(input_shape)
    values: dict[str, Any] = {tail.graph.input[0].name: inputs}
    weights = {one.name: numpy_helper.to_array(one) for one in tail.graph.initializer}
    for node in tail.graph.node:
        if node.op_type not in LAYERS:
            raise InputError(
                f"the network goes on with the operator {node.op_type}; models that are trained on "
                f"can have {', '.join(LAYERS)}: choose another `backbone`, or a later layer"
            )
        attributes = {one.name: onnx.helper.get_attribute_value(one) for one in node.attribute}
        parameters = [weights[name] for name in node.input if name in weights]
        taken = [values[name] for name in node.input if name in values]
        values[node.output[0]] = LAYERS[node.op_type](taken, parameters, attributes)
    activations = values[tail.graph.output[0].name]
    require_same(tail, keras.Model(inputs, activations), input_shape)
    features = layers.GlobalAveragePooling2D()(activations)
    features = layers.Dropout(dropout)(features)
    return keras.Model(inputs, layers.Dense(classes, activation="softmax")(features))


def require_same(tail: onnx.ModelProto, model: keras.Model, shape: tuple[int, ...]) -> None:
    """Raises InputError unless a model computes what a network does, which has channels first.

    A network from elsewhere may, for example, be padded in another way.
    """
    examples = np.random.default_rng(0).random((1, *shape), dtype=np.float32)
    session = open_session(tail.SerializeToString(), threads=1)
    own = model(examples).numpy().transpose(0, 3, 1, 2)
    (expected,) = session.run(None, {tail.graph.input[0].name: examples.transpose(0, 3, 1, 2)})
    if own.shape != expected.shape or not np.allclose(own, expected, rtol=APART, atol=APART):
        raise InputError(
            "the network cannot be trained on: its layers compute something else in Keras; choose "
            "another `backbone`, or a later layer"
        )


def convolve(inputs: list[Any], parameters: list[Any], attributes: dict[str, Any]) -> Any:
    """A convolution; ONNX has its kernel as (filters, channels per group, height, width)."""
    kernel, bias = parameters
    padding = "same" if attributes["auto_pad"] == b"SAME_UPPER" else "valid"
    settings = {"strides": attributes["strides"][0], "padding": padding}
    size = kernel.shape[2:]
    if attributes["group"] > 1:
        layer = layers.DepthwiseConv2D(size, **settings)
        order = (2, 3, 0, 1)
    else:
        layer = layers.Conv2D(len(kernel), size, **settings)
        order = (2, 3, 1, 0)
    outputs = layer(inputs[0])
    layer.set_weights([kernel.transpose(order), bias])
    return outputs


def pool(inputs: list[Any], _: list[Any], attributes: dict[str, Any]) -> Any:
    """Max pooling without padding."""
    size, stride = attributes["kernel_shape"][0], attributes["strides"][0]
    return layers.MaxPooling2D(size, stride)(inputs[0])


def clip(inputs: list[Any], parameters: list[Any], _: dict[str, Any]) -> Any:
    """ReLU with a maximum."""
    return layers.ReLU(float(np.max(parameters)))(inputs[0])


LAYERS: dict[str, Callable[[list[Any], list[Any], dict[str, Any]], Any]] = {
    "Conv": convolve,
    "Clip": clip,
    "MaxPool": pool,
    "Relu": lambda inputs, _, __: layers.ReLU()(inputs[0]),
    "Add": lambda inputs, _, __: layers.Add()(inputs),
    "Concat": lambda inputs, _, __: layers.Concatenate()(inputs),
}
