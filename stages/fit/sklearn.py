"""Fitting a scikit-learn classifier."""

import warnings
from collections.abc import Callable
from pathlib import Path
from textwrap import shorten
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.base import BaseEstimator, clone
from threadpoolctl import threadpool_limits

from stages.arrays import Split
from stages.classifier import NOT_ONNX, Prediction, classify, open_classifier
from stages.command import InputError
from stages.convert.sklearn import convert, has_probabilities
from stages.export import check_agreement, to_contract

TRIAL_IMAGES = 10  # of each class
EXPORT_FAILS = (RuntimeError, NotImplementedError, TypeError, ValueError, NameError, *NOT_ONNX)
UNFIT = (ValueError, TypeError, np.linalg.LinAlgError)  # what `fit` raises for what it cannot fit


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
    try_export(model, images, labels, classes)
    try:
        model.fit(images, labels)
    except UNFIT as error:
        raise InputError(f"{type(model).__name__} cannot be fitted: {error}") from None
    return convert(model, images.shape[1]), lambda images: predict(model, images)


def predict(model: BaseEstimator, images: NDArray[Any]) -> Prediction:
    """What the fitted classifier says of images, float32 (n, features)."""
    probabilities = model.predict_proba(images) if has_probabilities(model) else None
    return model.predict(images), probabilities


def try_export(
    model: BaseEstimator, images: NDArray[Any], labels: NDArray[np.int64], classes: int
) -> None:
    """Exports a copy of the model fitted on a few images and runs it, to fail before the long fit.

    Raises:
        InputError: the copy cannot be exported, or not faithfully.
    """
    few = np.concatenate([np.flatnonzero(labels == c)[:TRIAL_IMAGES] for c in np.unique(labels)])
    trial = clone(model)
    try:
        with warnings.catch_warnings(action="ignore"):  # of so few images
            trial.fit(images[few], labels[few])
    except UNFIT:
        return  # too few images for it, say for 500 neighbors: the real fit will tell
    name = type(model).__name__
    try:
        content = to_contract(convert(trial, images.shape[1]), {"classes": list(range(classes))})
        exported = classify(open_classifier(content, threads=1), images[few])
        check_agreement(predict(trial, images[few]), exported)
    except InputError as error:
        raise InputError(f"{name} cannot be exported: {error}") from None
    except (MissingConverter, MissingShapeCalculator):
        raise InputError(f"{name} cannot be exported: skl2onnx does not know it") from None
    except EXPORT_FAILS as error:
        reason = f"{type(error).__name__}: {shorten(str(error), 120)}"
        raise InputError(f"{name} cannot be exported: skl2onnx fails on it ({reason})") from None
