"""Turns a fitted classifier of scikit-learn-intelex into one of scikit-learn itself."""

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, clone

from stages.runtime.errors import InputError

MAX_DIFFERENT = 0.05  # share of the trial images that may get another label through rounding


def carry_over(
    model: BaseEstimator, own: BaseEstimator, images: NDArray[Any], labels: NDArray[np.int64]
) -> BaseEstimator:
    """Copies `model`, fitted with scikit-learn-intelex, into the class of scikit-learn's `own`.

    The exporter supports only that class. It also predicts without oneDAL, which rounds so much in
    float32 that 0.3% of an SVC's labels differ, though its support vectors are the same. The copy
    is fitted on a few `images`; the fitted attributes of `model` then replace its own.

    Raises:
        InputError: the copy and `model` differ in their labels for the `images`.
    """
    with warnings.catch_warnings(action="ignore"):  # fitting on so few images warns
        own = clone(own).fit(images, labels)
    for name in vars(own).keys() - own.get_params(deep=False).keys():
        if hasattr(model, name):
            fitted, placeholder = getattr(model, name), getattr(own, name)
            if isinstance(fitted, np.ndarray) and isinstance(placeholder, np.ndarray):
                fitted = np.array(fitted, dtype=placeholder.dtype, order="C")
            setattr(own, name, fitted)
    apart = float((own.predict(images) != model.predict(images)).mean())
    if apart > MAX_DIFFERENT:
        raise InputError(
            f"{type(own).__name__} of scikit-learn-intelex cannot be carried over to scikit-learn: "
            f"{apart:.0%} of the labels differ; use sklearn instead of sklearnex"
        )
    return own
