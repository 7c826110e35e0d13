"""What a scikit-learn run may have in params.yaml: any classifier, and those within it.

Each estimator is a block such as `{estimator: sklearn.svm.SVC, C: 1}`.
"""

from collections.abc import Collection, Iterator
from typing import Any

from stages.frameworks.sklearn.classes import (
    CLASSIFIER,
    EITHER,
    RENAMED,
    TRANSFORMER,
    check_names,
    find_class,
    is_accelerated,
)
from stages.frameworks.sklearn.source import read_parameters
from stages.runtime.errors import InputError

LAYOUT = "flat"
SINGLE = (RENAMED["estimator"], "final_estimator")
NAMED = {  # lists of [name, block]; what may be in the place of a block
    "estimators": ("drop",),
    "steps": (),
    "transformer_list": ("drop", "passthrough"),
}
# These fit what is within them on other labels: 1 for a class and 0 for others.
RELABELING = ("OneVsRestClassifier", "OneVsOneClassifier", "OutputCodeClassifier")
EXAMPLE = "{estimator: sklearn.svm.LinearSVC, C: 1}"


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
    if not is_block(params):
        raise InputError("params.estimator: expected an import path, e.g. sklearn.svm.SVC")
    own = {"estimator": params["estimator"]}
    check_block(own | {k: v for k, v in params.items() if k not in arguments}, "params")


def is_block(value: Any) -> bool:
    """Whether a value in params.yaml is the block of an estimator."""
    return isinstance(value, dict) and isinstance(value.get("estimator"), str)


def check_block(block: dict[str, Any], at: str, role: str = CLASSIFIER) -> None:
    """Checks an estimator, the names of its parameters, and the estimators within it.

    `at` is the key of the block below `models.RUN`.

    Raises:
        InputError: one is not valid; the message starts with its key.
    """
    path, params = block["estimator"], {k: v for k, v in block.items() if k != "estimator"}
    try:
        if at != "params" and is_accelerated(path):
            raise InputError(f"estimator {path!r}: within another, use sklearn, not sklearnex")
        if "seed" in params:
            at += ".seed"
            raise InputError("remove it; the parameter `seed` of all runs sets it")
        check_names(path, params, role)
        if params.get("memory") is not None:
            at += ".memory"
            raise InputError("remove it: it reads files that can run code")
    except InputError as error:
        raise InputError(f"{at}: {error}") from None
    kind = find_class(path, role)
    for key, value in params.items():
        inner = f"{at}.{key}"
        if key in NAMED:
            names = check_list(value, inner, read_parameters(kind))
            for index, (name, (_, one)) in enumerate(zip(names, value, strict=True)):
                is_last = index == len(value) - 1
                inner_role = {"estimators": CLASSIFIER, "transformer_list": TRANSFORMER}.get(
                    key, role if is_last else TRANSFORMER
                )
                check_single(one, f"{inner}.{name}", inner_role, NAMED[key])
        elif key in SINGLE and value is not None:
            check_single(value, inner, CLASSIFIER)
        else:
            for place, one in find_blocks(value, inner):
                check_block(one, place, EITHER)
    if kind.__name__ in RELABELING:
        refuse_class_weights(params, at, kind.__name__)


def check_list(value: Any, at: str, taken: Collection[str]) -> list[str]:
    """Checks that `value` is a list of [name, block]; returns the names, none of which is taken."""
    pairs = value if isinstance(value, list) else []
    if not pairs or not all(isinstance(pair, list) and len(pair) == 2 for pair in pairs):
        raise InputError(f"{at} is {value!r:.100}: expected [[NAME, {EXAMPLE}], ...]")
    names = [name for name, _ in pairs]
    for name in names:
        if not isinstance(name, str) or not name or "__" in name or names.count(name) > 1:
            raise InputError(f"{at}: name {name!r:.100}: use different words without `__`")
        if name in taken:
            raise InputError(f"{at}: name {name!r} is also a parameter: choose another")
    return names


def check_single(value: Any, at: str, role: str, others: tuple[str, ...] = ()) -> None:
    """Checks that `value` is a block, or one of `others`."""
    if isinstance(value, str) and value in others:
        return
    if not is_block(value):
        choices = "".join(f", or {other}" for other in others)
        raise InputError(f"{at} is {value!r:.100}: expected a block such as {EXAMPLE}{choices}")
    check_block(value, at, role)


def find_blocks(value: Any, at: str, within: bool = False) -> Iterator[tuple[str, dict[str, Any]]]:
    """The blocks in a value, with the key of each; also those within others, if so."""
    if is_block(value):
        yield at, value
        if not within:
            return
    items = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else items:
        if isinstance(inner, list) and len(inner) == 2 and isinstance(inner[0], str):  # named
            key, inner = inner
        yield from find_blocks(inner, f"{at}.{key}", within)


def refuse_class_weights(value: Any, at: str, kind: str) -> None:
    """Raises InputError if there are weights of classes within a classifier that relabels them."""
    for place, one in find_blocks(value, at, within=True):
        if isinstance(one.get("class_weight"), dict):
            raise InputError(
                f"{place}.class_weight: {kind} fits what is within it on 0 and 1, not on the "
                "classes; use balanced, or leave it out"
            )
