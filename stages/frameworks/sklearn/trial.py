"""A trial export of a copy of the classifier, fitted on a few images."""

import warnings
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

EXPORT_FAILS = (RuntimeError, NotImplementedError, TypeError, ValueError, NameError)
MEMBERS = 10  # of an ensemble: with more, the export fails no more often
UNFIT = (ValueError, TypeError, np.linalg.LinAlgError)  # what `fit` raises if it cannot fit


def try_export(
    model: BaseEstimator,
    own: BaseEstimator,
    images: NDArray[Any],
    labels: NDArray[np.int64],
    classes: int,
) -> None:
    """Exports and runs a copy of the model, fitted on a few images, to fail before the long fit.

    `own` is the same classifier from scikit-learn itself.

    Raises:
        InputError: the copy cannot be exported, or not faithfully.
    """
    trial = shrink(model)
    try:
        with warnings.catch_warnings(action="ignore"):  # fitting on so few images warns
            trial.fit(images, labels)
            if type(model) is not type(own):
                trial = carry_over(trial, shrink(own), images, labels)
    except UNFIT:
        return  # too few images, e.g. for 500 neighbors: the full fit decides
    name = type(model).__name__
    try:
        content = to_contract(convert(trial, images.shape[1:]), {"classes": list(range(classes))})
        exported = classify(open_classifier(content, threads=1), images)
        check_agreement(predict(trial, images), exported)
    except InputError as error:
        raise InputError(f"{name} cannot be exported: {error}") from None
    except (MissingConverter, MissingShapeCalculator):
        raise InputError(f"{name} cannot be exported: skl2onnx does not know it") from None
    except EXPORT_FAILS as error:
        reason = f"{type(error).__name__}: {shorten(str(error), 120)}"
        raise InputError(f"{name} cannot be exported: skl2onnx fails on it ({reason})") from None


def shrink(model: BaseEstimator) -> BaseEstimator:
    """An unfitted copy; if it is an ensemble, of at most `MEMBERS` members."""
    copy = clone(model)
    if copy.get_params(deep=False).get("n_estimators", 0) > MEMBERS:
        copy.set_params(n_estimators=MEMBERS)
    return copy
