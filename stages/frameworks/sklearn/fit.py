"""Fitting a scikit-learn classifier."""

import re
from collections.abc import Callable
from importlib.util import find_spec
from typing import Any

from stages.runtime.command import report_time

import numpy as np
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from stages.datasets.arrays import Split
from stages.frameworks.sklearn.accelerated import carry_over
from stages.frameworks.sklearn.classes import ACCELERATED, is_accelerated, own_path
from stages.frameworks.sklearn.trial import FAILS, try_export
from stages.runtime.errors import InputError

RATES = ("learning_rate_init", "eta0")  # the learning rates of MLPClassifier and SGDClassifier


def limit_threads(threads: int, params: dict[str, Any]) -> None:
    """Limits BLAS, OpenMP and, if `params` names one of its estimators, oneDAL to `threads`."""
    threadpool_limits(threads)
    if is_accelerated(params["estimator"]) and find_spec(ACCELERATED):
        from daal4py import daalinit

        daalinit(threads)


def check_values(build: Callable[..., BaseEstimator], params: dict[str, Any]) -> None:
    """Builds the classifier, which checks the values of its parameters."""
    build(0, **params)


def fit(
    build: Callable[..., BaseEstimator],
    train: Split,
    validation: Split,
    classes: int,
    seed: int,
    **params: Any,
) -> tuple[BaseEstimator, None]:
    """Builds the classifier and fits it; the learning curve is None: there are no epochs.

    Raises:
        InputError: the classifier cannot be exported (found before the fit) or cannot be fitted.
    """
    model = build(seed, **params)
    own = build(seed, **params | {"estimator": own_path(params["estimator"])})
    accelerated = type(model) is not type(own)
    if is_accelerated(params["estimator"]) and not accelerated:
        name = own_path(params["estimator"])
        print(f"scikit-learn-intelex does not exist for this platform: using {name}")
    images = np.asarray(train[0])
    labels = train[1].astype(np.int64)  # with uint8, the exporter creates invalid graphs
    few = try_export(model, own, images, labels, classes)
    try:
        with report_time("fitted"):
            model.fit(images, labels)
    except FAILS as error:
        name, reason = type(model).__name__, " ".join(str(error).split())
        if re.search("non-finite|overflow", reason):
            rates = [one for one in model.get_params() if one.rpartition("__")[2] in RATES]
            remedy = f"lower {' or '.join(rates)}" if rates else "scale its input"
            raise InputError(f"training diverged: {remedy} ({name}: {reason})") from None
        raise InputError(f"{name} cannot be fitted: {reason}") from None
    if accelerated:
        model = carry_over(model, own, images[few], labels[few])
    return model, None
