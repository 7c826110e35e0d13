"""The predictions of a fitted Keras model."""

from typing import Any

import keras
from numpy.typing import NDArray

from stages.model_file.classifier import Prediction


def predict(model: keras.Model, images: NDArray[Any]) -> Prediction:
    """Labels and probabilities for images, float32 (n, ...), in the model's input shape."""
    # `model.predict` first compiles the model, in half a second.
    probabilities = model(images, training=False).numpy()
    return probabilities.argmax(axis=1), probabilities
