"""What a fitted Keras model says of images."""

from typing import Any

import keras
from numpy.typing import NDArray

from stages.model_file.classifier import Prediction


def predict(model: keras.Model, images: NDArray[Any]) -> Prediction:
    """Labels and probabilities of images, float32 (n, ...), in the shape that it was built for."""
    probabilities = model.predict(images, verbose=0)
    return probabilities.argmax(axis=1), probabilities
