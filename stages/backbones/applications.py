"""Any network of `keras.applications`, by its name there, as ONNX."""

import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import keras
import numpy as np
import onnx
from keras import layers
from onnx import TensorProto, helper

from stages.model_file.classifier import open_session
from stages.runtime.errors import InputError
from stages.runtime.inputs import reading

# Of a network's layers; VGG has no other than pools.
CHOSEN = (layers.Activation, layers.Add, layers.Concatenate, layers.MaxPooling2D, layers.ReLU)
SIZE = 96  # of the images on which the file is compared with Keras
APART = 1e-3  # share of the largest value by which they may differ: the order of sums


def list_names() -> list[str]:
    """The names of the networks in `keras.applications`."""
    return [name for name in dir(keras.applications) if name[0].isupper()]


def build(name: str, folder: Path) -> onnx.ModelProto:
    """The network `name`; a run can choose its activations, sums and pools.

    Its weights are `folder`/`name`.weights.h5, as `save_weights` writes it, or those that Keras
    downloads.

    Raises:
        InputError: there are no weights, or the file computes something else than Keras does.
    """
    path = folder / f"{name}.weights.h5"
    load = getattr(keras.applications, name)
    source, weights = (path, str(path)) if path.exists() else (name, "imagenet")
    with reading(source, "network with weights", f"save them without the top as {path}"):
        # Its last layers, with the classes of ImageNet, need images of one size.
        network = load(include_top=False, weights=weights)
    for layer in network.layers:
        if isinstance(layer, layers.Normalization):  # the exporter takes its tensors for inputs
            layer.mean, layer.variance = np.array(layer.mean), np.array(layer.variance)
    preprocess_input = sys.modules[load.__module__].preprocess_input
    chosen = [one for one in network.layers if isinstance(one, CHOSEN) and one.output.ndim == 4]
    tapped = keras.Model(network.inputs, [one.output for one in chosen])
    images = keras.Input((None, None, 3))
    # Batch normalization would use the averages of a batch, and say so nowhere.
    outputs = tapped(make_preprocess(preprocess_input)(images), training=False)
    model = keras.Model(images, outputs)
    examples = np.random.default_rng(0).random((2, SIZE, SIZE, 3), dtype=np.float32)
    model.predict(examples, verbose=0)  # else the exporter refuses it: never called
    # Not by the model that is exported; an array, not a list of one, if there is one layer.
    expected = keras.tree.flatten(tapped.predict(preprocess_input(255 * examples), verbose=0))
    with TemporaryDirectory() as temporary:
        file = Path(temporary) / "model.onnx"
        model.export(file, format="onnx", verbose=False)
        exported = onnx.load(file)
    name_layers(exported, [one.name for one in chosen])
    require_same(name, exported, examples, expected)
    return exported


def make_preprocess(preprocess_input: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """A layer that scales pixels from 0 to 1, and orders channels, as the network's own function.

    That multiplies and shifts; the exporter would take its constants for inputs.
    """
    pixels = np.concatenate([np.zeros((1, 3)), 255 * np.eye(3)]).reshape(4, 1, 1, 3)
    shift, *scaled = np.array(preprocess_input(pixels.astype(np.float32))).reshape(4, 3)
    layer = layers.Conv2D(3, 1)
    layer.build((None, None, None, 3))
    layer.set_weights([(np.array(scaled) - shift).reshape(1, 1, 3, 3), shift])
    return layer


def name_layers(model: onnx.ModelProto, names: list[str]) -> None:
    """Changes the outputs to these names, and their values to channels first."""
    graph = model.graph
    for value, name in zip(graph.output, names, strict=True):
        node = helper.make_node("Transpose", [value.name], [name], perm=[0, 3, 1, 2])
        graph.node.append(node)
        channels = value.type.tensor_type.shape.dim[3].dim_value
        shape = ["n", channels, None, None]
        value.CopyFrom(helper.make_tensor_value_info(name, TensorProto.FLOAT, shape))
    before, graph.input[0].name = graph.input[0].name, "images"
    for node in graph.node:
        node.input[:] = ["images" if value == before else value for value in node.input]


def require_same(name: str, model: onnx.ModelProto, examples: Any, expected: list[Any]) -> None:
    """Raises InputError unless the file computes for examples what Keras does."""
    session = open_session(model.SerializeToString(), threads=1)
    for layer, own, keras_own in zip(
        session.get_outputs(), session.run(None, {"images": examples}), expected, strict=True
    ):
        apart = np.abs(own.transpose(0, 2, 3, 1) - keras_own).max()
        if not apart <= APART * max(1, np.abs(keras_own).max()):
            raise InputError(
                f"{name}: layer {layer.name} of the exported network is {apart:.2g} from Keras's; "
                "the exporter does not convert it faithfully: choose another"
            )
