"""Checks a run's block in params.yaml: what it names exists, and its parameters are valid."""

from collections.abc import Callable
from importlib import import_module
from math import inf
from pathlib import Path
from typing import Any

from pydantic import create_model

from stages.runtime.errors import InputError
from stages.runtime.pins import require_pins
from stages.schema.parameters import Features, Run
from stages.schema.source import path_of, read_fields, read_imports, read_keys
from stages.schema.space import ends_of, put, read_space
from stages.schema.validation import Strict, show_value, validate

FINE_TUNED = "pretrained"  # the model that trains the rest of a network
STAGES = Path(__file__).parents[1]


def check_features(at: str, settings: Features, datasets: dict[str, Any]) -> None:
    """Checks the block with the key `at`, such as `features.NAME`.

    Raises:
        InputError: it names something that does not exist, or has the name of another layout.
    """
    if settings.dataset not in datasets:
        raise InputError(f"{at}.dataset is {settings.dataset!r}: choose from {', '.join(datasets)}")
    if at.rpartition(".")[2] in read_keys("stages.reshape", "LAYOUTS"):
        raise InputError(f"{at} has the name of another layout; choose a new one")


def check_run(
    at: str, settings: Run, datasets: dict[str, Any], features: dict[str, Features]
) -> None:
    """Checks the block with the key `at`, such as `models.NAME`.

    `datasets` are the classes of each data set, `features` the layouts that are not in the code.

    Raises:
        InputError: it names something that does not exist, or a parameter is not valid.
    """
    frameworks = sorted(path.parent.name for path in STAGES.glob("frameworks/*/fit.py"))
    models = sorted(path.stem for path in STAGES.glob("models/*.py"))
    choices = {
        "dataset": list(datasets),
        "layout": [
            *read_keys("stages.reshape", "LAYOUTS"),
            *(key for key, one in features.items() if one.dataset == settings.dataset),
        ],
        "framework": frameworks,
        "model": models,
    }
    for key, known in choices.items():
        value = getattr(settings, key)
        if value not in known:
            raise InputError(f"{at}.{key} is {value!r}: choose from {', '.join(known)}")
    framework, model = settings.framework, f"stages.models.{settings.model}"
    # A model is written for the frameworks whose library it imports.
    written_for = read_imports(model).intersection(frameworks)
    if written_for and framework not in written_for:
        raise InputError(
            f"{at}: framework {framework} does not go with model {settings.model}, "
            f"which is written for {' and '.join(sorted(written_for))}"
        )
    layout = settings.layout
    is_open = layout in features and not features[layout].pooled
    if is_open != (settings.model == FINE_TUNED):
        raise InputError(
            f"{at}: model {FINE_TUNED} and a layout with `pooled: false` go together, but "
            f"model is {settings.model} and layout is {layout}"
        )
    if layout in features:  # as `train` sees them
        layout = "image" if is_open else "flat"
    check_params, classes = make_check(at, settings, layout), datasets[settings.dataset]
    check_params(settings.params)
    check_class_weights(settings.params, f"{at}.params", classes)
    for path, dimension in read_space(settings.tune, settings.params, at, "tune").items():
        for value in ends_of(dimension):  # as if it were in `params`
            params = put(settings.params, path, value)
            try:
                check_params(params)
                check_class_weights(params, f"{at}.params", classes)
            except InputError as error:
                place = ".".join([at, "tune", *map(str, path)])
                reason = str(error).removeprefix(f"{at}.")
                raise InputError(f"{place}: {show_value(value)}: {reason}") from None


def make_check(at: str, settings: Run, layout: str) -> Callable[[dict[str, Any]], None]:
    """What checks parameters against the signatures of the model and of the framework's fit.

    What the signatures cannot say, the framework's schema.py checks, if it has one.
    """
    framework = settings.framework
    fields: Any = read_fields(f"stages.models.{settings.model}", "build")
    fields |= read_fields(f"stages.frameworks.{framework}.fit", "fit")
    own = create_model("Params", __base__=Strict, **fields)
    schema: Any = None
    if path_of(f"stages.frameworks.{framework}.schema").exists():
        require_pins(framework)
        schema = import_module(f"stages.frameworks.{framework}.schema")

    def check_params(params: dict[str, Any]) -> None:
        if schema:
            try:
                schema.check_run(layout, params, arguments=list(fields))
            except InputError as error:
                raise InputError(f"{at}.{error}") from None
            params = {key: value for key, value in params.items() if key in fields}
        validate(own, params, at, "params")

    return check_params


def check_class_weights(value: Any, at: str, classes: list[str] | dict[Any, str]) -> None:
    """Checks the names of classes in every `class_weight` below the key `at`, and their weights.

    Labels are possible if the names are a list: from 0 in this order.

    Raises:
        InputError: there is no such class, or a weight is not valid.
    """
    names = [*classes.values()] if isinstance(classes, dict) else classes
    numbered = range(0 if isinstance(classes, dict) else len(names))
    items = value.items() if isinstance(value, dict) else ()
    for key, inner in enumerate(value) if isinstance(value, list) else items:
        if isinstance(inner, list) and len(inner) == 2 and isinstance(inner[0], str):  # named
            key, inner = inner
        place = f"{at}.{key}"
        if key != "class_weight" or not isinstance(inner, dict):
            check_class_weights(inner, place, classes)
            continue
        labels = [names.index(one) if one in names else one for one in inner]
        for one, label in zip(inner, labels, strict=True):
            if one not in names and (isinstance(one, bool) or one not in numbered):
                raise InputError(
                    f"{place}: no class {show_value(one)}; choose from {', '.join(names)}"
                )
            if labels.count(label) > 1:
                raise InputError(f"{place}: class {names[label]} occurs twice")
            weight = inner[one]
            is_number = isinstance(weight, int | float) and not isinstance(weight, bool)
            if not is_number or not 0 <= weight < inf:
                raise InputError(
                    f"{place}.{one} is {show_value(weight)}: expected a weight, 0 or more"
                )
