"""What a run of scikit-learn may say in params.yaml: any classifier, by its import path."""

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

    The parameters of every classifier are its own: the signature of `build` does not name them.

    Raises:
        InputError: they are not valid; the message starts with the key, as below `models.RUN`.
    """
    if layout != LAYOUT:
        raise InputError(f"layout is {layout!r}: scikit-learn takes {LAYOUT}")
    if not isinstance(params.get("estimator"), str):
        raise InputError("params.estimator: say one such as sklearn.svm.SVC")
    try:
        build(0, **params)
    except InputError as error:
        raise InputError(f"params: {error}") from None


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
