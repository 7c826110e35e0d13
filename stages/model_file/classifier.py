"""Opens a trained model, an ONNX file, and classifies images with it."""

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

from stages.model_file.limits import MEMORY, limit_run, require_safe
from stages.model_file.metadata import Metadata, parse_metadata
from stages.runtime.errors import InputError
from stages.runtime.inputs import MB, limit_memory, reading, require_file
from stages.runtime.unchanged import HASHED, is_recorded

Prediction = tuple[NDArray[np.int64], NDArray[np.float32] | None]

REMEDY = "run `make repro` to recreate it"
LARGEST = 2_000 * MB  # bytes of a file: what protobuf can hold
BATCH = 500  # images at a time: takes little memory, and more are not faster
BATCH_VALUES = 2_000_000  # of the pixels of a batch, at most: fewer images, if they are large
ROUNDING = 1e-4  # by which a probability may be outside of 0 to 1


@dataclass(frozen=True)
class Classifier:
    """An opened model: its name and the remedy in messages, and how many classes it knows."""

    name: str
    remedy: str
    session: onnxruntime.InferenceSession
    classes: int
    pixels: int  # of an image resized for a network within it; 0 if there is none

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one image as the model takes it."""
        return tuple(self.session.get_inputs()[0].shape[1:])


def open_classifier(model: Path | bytes, threads: int) -> Classifier:
    """Opens an ONNX file, or the bytes that will be one, to compute with `threads` threads.

    Raises:
        InputError: as in `read_model`; or it is not one of this project, or takes too long to open.
    """
    name, remedy = str(model), REMEDY
    if isinstance(model, bytes):
        name, remedy = "the exported model", "change its parameters: training may have diverged"
    content = read_model(model) if isinstance(model, Path) else model
    with reading(name, "ONNX model", remedy):
        session = open_session(content, threads)
        require_contract(session)
        metadata = metadata_of(session)
        classes = len(json.loads(metadata["classes"]))
        pixels = int(json.loads(metadata.get("backbone", '{"pixels": 0}'))["pixels"])
        classifier = Classifier(name, remedy, session, classes, pixels)
    if isinstance(model, Path):
        shape = read_metadata(classifier).image_shape
        if math.prod(shape) != math.prod(classifier.input_shape):
            raise InputError(
                f"{name}: its metadata gives images of {shape}, but its input is "
                f"{classifier.input_shape}; {REMEDY}"
            )
    return classifier


def read_model(model: Path) -> bytes:
    """The bytes of an ONNX file.

    A file that dvc.lock names must be what it names. Any other may come from anywhere.

    Raises:
        InputError: it is not an ONNX file that is safe to open, or not the one that dvc.lock names.
    """
    require_file(model, LARGEST, REMEDY)
    is_own = HASHED in os.environ or is_recorded(model)
    with reading(model, "ONNX model", REMEDY):
        content = model.read_bytes()
        if not is_own:
            require_safe(model, content)
    return content


def open_session(content: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session on the bytes of any ONNX file, on the CPU, with the same bits every time."""
    onnxruntime.disable_telemetry_events()
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # its errors are raised
    options.add_session_config_entry("session.load_model_format", "ONNX")  # and no other format
    with limit_memory(MEMORY):
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def require_contract(session: onnxruntime.InferenceSession) -> None:
    """Raises ValueError unless the inputs and outputs are those of this project."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    kinds = [(value.name, value.type, len(value.shape)) for value in outputs]
    label, probability = ("label", "tensor(int64)", 1), ("probability", "tensor(float)", 2)
    takes_images = [(value.name, value.type) for value in inputs] == [("images", "tensor(float)")]
    if not takes_images or kinds not in ([label], [label, probability]):
        names = " and ".join(f"{one.name} {one.type}{one.shape}" for one in [*inputs, *outputs])
        raise ValueError(f"{names:.70}; expected images, label int64[n], probability float[n, c]")
    count, *shape = inputs[0].shape
    if isinstance(count, int) or not all(isinstance(n, int) and n > 0 for n in shape):
        raise ValueError(f"it takes images of shape {inputs[0].shape}")


def metadata_of(session: onnxruntime.InferenceSession) -> dict[str, str]:
    """The file's metadata, as JSON."""
    texts: dict[str, str] = session.get_modelmeta().custom_metadata_map
    return texts


def read_metadata(classifier: Classifier) -> Metadata:
    """The metadata that training wrote into the file.

    Raises:
        InputError: one of them is missing or not valid.
    """
    with reading(classifier.name, "model of this pipeline", REMEDY):
        return parse_metadata(metadata_of(classifier.session))


def classify(classifier: Classifier, images: NDArray[Any]) -> Prediction:
    """Labels, int64 (n,), and probabilities, float32 (n, classes), or None if it has none.

    `images` are float32, in the layout and normalization that the model was trained on.

    Raises:
        InputError: the model fails, takes too much memory or time, or its outputs are not labels
            and probabilities.
    """
    values = max(math.prod(images.shape[1:]), 3 * classifier.pixels**2)
    size = min(BATCH, max(1, BATCH_VALUES // values))
    starts = range(0, len(images), size)
    batches = [compute(classifier, images[start : start + size]) for start in starts]
    labels, *probabilities = [np.concatenate(outputs) for outputs in zip(*batches, strict=True)]
    return labels, probabilities[0] if probabilities else None


def compute(classifier: Classifier, images: NDArray[Any]) -> list[NDArray[Any]]:
    """The outputs of a model for a batch, checked."""
    with limit_run(classifier.name, len(images), classifier.remedy) as options:
        feeds = {"images": np.ascontiguousarray(images)}
        outputs: list[NDArray[Any]] = classifier.session.run(None, feeds, options)
        require_outputs(outputs, len(images), classifier.classes)
        return outputs


def require_outputs(outputs: list[NDArray[Any]], images: int, classes: int) -> None:
    """Raises ValueError unless outputs are labels of `classes` and, if any, their probabilities."""
    labels, *probabilities = outputs
    if labels.shape != (images,) or not ((labels >= 0) & (labels < classes)).all():
        raise ValueError(
            f"its labels, shape {labels.shape}, are not one of {classes} classes for each of "
            f"{images} images"
        )
    for values in probabilities:
        if values.shape != (images, classes):
            raise ValueError(f"its probabilities have shape {values.shape}: {classes} classes")
        if not ((values >= -ROUNDING) & (values <= 1 + ROUNDING)).all():
            raise ValueError("its probabilities are not all from 0 to 1")
