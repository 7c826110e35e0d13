"""How to load a model without this project: a program that is in its card, and a test runs."""

from stages.model_card import Facts
from stages.model_card.markdown import fence

PROGRAM = """\
import json

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession("{name}.onnx")
texts = session.get_modelmeta().custom_metadata_map
classes, normalization = (json.loads(texts[key]) for key in ("classes", "normalization"))
mean, deviation = (np.float32(normalization[key]) for key in ("mean", "deviation"))

picture = Image.open("picture.png").convert("{mode}").resize(({width}, {height}))
pixels = np.asarray(picture, dtype=np.float32).reshape({height}, {width}, {channels}) / 255
images = ((pixels - mean) / deviation).reshape({shape})
{outputs} = session.run(None, {{"images": images}})
print(classes[label[0]])"""
FITS = {
    None: "All training images had {size} pixels already",
    "crop": "Training images of other shapes than {size} were cropped to their center first",
    "pad": "Training images of other shapes than {size} were padded first, in the color of their "
    "border",
}


def show_loading(facts: Facts) -> str:
    """The section on loading the model and classifying one picture."""
    height, width, channels = facts.metadata.image_shape
    shape = ", ".join(map(str, (1, *facts.input_shape)))
    program = PROGRAM.format(
        name=facts.name,
        mode="L" if channels == 1 else "RGB",
        width=width,
        height=height,
        channels=channels,
        shape=shape,
        outputs=", ".join(facts.outputs) if len(facts.outputs) > 1 else "(label,)",
    )
    return "\n\n".join(
        [
            "## How to load it",
            "Needs onnxruntime, numpy and pillow:",
            fence(program, "python"),
            f"The input `images` is float32, ({shape.replace('1', 'n', 1)}): pixels from 0 to 1, "
            "minus the mean of their channel, divided by its deviation; both are in the file's "
            f"metadata. {describe_network(facts)}"
            f"{FITS[facts.metadata.fit].format(size=f'{width} x {height}')}; `make predict` in the "
            "repository prepares pictures of any size as these were. "
            f"{describe_outputs(facts)}",
        ]
    )


def describe_network(facts: Facts) -> str:
    """What a network within the model does with the images; empty if there is none."""
    backbone = facts.metadata.backbone
    if backbone is None:
        return ""
    return (
        f"The network {backbone.backbone} is part of the file, which resizes the images to "
        f"{backbone.pixels} x {backbone.pixels} pixels for it: do not do so before. "
    )


def describe_outputs(facts: Facts) -> str:
    """What the model returns."""
    count = len(facts.metadata.classes)
    if "probability" not in facts.outputs:
        return f"It returns `label`, int64 (n,), from 0 to {count - 1}, and no probabilities."
    return (
        f"It returns `label`, int64 (n,), from 0 to {count - 1}, and `probability`, float32 "
        f"(n, {count})."
    )
