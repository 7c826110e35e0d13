"""Opens a trained model, an ONNX file, and classifies images with it."""

import json
import math
import os
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, model_validator

from stages.runtime.errors import InputError
from stages.runtime.inputs import MB, limit_memory, reading, require_file
from stages.runtime.starter import STAGE
from stages.runtime.text import NAME, require_shown
from stages.runtime.unchanged import HASHED, require_recorded

Prediction = tuple[NDArray[np.int64], NDArray[np.float32] | None]

REMEDY = "run `make repro` to recreate it"
BATCH = 500  # images at a time: takes little memory, and more are not faster
LARGEST = 2_000 * MB  # bytes of a file: what protobuf can hold
NODES = 50_000  # in a graph; 100 bagged trees have 2,000
MEMORY = 4_000 * MB  # that a model may take beside its file
SECONDS = 300  # for a batch of images; a full-size nearest-neighbors model takes 20
ROUNDING = 1e-4  # by which a probability may be outside of 0 to 1

Name = Annotated[str, Field(pattern=f"^{NAME}$")]
ClassName = Annotated[str, AfterValidator(require_shown)]
Side = Annotated[int, Field(ge=1, le=10_000)]
Channels = Annotated[list[float], Field(min_length=1, max_length=3)]


class Metadata(BaseModel):
    """What a model file says of the images and classes it was trained on.

    `normalization` is the `mean` that was subtracted from each channel's pixels, 0 to 1, and the
    `deviation` by which they were divided; `image_shape` is (height, width, channels).
    """

    model_config = ConfigDict(strict=True, allow_inf_nan=False)

    dataset: Name
    classes: Annotated[list[ClassName], Field(min_length=2, max_length=256)]
    normalization: dict[str, Channels]
    layout: Name
    image_shape: Annotated[tuple[Side, Side, Literal[1, 3]], Field(strict=False)]

    @model_validator(mode="after")
    def require_normalization(self) -> "Metadata":
        """Refuses a normalization that is not one number per channel, or divides by zero."""
        found, channels = self.normalization, self.image_shape[2]
        if found.keys() != {"mean", "deviation"} or {*map(len, found.values())} != {channels}:
            raise ValueError(f"normalization: expected mean and deviation of {channels} channels")
        if not all(value > 0 for value in found["deviation"]):
            raise ValueError("normalization: a deviation is not above 0")
        return self


@dataclass(frozen=True)
class Classifier:
    """An opened model: its name in messages, and how many classes it knows."""

    name: str
    session: onnxruntime.InferenceSession
    classes: int

    @property
    def input_shape(self) -> tuple[int, ...]:
        """The shape of one image as the model takes it."""
        return tuple(self.session.get_inputs()[0].shape[1:])


def open_classifier(model: Path | bytes, threads: int) -> Classifier:
    """Opens an ONNX file, or the bytes that will be one, to compute with `threads` threads.

    Raises:
        InputError: it is not an ONNX file, not one of this project, or would run without end.
    """
    name = "the exported model" if isinstance(model, bytes) else str(model)
    if isinstance(model, Path):
        require_file(model, LARGEST, REMEDY)
        if STAGE in os.environ and HASHED not in os.environ:
            require_recorded(model)
    with reading(name, "ONNX model", REMEDY):
        content = model.read_bytes() if isinstance(model, Path) else model
        if isinstance(model, Path):
            require_bounded(onnx.ModelProto.FromString(content))
        session = open_session(content, threads)
        require_contract(session)
        classifier = Classifier(name, session, len(json.loads(metadata_of(session)["classes"])))
    if isinstance(model, Path):
        shape = read_metadata(classifier).image_shape
        if classifier.input_shape not in (shape, (math.prod(shape),)):
            raise InputError(
                f"{name}: its metadata gives images of {shape}, but its input is "
                f"{classifier.input_shape}; {REMEDY}"
            )
    return classifier


