"""Convolutional network: one block of convolution and max pooling per entry of `filters`."""

from typing import Literal

import keras
from keras import layers
from pydantic import PositiveInt


def build(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    filters: list[PositiveInt],
    kernel_sizes: list[PositiveInt],
    padding: Literal["valid", "same"],
    pool_size: PositiveInt,
    units: list[PositiveInt],
) -> keras.Model:
    """One block per pair of `filters` and `kernel_sizes`, dense layers of `units`, softmax."""
    if len(filters) != len(kernel_sizes):
        raise ValueError(f"{len(filters)} filters but {len(kernel_sizes)} kernel_sizes")
    model = keras.Sequential([keras.Input(input_shape)])
    for count, size in zip(filters, kernel_sizes, strict=True):
        model.add(layers.Conv2D(count, size, padding=padding, activation="relu"))
        model.add(layers.MaxPooling2D(pool_size))
    model.add(layers.Flatten())
    for width in units:
        model.add(layers.Dense(width, activation="relu"))
    model.add(layers.Dense(classes, activation="softmax"))
    return model
