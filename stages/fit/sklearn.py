"""Fitting a scikit-learn classifier."""

import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.base import BaseEstimator, clone
from threadpoolctl import threadpool_limits

from stages.arrays import Split
from stages.classifier import Prediction
from stages.command import InputError

TRIAL_IMAGES = 10  # of each class


def limit_threads(threads: int) -> None:
    """Lets BLAS and OpenMP compute with `threads` threads."""
    threadpool_limits(threads)


def fit(
    build: Callable[..., BaseEstimator],
    train: Split,
    validation: Split,
    classes: int,
    seed: int,
    learning_curve: Path,
    **params: Any,
) -> tuple[onnx.ModelProto, Callable[[NDArray[Any]], Prediction]]:
    """Builds the classifier and fits it; there are no epochs and so no learning curve.

    Returns the model as ONNX, with labels and, if it has them, probabilities as outputs, and a
    function that predicts with the fitted classifier.

    Raises:
        InputError: before it fits, if the classifier cannot be exported.
    """
    model = build(seed, **params)
    images = np.asarray(train[0])
    labels = train[1].astype(np.int64)  # with uint8 the exporter makes invalid graphs
    try_export(model, images, labels)
    model.fit(images, labels)

    def predict(images: NDArray[Any]) -> Prediction:
        probabilities = model.predict_proba(images) if has_probabilities(model) else None
        return model.predict(images), probabilities

    return export(model, images.shape[1]), predict


def try_export(model: BaseEstimator, images: NDArray[Any], labels: NDArray[np.int64]) -> None:
    """Exports a copy of the model fitted on a few images, to fail before the long fit."""
    few = np.concatenate([np.flatnonzero(labels == c)[:TRIAL_IMAGES] for c in np.unique(labels)])
    trial = clone(model)
    try:
        with warnings.catch_warnings(action="ignore"):  # of so few images
            trial.fit(images[few], labels[few])
    except ValueError:
        return  # too few images for it, say for 500 neighbors: the real fit will tell
    name = type(model).__name__
    try:
        export(trial, images.shape[1])
    except (MissingConverter, MissingShapeCalculator):
        raise InputError(f"{name} cannot be exported: skl2onnx does not know it") from None
    except (RuntimeError, NotImplementedError, TypeError, ValueError, NameError) as error:
        reason = f"{type(error).__name__}: {str(error)[:100]}"
        raise InputError(f"{name} cannot be exported: skl2onnx fails on it ({reason})") from None


def export(model: BaseEstimator, features: int) -> onnx.ModelProto:
    """The fitted classifier as ONNX, outputs labels and, if it has them, probabilities."""
    # By default the probabilities come out as a list of dictionaries.
    options = {id(model): {"zipmap": False}} if has_probabilities(model) else None
    inputs = [("images", FloatTensorType([None, features]))]
    with warnings.catch_warnings():
        # The exporter asks every SVC for its probabilities, deprecated in scikit-learn 1.9.
        warnings.filterwarnings("ignore", "Attribute `prob._`", FutureWarning)
        exported = convert_sklearn(model, initial_types=inputs, options=options)
    if not has_probabilities(model):
        del exported.graph.output[1:]  # decision values
    return exported


def has_probabilities(model: BaseEstimator) -> bool:
    """Whether the classifier has `predict_proba`, which may depend on its parameters."""
    return hasattr(model, "predict_proba")
