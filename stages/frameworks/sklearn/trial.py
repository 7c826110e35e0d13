"""A trial export of a copy of the classifier, fitted on a few images."""

import warnings
from collections.abc import Iterator
from textwrap import shorten
from typing import Any

import numpy as np
from numpy.typing import NDArray
from skl2onnx.common.exceptions import MissingConverter, MissingShapeCalculator
from sklearn.base import BaseEstimator, clone

from stages.frameworks.export import check_agreement, to_contract
from stages.frameworks.sklearn.accelerated import carry_over
from stages.frameworks.sklearn.convert import convert
from stages.frameworks.sklearn.predict import predict
from stages.model_file.classifier import classify, open_classifier
from stages.runtime.errors import InputError

IMAGES = 10  # per class, in the first trial
GROWTH = 4  # each trial has so many times the images of the one before
REFUSED_AT = 160  # images per class: what fails with these is not converted
MEMBERS = 10  # of an ensemble: with more, the export fails no more often
# What a fit, or skl2onnx, raises if it cannot do it.
FAILS = (ValueError, TypeError, AttributeError, LookupError, ArithmeticError, AssertionError)
UNKNOWN = (MissingConverter, MissingShapeCalculator, NotImplementedError)  # of images of any count
EXPORT_FAILS = (*FAILS, RuntimeError, NameError)


def try_export(
    model: BaseEstimator,
    own: BaseEstimator,
    images: NDArray[Any],
    labels: NDArray[np.int64],
    classes: int,
) -> NDArray[np.int64]:
    """Exports and runs a copy of the model, fitted on a few images, to fail before the long fit.

    `own` is the same classifier from scikit-learn itself. A model may not be for so few images,
    such as one of 25 neighbors: then they become more, and at last the fit itself decides. What
    fails in the export may also be due to few images, and is refused at `REFUSED_AT` per class.

    Returns the indices of images that are enough for the model.

    Raises:
        InputError: the copy cannot be exported, or not faithfully, or no images can be enough.
    """
    failure = None
    for count, indices, compared in grow(labels):
        trial = shrink(model)
        failure = None
        try:
            with warnings.catch_warnings(action="ignore"):  # fitting on so few images warns
                trial.fit(images[indices], labels[indices])
                if type(model) is not type(own):
                    trial = carry_over(trial, shrink(own), images[indices], labels[indices])
                predict(trial, images[indices])
        except (AttributeError, TypeError) as error:  # which more images do not change
            name, reason = type(model).__name__, " ".join(str(error).split())
            raise InputError(f"{name} cannot be fitted: {reason}") from None
        except FAILS:
            continue
        try:
            export(type(model).__name__, trial, images[compared], classes)
        except InputError as error:
            failure = error
            if count >= REFUSED_AT or isinstance(error.__cause__, UNKNOWN):
                break
        else:
            return indices
    if failure is not None:
        raise failure
    return np.arange(len(labels))


def grow(
    labels: NDArray[np.int64],
) -> Iterator[tuple[int, NDArray[np.int64], NDArray[np.int64]]]:
    """Yields more and more images, but not all if avoidable: how many per class, and their indices.

    Then the indices of these and as many others: a calibration may be exact only where it was fit.
    """
    places = [np.flatnonzero(labels == label) for label in np.unique(labels)]
    count = IMAGES
    while count == IMAGES or count < max(map(len, places)):
        fitted, compared = (
            np.sort(np.concatenate([place[:size] for place in places]))
            for size in (count, 2 * count)
        )
        yield count, fitted, compared
        count *= GROWTH


def export(name: str, trial: BaseEstimator, images: NDArray[Any], classes: int) -> None:
    """Exports a fitted classifier and compares its predictions with those of its file.

    Raises:
        InputError: it cannot be exported, or not faithfully.
    """
    refused = f"{name} cannot be exported"
    try:
        content = to_contract(convert(trial, images.shape[1:]), {"classes": list(range(classes))})
    except UNKNOWN as error:
        reason = shorten(str(error), 120) if isinstance(error, NotImplementedError) else ""
        known = f"converts it only in part ({reason})" if reason else "does not know it"
        raise InputError(f"{refused}: skl2onnx {known}; choose another") from error
    except EXPORT_FAILS as error:
        reason = f"{type(error).__name__}: {shorten(str(error), 120)}"
        raise InputError(f"{refused}: skl2onnx fails on it ({reason}); choose another") from error
    try:
        exported = classify(open_classifier(content, threads=1), images)
    except InputError as error:
        reason = str(error).partition(": ")[2].partition("; ")[0]
        raise InputError(
            f"{refused}: what skl2onnx makes of it is {reason}; choose another"
        ) from None
    try:
        check_agreement(predict(trial, images), exported)
    except FAILS as error:
        raise InputError(f"{refused}: {error}") from None


def shrink(model: BaseEstimator) -> BaseEstimator:
    """An unfitted copy; each ensemble, also one within it, has at most `MEMBERS` members."""
    copy = clone(model)
    large = {
        name: MEMBERS
        for name, value in copy.get_params().items()
        if name.rpartition("__")[2] == "n_estimators" and value > MEMBERS
    }
    return copy.set_params(**large)
