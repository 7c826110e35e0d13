"""Opens a trained model, an ONNX file, and classifies images with it."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as errors

from stages.runtime.errors import InputError

Prediction = tuple[NDArray[np.int64], NDArray[np.float32] | None]

METADATA = ("dataset", "classes", "normalization", "layout", "image_shape")
BATCH = 500  # images at a time: takes little memory, and more are not faster
NOT_ONNX = (
    errors.Fail,
    errors.InvalidArgument,
    errors.InvalidGraph,
    errors.InvalidProtobuf,
    errors.NotImplemented,
    errors.RuntimeException,
    UnicodeDecodeError,  # from a name in the file
)


def open_classifier(model: Path | bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session on an ONNX file, or on its bytes, that computes with `threads` threads.

    Raises:
        InputError: it is not an ONNX file, or its inputs or outputs are not those of this project.
    """
    name = "the exported model" if isinstance(model, bytes) else str(model)
    content = model if isinstance(model, bytes) else model.read_bytes()
    try:
        session = open_session(content, threads)
    except NOT_ONNX as error:
        raise InputError(
            f"{name}: not an ONNX model ({error}); run `dvc repro` to recreate it"
        ) from None
    inputs = [value.name for value in session.get_inputs()]
    outputs = [value.name for value in session.get_outputs()]
    if inputs != ["images"] or outputs not in (["label"], ["label", "probability"]):
        raise InputError(
            f"{name}: inputs {inputs} and outputs {outputs}; expected ['images'] and ['label'] or "
            "['label', 'probability'], as `python -m stages.train` writes them"
        )
    return session


def open_session(content: bytes, threads: int) -> onnxruntime.InferenceSession:
    """A session on the bytes of any ONNX file, on the CPU, with the same bits every time."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.use_deterministic_compute = True
    options.log_severity_level = 3
    return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])


def read_metadata(session: onnxruntime.InferenceSession) -> dict[str, Any]:
    """The file's metadata: dataset, classes, normalization, layout, image_shape.

    Raises:
        InputError: one of them is missing.
    """
    metadata = session.get_modelmeta().custom_metadata_map
    missing = [key for key in METADATA if key not in metadata]
    if missing:
        raise InputError(f"the model's metadata lack {', '.join(missing)}; retrain it here")
    return {key: json.loads(metadata[key]) for key in METADATA}


def classify(session: onnxruntime.InferenceSession, images: NDArray[Any]) -> Prediction:
    """Labels, int64 (n,), and probabilities, float32 (n, classes), or None if it has none.

    `images` are float32, in the layout and normalization that the model was trained on.
    """
    batches = [
        session.run(None, {"images": np.ascontiguousarray(images[start : start + BATCH])})
        for start in range(0, len(images), BATCH)
    ]
    labels, *probabilities = [np.concatenate(outputs) for outputs in zip(*batches, strict=True)]
    return labels, probabilities[0] if probabilities else None
