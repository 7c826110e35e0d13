"""Classifiers of scikit-learn-intelex: what was fitted, as a classifier of scikit-learn itself."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from stages.runtime.errors import InputError

CARRIED_APART = 0.05  # share of the trial images that may get another label, by rounding


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
