"""The classes of scikit-learn by their import paths, and their parameters; imports none."""

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

ACCELERATED = "sklearnex"  # scikit-learn-intelex: the same classifiers, computed by oneDAL
CLASSIFIER, TRANSFORMER, EITHER = "a classifier", "a transformer", "a classifier or transformer"
MIXINS = {CLASSIFIER: ["ClassifierMixin"], TRANSFORMER: ["TransformerMixin"]}
MIXINS[EITHER] = MIXINS[CLASSIFIER] + MIXINS[TRANSFORMER]
EXAMPLES = {CLASSIFIER: "sklearn.svm.SVC", TRANSFORMER: "sklearn.preprocessing.StandardScaler"}
RENAMED = {"estimator": "base_estimator"}  # `estimator` is the import path
NESTED = {  # of what has to be given, an example
    "base_estimator": "{estimator: sklearn.svm.LinearSVC}",
    "estimators": "[[a, {estimator: sklearn.svm.SVC}], ...]",
    "steps": "[[scale, {estimator: sklearn.preprocessing.StandardScaler}], ...]",
    "transformer_list": "[[pca, {estimator: sklearn.decomposition.PCA}], ...]",
}


def is_accelerated(estimator: str) -> bool:
    """Whether `estimator` is from scikit-learn-intelex."""
    return estimator.partition(".")[0] == ACCELERATED


def own_path(estimator: str) -> str:
    """The import path of the same classifier in scikit-learn itself."""
    return (
        f"sklearn{estimator.removeprefix(ACCELERATED)}" if is_accelerated(estimator) else estimator
    )


def check_names(estimator: str, given: Iterable[Any], role: str = CLASSIFIER) -> None:
    """Checks that there is a class `estimator` of a role, and that it takes the parameters `given`.

    Reads them from the source of scikit-learn, which is not imported.

    Raises:
        InputError: there is no such class or parameter, or it needs one that is not given.
    """
    kind = find_class(estimator, role)
    parameters = {
        RENAMED.get(name, name): has_default
        for name, has_default in read_parameters(kind).items()
        if name != "random_state"
    }
    unknown = sorted(str(name) for name in given if name not in parameters)
    if unknown:
        known = sorted(parameters, key=lambda name: -similarity(name, unknown))
        raise InputError(
            f"{kind.__name__} has no parameter {', '.join(unknown)}; its parameters are "
            f"{', '.join(known)} (random_state is the parameter `seed`)"
        )
    optional = {name for name, has_default in parameters.items() if has_default}
    missing = [name for name in parameters if name not in optional.union(given)]
    if missing:
        examples = [f"{name}: {NESTED[name]}" for name in missing if name in NESTED]
        remedy = f"add {examples[0]}" if examples else "use a classifier that has"
        raise InputError(
            f"{kind.__name__} has no default for its parameter {', '.join(missing)}; {remedy}"
        )


def similarity(name: str, others: list[str]) -> float:
    """How similar a name is to the most similar of others, 0 to 1."""
    pairs = (SequenceMatcher(None, name.lower(), other.lower()) for other in others)
    return max(pair.ratio() for pair in pairs)


def find_class(estimator: str, role: str = CLASSIFIER) -> Any:
    """The class of scikit-learn itself for `estimator`, as `read_class` reads it.

    Raises:
        InputError: scikit-learn or scikit-learn-intelex lacks it, or it is not of this role.
    """
    remedy = f"use e.g. {EXAMPLES.get(role, EXAMPLES[CLASSIFIER])}"
    known = estimator.startswith(("sklearn.", f"{ACCELERATED}.")) and estimator.count(".") < 10
    if not known:
        raise InputError(f"estimator {estimator[:100]!r} is not from scikit-learn; {remedy}")
    own = own_path(estimator)
    # On a platform without scikit-learn-intelex, scikit-learn's own classifier is trained.
    paths = [own, estimator] if find_module(ACCELERATED) else [own]
    if not all(exists(path) for path in paths):
        raise InputError(f"estimator {estimator!r} does not exist; {remedy}")
    module, _, name = own.rpartition(".")
    kind = read_class(module, name)
    if kind is None or not (is_pipeline(kind) or has_role(kind, role)):
        raise InputError(f"estimator {estimator!r} is not {role}; {remedy}")
    if is_abstract(kind):
        raise InputError(f"estimator {estimator!r} is abstract; {remedy}")
    return kind


def has_role(kind: Any, role: str) -> bool:
    """Whether a class from `read_class` is an estimator of a role."""
    mixins = tuple(read_class("sklearn.base", name) for name in MIXINS[role])
    return issubclass(kind, read_class("sklearn.base", "BaseEstimator")) and issubclass(
        kind, mixins
    )


def is_pipeline(kind: Any) -> bool:
    """Whether a class from `read_class` is a pipeline, which is what its last step is."""
    return issubclass(kind, read_class("sklearn.pipeline", "Pipeline"))


def exists(path: str) -> bool:
    """Whether there is something at an import path: a name in a module, or a module."""
    module, _, name = path.rpartition(".")
    return name in read_names(module) or find_module(path) is not None
