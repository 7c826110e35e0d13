"""Dense network with dropout, on flat pixels."""

from typing import Annotated

import keras
from keras import layers
from pydantic import Field, PositiveInt


def build(
    input_shape: tuple[int, ...],
    classes: int,
    *,
    units: list[PositiveInt],
    dropout: Annotated[float, Field(ge=0, lt=1)],
    units_after_dropout: list[PositiveInt],
) -> keras.Model:
    """Dense layers of `units`, dropout, dense layers of `units_after_dropout`, softmax."""
    return keras.Sequential(
        [
            keras.Input(input_shape),
            *(layers.Dense(width, activation="relu") for width in units),
            layers.Dropout(dropout),
            *(layers.Dense(width, activation="relu") for width in units_after_dropout),
            layers.Dense(classes, activation="softmax"),
        ]
    )
