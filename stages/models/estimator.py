"""Any classifier from scikit-learn or scikit-learn-intelex, by its import path."""

import inspect
from importlib import import_module
from importlib.util import find_spec
from typing import Any

from sklearn.base import BaseEstimator

from stages.frameworks.sklearn.classes import ACCELERATED, RENAMED, own_path
from stages.frameworks.sklearn.schema import check_block, is_block
from stages.runtime.errors import InputError


def build(seed: int, *, estimator: str, **params: Any) -> BaseEstimator:
    """The unfitted classifier `estimator`, e.g. `sklearn.svm.SVC`, with `params`.

    A parameter may be an estimator itself, as a block with `estimator` and its parameters. The
    `random_state` of each, if it has one, is `seed`. On a platform without scikit-learn-intelex,
    the same classifier from scikit-learn is used instead.

    Raises:
        InputError: an estimator does not exist, or does not take a parameter or its value; the
            message starts with the key below `models.RUN`.
    """
    block = {"estimator": estimator, **params}
    check_block(block, "params")
    return build_block(seed, block, "params")


def build_block(seed: int, block: dict[str, Any], at: str) -> BaseEstimator:
    """The unfitted estimator of a block, which is under the key `at`."""
    estimator = block["estimator"]
    path = estimator if find_spec(ACCELERATED) else own_path(estimator)
    module, _, name = path.rpartition(".")
    kind: Any = getattr(import_module(module), name)
    params = {}
    for own_name, parameter in inspect.signature(kind).parameters.items():
        key = RENAMED.get(own_name, own_name)
        if key in block:
            value = build_value(seed, block[key], f"{at}.{key}")
            # some, such as the range of a scaler, must be tuples, which YAML does not have
            is_tuple = isinstance(parameter.default, tuple) and isinstance(value, list)
            params[own_name] = tuple(value) if is_tuple else value
    try:
        model = kind(**params)
        if "random_state" in model.get_params(deep=False):
            model.set_params(random_state=seed)
        model._validate_params()  # `fit` does this too, but possibly hours later
    except ValueError as error:
        raise InputError(f"{at}: {error}") from None
    return model


def build_value(seed: int, value: Any, at: str) -> Any:
    """A value with estimators in the place of the blocks within it."""
    if is_block(value):
        return build_block(seed, value, at)
    if isinstance(value, list) and len(value) > 1 and is_block(value[1]):  # named
        return (value[0], build_block(seed, value[1], f"{at}.{value[0]}"), *value[2:])
    if isinstance(value, list):
        return [build_value(seed, one, at) for one in value]
    return value
