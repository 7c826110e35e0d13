"""Fitting a Keras model."""

from collections.abc import Callable
from typing import Annotated, Any, Literal

from stages.runtime.command import report_time

import keras
import numpy as np
import tensorflow as tf
from keras.optimizers.schedules import CosineDecay, LearningRateSchedule
from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from stages.datasets.arrays import Split
from stages.frameworks.keras.epochs import run_epochs
from stages.runtime.errors import InputError

NOT_DECAYED = ["bias", "gamma", "beta"]


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
    learning_rate_schedule: Literal["constant", "cosine", "one_cycle"] = "constant",
    weight_decay: NonNegativeFloat = 0,
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0,
    augment: dict[Literal["flip", "crop", "cutout"], NonNegativeInt] | None = None,
    mirrored_predictions: bool = False,
    class_weight: dict[str | int, float] | None = None,
    **architecture: Any,
) -> tuple[keras.Model, list[dict[str, float]]]:
    """Builds a model with `architecture` and fits it with Adam on cross-entropy.

    `learning_rate` is the highest of the schedule; `weight_decay` times it is the share by which
    weights shrink in a step, but not biases and those of BatchNormalization. With
    `mirrored_predictions` the model averages what it says of an image and of its mirror image. The
    learning curve is that of `run_epochs`, for the image alone.
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
    steps = epochs * -(-len(images) // batch_size)
    rate = schedule(learning_rate_schedule, float(learning_rate), steps)
    optimizer = keras.optimizers.Adam(rate, weight_decay=weight_decay or None)
    if weight_decay:
        optimizer.exclude_from_weight_decay(var_names=NOT_DECAYED)
    with report_time("fitted"):
        curve = run_epochs(
            model,
            optimizer,
            train,
            validation,
            epochs,
            batch_size,
            seed,
            class_weight,
            label_smoothing,
            augment,
        )
    return average_mirrored(model) if mirrored_predictions else model, curve


def schedule(name: str, highest: float, steps: int) -> float | LearningRateSchedule:
    """The learning rate at each of so many steps.

    `cosine` falls to 0 along half of a cosine. `one_cycle` before that rises, in the first fifth,
    from a tenth (Smith and Topin 2017, Super-Convergence, arXiv 1708.07120).
    """
    if name == "constant":
        return highest
    rising = round(0.2 * steps) if name == "one_cycle" else 0
    return CosineDecay(
        highest / 10 if rising else highest,
        steps - rising,
        warmup_target=highest if rising else None,
        warmup_steps=rising,
    )


def average_mirrored(model: keras.Model) -> keras.Model:
    """A model that averages the probabilities of an image and of its mirror image.

    Raises:
        InputError: the model takes flat images.
    """
    if len(model.input_shape) != 4:
        raise InputError(
            "mirrored_predictions: flat images have no mirror image; set layout: image"
        )
    images = keras.Input(model.input_shape[1:])
    both = [model(one, training=False) for one in (images, images[:, :, ::-1])]
    averaged = keras.Model(images, keras.layers.average(both))
    averaged(np.zeros((1, *model.input_shape[1:]), np.float32))  # the exporter needs one call
    return averaged
