"""Fitting a scikit-learn classifier."""

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.base import BaseEstimator
from threadpoolctl import threadpool_limits

from stages.datasets.arrays import Split
from stages.frameworks.sklearn.accelerated import carry_over
from stages.frameworks.sklearn.schema import ACCELERATED, is_accelerated, own_path
from stages.frameworks.sklearn.trial import UNFIT, try_export
from stages.runtime.errors import InputError

TRIAL_IMAGES = 10  # per class


def limit_threads(threads: int) -> None:
    """Limits BLAS, OpenMP and oneDAL to `threads` threads."""
    threadpool_limits(threads)
    if find_spec(ACCELERATED):
        from daal4py import daalinit

        daalinit(threads)


def fit(
    build: Callable[..., BaseEstimator],
    train: Split,
    validation: Split,
    classes: int,
    seed: int,
    learning_curve: Path,
    **params: Any,
) -> BaseEstimator:
    """Builds the classifier and fits it; without epochs, it writes no learning curve.

    Raises:
        InputError: the classifier cannot be exported (found before the fit) or cannot be fitted.
    """
    model = build(seed, **params)
    own = build(seed, **params | {"estimator": own_path(params["estimator"])})
    if is_accelerated(params["estimator"]) and type(model) is type(own):
        name = own_path(params["estimator"])
        print(f"scikit-learn-intelex does not exist for this platform: using {name}")
    images = np.asarray(train[0])
    labels = train[1].astype(np.int64)  # with uint8, the exporter creates invalid graphs
    few = np.concatenate([np.flatnonzero(labels == c)[:TRIAL_IMAGES] for c in np.unique(labels)])
    try_export(model, own, images[few], labels[few], classes)
    try:
        model.fit(images, labels)
    except UNFIT as error:
        raise InputError(f"{type(model).__name__} cannot be fitted: {error}") from None
    if type(model) is not type(own):
        model = carry_over(model, own, images[few], labels[few])
    return model
