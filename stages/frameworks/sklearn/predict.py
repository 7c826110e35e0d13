"""The predictions of a fitted scikit-learn classifier."""

from typing import Any

from numpy.typing import NDArray
from sklearn.base import BaseEstimator

from stages.model_file.classifier import Prediction


def predict(model: BaseEstimator, images: NDArray[Any]) -> Prediction:
    """Labels and, if it has them, probabilities for images, float32 (n, features)."""
    probabilities = model.predict_proba(images) if has_probabilities(model) else None
    return model.predict(images), probabilities


def has_probabilities(model: BaseEstimator) -> bool:
    """Whether the classifier has `predict_proba`, which may depend on its parameters."""
    return hasattr(model, "predict_proba")
