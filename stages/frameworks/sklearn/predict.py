"""What a fitted scikit-learn classifier says of images."""

from typing import Any

from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from stages.model_file.classifier import Prediction


def predict(model: BaseEstimator, images: NDArray[Any]) -> Prediction:
    """Labels and, where it has them, probabilities of images, float32 (n, features)."""
    probabilities = model.predict_proba(images) if has_probabilities(model) else None
    return model.predict(images), probabilities


def has_probabilities(model: BaseEstimator) -> bool:
    """Whether the classifier has `predict_proba`, which may depend on its parameters."""
    return hasattr(model, "predict_proba")
