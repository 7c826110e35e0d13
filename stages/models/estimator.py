"""Any classifier from scikit-learn or scikit-learn-intelex, by its import path."""

import inspect
from importlib.util import find_spec
from typing import Any

from sklearn.base import BaseEstimator

from stages.frameworks.sklearn.schema import (
    ACCELERATED,
    find_classifier,
    is_accelerated,
    own_path,
)
from stages.runtime.errors import InputError


def build(seed: int, *, estimator: str, **params: Any) -> BaseEstimator:
    """The unfitted classifier `estimator`, e.g. `sklearn.svm.SVC`, with `params`.

    Its `random_state`, if it has one, is `seed`. On a platform without scikit-learn-intelex, the
    same classifier from scikit-learn is used instead.

    Raises:
        InputError: the classifier does not exist, or does not take a parameter or its value.
    """
    kind = find_classifier(own_path(estimator), estimator)
    known = [key for key in inspect.signature(kind).parameters if key != "random_state"]
    unknown = set(params) - set(known)
    if unknown:
        raise InputError(
            f"{kind.__name__} has no parameter {', '.join(sorted(unknown))}; its parameters are "
            f"{', '.join(known)} (random_state is the parameter `seed`)"
        )
    if is_accelerated(estimator) and find_spec(ACCELERATED):
        kind = find_classifier(estimator, estimator)
    try:
        model: Any = kind(**params)
    except TypeError as error:  # a parameter without a default is missing
        raise InputError(f"{kind.__name__}: {error}") from None
    if "random_state" in model.get_params(deep=False):
        model.set_params(random_state=seed)
    try:
        model._validate_params()  # `fit` does this too, but possibly hours later
    except ValueError as error:
        raise InputError(str(error)) from None
    return model
