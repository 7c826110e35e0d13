"""Computes what a network that learned ImageNet makes of images, once for all runs that use it.

The output is a layout: the images, and beside them their features, on which `train` fits a model,
and the network from an image to its features, on which it puts the model.
"""

from pathlib import Path
from typing import Any

from stages.runtime.command import run

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import parser
from onnx.utils import Extractor
from tqdm import tqdm

from stages.datasets.arrays import FEATURES, SPLITS, read_split, write_split
from stages.frameworks.join import FORMAT, NETWORK, OPSET, TAIL, join
from stages.model_file.classifier import BATCH_VALUES, LARGEST, open_session
from stages.model_file.limits import limit_run, require_safe
from stages.runtime.errors import InputError
from stages.runtime.files import REMEDY, atomic_write, read_json, write_json
from stages.runtime.inputs import reading, require_file
from stages.runtime.parameters import read_parameter

HEADER = f'<ir_version: {FORMAT}, opset_import: ["" : {OPSET}]>'


def main(name: str, arrays: Path, network: Path, out: Path) -> None:
    """Writes the splits of `arrays`, in the layout `image`, and the features of `features`.`name`.

    Not those of the test images, of which nothing learns. `network` is an ONNX file whose layers
    are outputs, (n, channels, height, width).
    """
    settings = read_parameter(f"features.{name}")
    layers, pixels, pooled = settings["layers"], settings["pixels"], settings.get("pooled", True)
    metadata = read_json(arrays / "about.json", normalization=dict, image_shape=list)
    require_file(network, LARGEST, REMEDY)
    with reading(network, "ONNX network", REMEDY):
        content = network.read_bytes()
        require_safe(network, content)
        backbone = onnx.ModelProto.FromString(content)
        known = [one.name for one in backbone.graph.output if one.name != "probability"]
    for layer in layers:
        if layer not in known:
            raise InputError(
                f"features.{name}.layers: {settings['backbone']} has no layer {layer!r}; choose "
                f"from {', '.join(known)}"
            )
    with reading(network, "ONNX network", REMEDY):
        extractor = join(
            resize(metadata, pixels), Extractor(backbone).extract_model(["images"], layers)
        )
        extractor = join(extractor, pool(layers) if pooled else last_axis(layers[0]))
        session = open_session(extractor.SerializeToString(), read_parameter("threads"))
    with atomic_write(out) as partial:
        for split in SPLITS:
            images, labels = read_split(arrays / split)
            write_split(partial / split, images, labels)
            if split != "test":
                values = compute(session, images, network, pixels)
                np.save(partial / split / FEATURES, values, allow_pickle=False)
        onnx.save(extractor, partial / "train" / NETWORK)
        if not pooled:
            tail = Extractor(backbone).extract_model(layers, [known[-1]])
            onnx.save(tail, partial / "train" / TAIL)
        metadata["backbone"] = {key: settings[key] for key in ("backbone", "pixels", "layers")}
        write_json(partial / "about.json", metadata)
    print(f"{name}: each image has {' x '.join(map(str, values.shape[1:]))} features")


def resize(metadata: dict[str, Any], pixels: int) -> onnx.ModelProto:
    """From `images` as a model takes them to RGB from 0 to 1, (n, pixels, pixels, 3).

    Undoes the normalization; gray images become three equal channels. Bilinear, in which ONNX
    Runtime and TensorFlow agree to 3e-6.
    """
    height, width, channels = metadata["image_shape"]
    normalization = metadata["normalization"]
    mean, deviation = ([*map(float, normalization[key])] for key in ("mean", "deviation"))
    return parser.parse_model(f"""{HEADER}
        resize (float[n, {height}, {width}, {channels}] images)
            => (float[n, {pixels}, {pixels}, 3] resized) {{
            mean = Constant <value_floats = {mean}> ()
            deviation = Constant <value_floats = {deviation}> ()
            scaled = Mul (images, deviation)
            pixels = Add (scaled, mean)
            colors = Constant <value_ints = [1, 1, 1, {3 // channels}]> ()
            colored = Tile (pixels, colors)
            size = Constant <value_ints = [{pixels}, {pixels}]> ()
            resized = Resize <mode = "linear", axes = [1, 2]> (colored, , , size)
        }}""")


def pool(layers: list[str]) -> onnx.ModelProto:
    """From values of layers to their averages over height and width, joined: `features`, (n, d)."""
    values = [f"values{number}" for number in range(len(layers))]
    inputs = ", ".join(f"float[n, c{one}, h{one}, w{one}] {one}" for one in values)
    averages = "\n".join(
        f"mean_{one} = GlobalAveragePool ({one})\nflat_{one} = Flatten (mean_{one})"
        for one in values
    )
    flat = ", ".join(f"flat_{one}" for one in values)
    return parser.parse_model(f"""{HEADER}
        pool ({inputs}) => (float[n, d] features) {{
            {averages}
            features = Concat <axis = 1> ({flat})
        }}""")


def last_axis(layer: str) -> onnx.ModelProto:
    """From values of a layer to the same with channels as last axis, as in images."""
    return parser.parse_model(f"""{HEADER}
        last_axis (float[n, c, h, w] {layer}) => (float[n, h, w, c] features) {{
            features = Transpose <perm = [0, 2, 3, 1]> ({layer})
        }}""")


def compute(
    session: onnxruntime.InferenceSession, images: NDArray[Any], network: Path, pixels: int
) -> NDArray[np.float32]:
    """The features of images, float32 (n, ...), with a progress bar if there is a terminal."""
    size = max(1, BATCH_VALUES // (3 * pixels**2))
    parts: list[NDArray[np.float32]] = []
    with tqdm(desc=network.stem, total=len(images), unit=" images", disable=None) as progress:
        for start in range(0, max(1, len(images)), size):
            batch = np.ascontiguousarray(images[start : start + size])
            with limit_run(str(network), len(batch), REMEDY) as options:
                parts += session.run(None, {"images": batch}, options)
            progress.update(len(batch))
    return np.concatenate(parts)


if __name__ == "__main__":
    run(main, "arrays", "onnx")