def open_session(content: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session on the bytes of any ONNX file, on the CPU, with the same bits every time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 4  # its errors are raised
    with limit_memory(MEMORY):
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def require_bounded(model: onnx.ModelProto) -> None:
    """Refuses what no exported model has, and what could keep ONNX Runtime busy without end.

    Raises:
        ValueError: it has a loop, functions, weights in other files, or too many nodes.
    """
    if model.functions:  # each call is replaced by all of its nodes
        raise ValueError("it has functions")
    nodes, graphs = 0, [model.graph]
    while graphs:
        graph = graphs.pop()
        if any(value.data_location == value.EXTERNAL for value in graph.initializer):
            raise ValueError("it has weights in another file")
        nodes += len(graph.node)
        if nodes > NODES:
            raise ValueError(f"more than {NODES:,} nodes")
        for node in graph.node:
            if node.op_type == "Loop":
                raise ValueError("it has a Loop, which may never end")
            for attribute in node.attribute:
                inner = [attribute.g] if attribute.HasField("g") else []
                graphs += [*inner, *attribute.graphs]


def require_contract(session: onnxruntime.InferenceSession) -> None:
    """Raises ValueError unless the inputs and outputs are those of this project."""
    inputs, outputs = session.get_inputs(), session.get_outputs()
    found = [(value.name, value.type, len(value.shape)) for value in outputs]
    label, probability = ("label", "tensor(int64)", 1), ("probability", "tensor(float)", 2)
    image = [(value.name, value.type) for value in inputs] == [("images", "tensor(float)")]
    if not image or found not in ([label], [label, probability]):
        names = " and ".join(f"{one.name} {one.type}{one.shape}" for one in [*inputs, *outputs])
        raise ValueError(f"{names:.70}; expected images, label int64[n], probability float[n, c]")
    count, *shape = inputs[0].shape
    if isinstance(count, int) or not all(isinstance(n, int) and n > 0 for n in shape):
        raise ValueError(f"it takes images of shape {inputs[0].shape}")


def metadata_of(session: onnxruntime.InferenceSession) -> dict[str, str]:
    """The file's own metadata, as JSON."""
    found: dict[str, str] = session.get_modelmeta().custom_metadata_map
    return found


def read_metadata(classifier: Classifier) -> Metadata:
    """The metadata that training wrote into the file.

    Raises:
        InputError: one of them is missing or not valid.
    """
    with reading(classifier.name, "model of this pipeline", REMEDY):
        found = metadata_of(classifier.session)
        known = {key: json.loads(found[key]) for key in Metadata.model_fields if key in found}
        try:
            return Metadata.model_validate(known)
        except ValidationError as error:
            first = error.errors()[0]
            key = ".".join(map(str, first["loc"])) or "its metadata"
            raise ValueError(f"{key}: {first['msg']}") from None


def classify(classifier: Classifier, images: NDArray[Any]) -> Prediction:
    """Labels, int64 (n,), and probabilities, float32 (n, classes), or None if it has none.

    `images` are float32, in the layout and normalization that the model was trained on.

    Raises:
        InputError: the model fails, takes more than `SECONDS` for a batch, or answers with what are
            no labels or probabilities.
    """
    starts = range(0, len(images), BATCH)
    batches = [compute(classifier, images[start : start + BATCH]) for start in starts]
    labels, *probabilities = [np.concatenate(outputs) for outputs in zip(*batches, strict=True)]
    return labels, probabilities[0] if probabilities else None


def compute(classifier: Classifier, images: NDArray[Any]) -> list[NDArray[Any]]:
    """The outputs of a model for a batch, checked."""
    options = onnxruntime.RunOptions()
    timer = threading.Timer(SECONDS, setattr, (options, "terminate", True))
    timer.daemon = True
    timer.start()
    try:
        with reading(classifier.name, "model", REMEDY), limit_memory(MEMORY):
            feeds = {"images": np.ascontiguousarray(images)}
            outputs: list[NDArray[Any]] = classifier.session.run(None, feeds, options)
            require_answers(outputs, len(images), classifier.classes)
            return outputs
    except InputError:
        if options.terminate:
            raise InputError(
                f"{classifier.name}: takes more than {SECONDS} s for {len(images)} images; {REMEDY}"
            ) from None
        raise
    finally:
        timer.cancel()


def require_answers(outputs: list[NDArray[Any]], images: int, classes: int) -> None:
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
