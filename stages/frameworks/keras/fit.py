"""Fitting a Keras model."""

import sys
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray
from pydantic import PositiveFloat, PositiveInt

from stages.datasets.arrays import Split
from stages.runtime.command import report_time
from stages.runtime.errors import InputError

STEPS_PER_EXECUTION = 50  # up to a third faster than 1, with bit-identical weights


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
    **architecture: Any,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Builds a model with `architecture` and fits it with Adam on cross-entropy.

    Each row of the learning curve has epoch, accuracy, loss and, if there are validation images,
    val_accuracy and val_loss.
    """
    keras.utils.set_random_seed(seed)
    tf.config.experimental.enable_op_determinism()
    images, labels = train
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
    model.compile(
        optimizer=keras.optimizers.Adam(learning_rate),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy"],
        steps_per_execution=STEPS_PER_EXECUTION,
    )
    with report_time("fitted"):
        history = model.fit(
            shuffled_batches(images, labels, batch_size, seed),
            shuffle=False,  # the batches already are
            epochs=epochs,
            validation_data=_int64(validation) if len(validation[1]) else None,
            verbose=1 if sys.stdout.isatty() else 2,  # a progress bar, or one line per epoch
        ).history
    columns = sorted(history)
    values = zip(*(history[name] for name in columns), strict=True)
    curve = [
        {"epoch": epoch, **dict(zip(columns, row, strict=True))} for epoch, row in enumerate(values)
    ]
    return model, curve


def shuffled_batches(
    images: NDArray[Any], labels: NDArray[np.uint8], batch_size: int, seed: int
) -> tf.data.Dataset:
    """All images in batches, in another order in each epoch.

    With op determinism, Keras itself shuffles arrays into the same order in every epoch.
    """
    pixels, classes = tf.constant(np.asarray(images)), tf.constant(labels.astype(np.int64))
    indices = tf.data.Dataset.range(len(labels)).shuffle(len(labels), seed=seed).batch(batch_size)
    batches = indices.map(lambda index: (tf.gather(pixels, index), tf.gather(classes, index)))
    options = tf.data.Options()
    options.threading.private_threadpool_size = 1  # 5% faster than sharing training's thread pool
    return batches.with_options(options)


def _int64(split: Split) -> tuple[NDArray[Any], NDArray[np.int64]]:
    images, labels = split
    return np.asarray(images), labels.astype(np.int64)
