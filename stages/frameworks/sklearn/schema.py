"""What a scikit-learn run may have in params.yaml: any classifier, by its import path."""

from collections.abc import Iterable
from difflib import SequenceMatcher
from typing import Any

from stages.frameworks.sklearn.source import (
    find_module,
    is_abstract,
    read_class,
    read_names,
    read_parameters,
)
from stages.runtime.errors import InputError

LAYOUT = "flat"
ACCELERATED = "sklearnex"  # scikit-learn-intelex: the same classifiers, computed by oneDAL


def check_run(layout: str, params: dict[str, Any], arguments: list[str]) -> None:
    """Checks the layout of a run, its classifier, and the names of the classifier's parameters.

    `arguments` are the parameters that the model's own signature names; the model passes on the
    others to the classifier. Their values are checked when `train` builds it.

    Raises:
        InputError: they are not valid; the message starts with the key below `models.RUN`.
    """
    if layout != LAYOUT:
        raise InputError(f"layout is {layout!r}: scikit-learn takes {LAYOUT}")
    if "estimator" not in arguments:
        raise InputError("model has no parameter `estimator`; scikit-learn takes model estimator")
    if not isinstance(params.get("estimator"), str):
        raise InputError("params.estimator: expected an import path, e.g. sklearn.svm.SVC")
    if "seed" in params:
        raise InputError("params.seed: remove it; the parameter `seed` of all runs sets it")
    try:
        check_names(params["estimator"], params.keys() - set(arguments))
    except InputError as error:
        raise InputError(f"params: {error}") from None


def is_accelerated(estimator: str) -> bool:
    """Whether `estimator` is from scikit-learn-intelex."""
    return estimator.partition(".")[0] == ACCELERATED


def own_path(estimator: str) -> str:
    """The import path of the same classifier in scikit-learn itself."""
    return (
        f"sklearn{estimator.removeprefix(ACCELERATED)}" if is_accelerated(estimator) else estimator
    )


def check_names(estimator: str, given: Iterable[str]) -> None:
    """Checks that there is a classifier `estimator`, and that it takes the parameters `given`.

    Reads them from the source of scikit-learn, which is not imported.

    Raises:
        InputError: there is no such classifier or parameter, or it needs one that is not given.
    """
    kind = find_classifier(estimator)
    parameters = read_parameters(kind)
    parameters.pop("random_state", None)
    unknown = sorted(set(given) - set(parameters))
    if unknown:
        known = sorted(parameters, key=lambda name: -similarity(name, unknown))
        raise InputError(
            f"{kind.__name__} has no parameter {', '.join(unknown)}; its parameters are "
            f"{', '.join(known)} (random_state is the parameter `seed`)"
        )
    optional = {name for name, has_default in parameters.items() if has_default}
    missing = [name for name in parameters if name not in optional.union(given)]
    if missing:
        raise InputError(
            f"{kind.__name__} has no default for its parameter {', '.join(missing)}; "
            "use a classifier that has, e.g. sklearn.svm.SVC"
        )


def similarity(name: str, others: list[str]) -> float:
    """How similar a name is to the most similar of others, 0 to 1."""
    pairs = (SequenceMatcher(None, name.lower(), other.lower()) for other in others)
    return max(pair.ratio() for pair in pairs)


def find_classifier(estimator: str) -> Any:
    """The class of scikit-learn itself for `estimator`, as `read_class` reads it.

    Raises:
        InputError: scikit-learn or scikit-learn-intelex lacks it, or it is not a classifier.
    """
    known = estimator.startswith(("sklearn.", f"{ACCELERATED}.")) and estimator.count(".") < 10
    if not known:
        raise InputError(
            f"estimator {estimator[:100]!r} is not from scikit-learn; use e.g. sklearn.svm.SVC"
        )
    own = own_path(estimator)
    # On a platform without scikit-learn-intelex, scikit-learn's own classifier is trained.
    paths = [own, estimator] if find_module(ACCELERATED) else [own]
    if not all(exists(path) for path in paths):
        raise InputError(f"estimator {estimator!r} does not exist; use e.g. sklearn.svm.SVC")
    module, _, name = own.rpartition(".")
    kind = read_class(module, name)
    bases = [read_class("sklearn.base", base) for base in ("BaseEstimator", "ClassifierMixin")]
    if kind is None or not all(issubclass(kind, base) for base in bases):
        raise InputError(f"estimator {estimator!r} is not a classifier; use e.g. sklearn.svm.SVC")
    if is_abstract(kind):
        raise InputError(f"estimator {estimator!r} is abstract; use e.g. sklearn.svm.SVC")
    return kind


def exists(path: str) -> bool:
    """Whether there is something at an import path: a name in a module, or a module."""
    module, _, name = path.rpartition(".")
    return name in read_names(module) or find_module(path) is not None
