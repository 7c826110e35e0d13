"""Fitting a Keras model."""

from collections.abc import Callable
from typing import Any

from stages.runtime.command import report_time

import keras
import numpy as np
import tensorflow as tf
from pydantic import PositiveFloat, PositiveInt

from stages.datasets.arrays import Split
from stages.frameworks.keras.epochs import run_epochs
from stages.runtime.errors import InputError


def limit_threads(threads: int, params: dict[str, Any]) -> None:
    """Limits TensorFlow to `threads` threads, before it starts any; `params` are unused."""
    tf.config.threading.set_intra_op_parallelism_threads(threads)
    tf.config.threading.set_inter_op_parallelism_threads(threads)


def fit(
    build: Callable[..., keras.Model],
    train: Split,
    validation: Split,
    classes: int,
    seed: int,
    *,
    epochs: PositiveInt,
    batch_size: PositiveInt,
    learning_rate: PositiveFloat,
    class_weight: dict[str | int, float] | None = None,
    **architecture: Any,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Builds a model with `architecture` and fits it with Adam on cross-entropy.

    The learning curve is that of `run_epochs`.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    images = train[0]
    try:
        model = build(images.shape[1:], classes, **architecture)
    except ValueError as error:
        raise InputError(f"the model cannot be built: {error}") from None
    if model.output_shape != (None, classes):
        raise InputError(
            f"the model's output for images of {images.shape[1:]} is {model.output_shape[1:]}, "
            f"expected ({classes},); choose the layout that it takes"
        )
    if not np.allclose(np.sum(model(images[:1]), axis=1), 1, atol=1e-3):
        raise InputError("the model's outputs do not sum to 1; end it with a softmax")
    optimizer = keras.optimizers.Adam(float(learning_rate))  # it refuses an int
    with report_time("fitted"):
        curve = run_epochs(
            model, optimizer, train, validation, epochs, batch_size, seed, class_weight
        )
    return model, curve
