"""What a scikit-learn run may have in params.yaml: any classifier, by its import path."""

import inspect
from collections.abc import Callable
from importlib import import_module
from typing import Any

from sklearn.base import ClassifierMixin

from stages.runtime.errors import InputError

LAYOUT = "flat"
ACCELERATED = "sklearnex"  # scikit-learn-intelex: the same classifiers, computed by oneDAL


def check_run(layout: str, params: dict[str, Any], build: Callable[..., Any]) -> None:
    """Checks the layout and the parameters of a run by building its classifier.

    Each classifier has its own parameters, so the signature of `build` does not name them.

    Raises:
        InputError: they are not valid; the message starts with the key below `models.RUN`.
    """
    if layout != LAYOUT:
        raise InputError(f"layout is {layout!r}: scikit-learn takes {LAYOUT}")
    if not isinstance(params.get("estimator"), str):
        raise InputError("params.estimator: expected an import path, e.g. sklearn.svm.SVC")
    if "seed" in params:
        raise InputError("params.seed: remove it; the parameter `seed` of all runs sets it")
    try:
        build(0, **params)
    except (InputError, TypeError) as error:  # a TypeError: the model is for another framework
        raise InputError(f"params: {error}") from None


def is_accelerated(estimator: str) -> bool:
    """Whether `estimator` is from scikit-learn-intelex."""
    return estimator.partition(".")[0] == ACCELERATED


def own_path(estimator: str) -> str:
    """The import path of the same classifier in scikit-learn itself."""
    return (
        f"sklearn{estimator.removeprefix(ACCELERATED)}" if is_accelerated(estimator) else estimator
    )


def find_classifier(path: str, estimator: str) -> Any:
    """The class at the import path `path`; errors name the parameter `estimator`.

    Raises:
        InputError: scikit-learn and scikit-learn-intelex lack it, or it is not a classifier.
    """
    module, _, name = path.rpartition(".")
    if module.partition(".")[0] not in ("sklearn", ACCELERATED):
        raise InputError(
            f"estimator {estimator!r} is not from scikit-learn; use e.g. sklearn.svm.SVC"
        )
    try:
        kind = getattr(import_module(module), name)
    except (ImportError, AttributeError):
        raise InputError(
            f"estimator {estimator!r} does not exist; use e.g. sklearn.svm.SVC"
        ) from None
    if not (inspect.isclass(kind) and issubclass(kind, ClassifierMixin)):
        raise InputError(f"estimator {estimator!r} is not a classifier; use e.g. sklearn.svm.SVC")
    return kind
