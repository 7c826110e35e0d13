"""Any classifier of scikit-learn, or of scikit-learn-intelex, by its import path."""

import inspect
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sklearn.base import BaseEstimator, ClassifierMixin

from stages.command import InputError

ACCELERATED = "sklearnex"  # scikit-learn-intelex: the same classifiers, computed by oneDAL


def build(seed: int, *, estimator: str, **params: Any) -> BaseEstimator:
    """The unfitted classifier `estimator`, say `sklearn.svm.SVC`, with `params`.

    Its `random_state`, where it has one, is `seed`. On a platform that scikit-learn-intelex is not
    made for, one of its classifiers is the one of scikit-learn that it stands for.

    Raises:
        InputError: there is no such classifier, or it does not take a parameter or its value.
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
        model._validate_params()  # what `fit` does first, hours before it may be reached
    except ValueError as error:
        raise InputError(str(error)) from None
    return model


def is_accelerated(estimator: str) -> bool:
    """Whether `estimator` is one of scikit-learn-intelex."""
    return estimator.partition(".")[0] == ACCELERATED


def own_path(estimator: str) -> str:
    """The path in scikit-learn itself of the classifier that `estimator` is or stands for."""
    return (
        f"sklearn{estimator.removeprefix(ACCELERATED)}" if is_accelerated(estimator) else estimator
    )


def find_classifier(path: str, estimator: str) -> Any:
    """The class at an import path, which stands for the parameter `estimator`.

    Raises:
        InputError: there is none in scikit-learn or scikit-learn-intelex, or it does not classify.
    """
    module, _, name = path.rpartition(".")
    if module.partition(".")[0] not in ("sklearn", ACCELERATED):
        raise InputError(f"estimator {estimator!r} is not of scikit-learn; say sklearn.svm.SVC")
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        raise InputError(f"estimator {estimator!r} does not exist; say sklearn.svm.SVC") from None
    if not (inspect.isclass(kind) and issubclass(kind, ClassifierMixin)):
        raise InputError(f"estimator {estimator!r} is not a classifier; say sklearn.svm.SVC")
    return kind
