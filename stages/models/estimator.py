"""Any classifier from scikit-learn or scikit-learn-intelex, by its import path."""

from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sklearn.base import BaseEstimator

from stages.frameworks.sklearn.schema import ACCELERATED, check_names, own_path
from stages.runtime.errors import InputError


def build(seed: int, *, estimator: str, **params: Any) -> BaseEstimator:
    """The unfitted classifier `estimator`, e.g. `sklearn.svm.SVC`, with `params`.

    Its `random_state`, if it has one, is `seed`. On a platform without scikit-learn-intelex, the
    same classifier from scikit-learn is used instead.

    Raises:
        InputError: the classifier does not exist, or does not take a parameter or its value.
    """
    check_names(estimator, params)
    path = estimator if find_spec(ACCELERATED) else own_path(estimator)
    module, _, name = path.rpartition(".")
    model: Any = getattr(import_module(module), name)(**params)
    if "random_state" in model.get_params(deep=False):
        model.set_params(random_state=seed)
    try:
        model._validate_params()  # `fit` does this too, but possibly hours later
    except ValueError as error:
        raise InputError(str(error)) from None
    return model
