"""Any scikit-learn classifier, by its import path."""

import inspect
from importlib import import_module
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin

from stages.command import InputError


def build(seed: int, *, estimator: str, **params: Any) -> BaseEstimator:
    """The unfitted classifier `estimator`, say `sklearn.svm.SVC`, with `params`.

    Its `random_state`, where it has one, is `seed`.

    Raises:
        InputError: there is no such classifier, or it does not take a parameter or its value.
    """
    module, _, name = estimator.rpartition(".")
    if module.partition(".")[0] != "sklearn":
        raise InputError(f"estimator {estimator!r} is not of scikit-learn; say sklearn.svm.SVC")
    try:
        kind: Any = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        raise InputError(f"estimator {estimator!r} does not exist; say sklearn.svm.SVC") from None
    if not (inspect.isclass(kind) and issubclass(kind, ClassifierMixin)):
        raise InputError(f"estimator {estimator!r} is not a classifier; say sklearn.svm.SVC")

    known = [key for key in inspect.signature(kind).parameters if key != "random_state"]
    unknown = set(params) - set(known)
    if unknown:
        raise InputError(
            f"{name} has no parameter {', '.join(sorted(unknown))}; its parameters are "
            f"{', '.join(known)} (random_state is the parameter `seed`)"
        )
    try:
        model: Any = kind(**params)
    except TypeError as error:  # a parameter without a default is missing
        raise InputError(f"{name}: {error}") from None
    if "random_state" in model.get_params(deep=False):
        model.set_params(random_state=seed)
    try:
        model._validate_params()  # what `fit` does first, hours before it may be reached
    except ValueError as error:
        raise InputError(str(error)) from None
    return model
