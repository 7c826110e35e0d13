"""Fitting a scikit-learn classifier."""

import warnings
from collections.abc import Callable
from importlib.util import find_spec
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
from stages.models.estimator import ACCELERATED, is_accelerated, own_path

TRIAL_IMAGES = 10  # of each class
CARRIED_APART = 0.05  # share of the trial images that may get another label, by rounding
EXPORT_FAILS = (RuntimeError, NotImplementedError, TypeError, ValueError, NameError, *NOT_ONNX)
UNFIT = (ValueError, TypeError, np.linalg.LinAlgError)  # what `fit` raises for what it cannot fit


def limit_threads(threads: int) -> None:
    """Lets BLAS, OpenMP and oneDAL compute with `threads` threads."""
    threadpool_limits(threads)
    if find_spec(ACCELERATED):
        from daal4py import daalinit

        daalinit(threads)


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
    own = build(seed, **params | {"estimator": own_path(params["estimator"])})
    if is_accelerated(params["estimator"]) and type(model) is type(own):
        name = own_path(params["estimator"])
        print(f"scikit-learn-intelex is not made for this platform: trains {name}")
    images = np.asarray(train[0])
    labels = train[1].astype(np.int64)  # with uint8 the exporter makes invalid graphs
    few = np.concatenate([np.flatnonzero(labels == c)[:TRIAL_IMAGES] for c in np.unique(labels)])
    try_export(model, own, images[few], labels[few], classes)
    try:
        model.fit(images, labels)
    except UNFIT as error:
        raise InputError(f"{type(model).__name__} cannot be fitted: {error}") from None
    if type(model) is not type(own):
        model = carry_over(model, own, images[few], labels[few])
    return convert(model, images.shape[1]), lambda images: predict(model, images)


def predict(model: BaseEstimator, images: NDArray[Any]) -> Prediction:
    """What the fitted classifier says of images, float32 (n, features)."""
    probabilities = model.predict_proba(images) if has_probabilities(model) else None
    return model.predict(images), probabilities


def carry_over(
    model: BaseEstimator, own: BaseEstimator, images: NDArray[Any], labels: NDArray[np.int64]
) -> BaseEstimator:
    """What scikit-learn-intelex fitted, `model`, as a classifier of scikit-learn's `own` class.

    The exporter knows only those; and they predict without oneDAL, which rounds so much in float32
    that an SVC gets 0.3% other labels, though its support vectors are the same. It is fitted on a
    few `images`, and then has all that `model` has put in the place of what that gave it.

    Raises:
        InputError: it does not say of the `images` what `model` says.
    """
    with warnings.catch_warnings(action="ignore"):  # of so few images
        own = clone(own).fit(images, labels)
    for name in vars(own).keys() - own.get_params(deep=False).keys():
        if hasattr(model, name):
            fitted, placeholder = getattr(model, name), getattr(own, name)
            if isinstance(fitted, np.ndarray) and isinstance(placeholder, np.ndarray):
                fitted = np.array(fitted, dtype=placeholder.dtype, order="C")
            setattr(own, name, fitted)
    apart = float((own.predict(images) != model.predict(images)).mean())
    if apart > CARRIED_APART:
        raise InputError(
            f"{type(own).__name__} of scikit-learn-intelex cannot be carried over to scikit-learn: "
            f"{apart:.0%} of the labels differ; say sklearn in the place of sklearnex"
        )
    return own


def try_export(
    model: BaseEstimator,
    own: BaseEstimator,
    images: NDArray[Any],
    labels: NDArray[np.int64],
    classes: int,
) -> None:
    """Exports a copy of the model fitted on a few images and runs it, to fail before the long fit.

    `own` is scikit-learn's class of the same classifier.

    Raises:
        InputError: the copy cannot be exported, or not faithfully.
    """
    trial = clone(model)
    try:
        with warnings.catch_warnings(action="ignore"):  # of so few images
            trial.fit(images, labels)
            if type(model) is not type(own):
                trial = carry_over(trial, own, images, labels)
    except UNFIT:
        return  # too few images for it, say for 500 neighbors: the real fit will tell
    name = type(model).__name__
    try:
        content = to_contract(convert(trial, images.shape[1]), {"classes": list(range(classes))})
        exported = classify(open_classifier(content, threads=1), images)
        check_agreement(predict(trial, images), exported)
    except InputError as error:
        raise InputError(f"{name} cannot be exported: {error}") from None
    except (MissingConverter, MissingShapeCalculator):
        raise InputError(f"{name} cannot be exported: skl2onnx does not know it") from None
    except EXPORT_FAILS as error:
        reason = f"{type(error).__name__}: {shorten(str(error), 120)}"
        raise InputError(f"{name} cannot be exported: skl2onnx fails on it ({reason})") from None
