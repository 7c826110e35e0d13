"""Checks a run's block in params.yaml: what it names exists, and its parameters are valid."""

from importlib import import_module
from pathlib import Path
from typing import Any

from pydantic import create_model

from stages.runtime.errors import InputError
from stages.runtime.pins import require_pins
from stages.schema.parameters import Run
from stages.schema.source import path_of, read_fields, read_imports, read_keys
from stages.schema.validation import Strict, validate

STAGES = Path(__file__).parents[1]


def check_run(name: str, settings: Run, datasets: list[str]) -> None:
    """Checks the block `models.name`.

    Raises:
        InputError: it names something that does not exist, or a parameter is not valid.
    """
    frameworks = sorted(path.parent.name for path in STAGES.glob("frameworks/*/fit.py"))
    models = sorted(path.stem for path in STAGES.glob("models/*.py"))
    choices = {
        "dataset": datasets,
        "layout": read_keys("stages.reshape", "LAYOUTS"),
        "framework": frameworks,
        "model": models,
    }
    for key, known in choices.items():
        value = getattr(settings, key)
        if value not in known:
            raise InputError(f"models.{name}.{key} is {value!r}: choose from {', '.join(known)}")
    framework, model = settings.framework, f"stages.models.{settings.model}"
    # A model is written for the frameworks whose library it imports.
    written_for = read_imports(model).intersection(frameworks)
    if written_for and framework not in written_for:
        raise InputError(
            f"models.{name}: framework {framework} does not go with model {settings.model}, "
            f"which is written for {' and '.join(sorted(written_for))}"
        )
    check_params(name, settings)


def check_params(name: str, settings: Run) -> None:
    """Checks the parameters against the signatures of the model and of the framework's fit.

    What the signatures cannot say, the framework's schema.py checks, if it has one.
    """
    framework, params = settings.framework, settings.params
    fields: Any = read_fields(f"stages.models.{settings.model}", "build")
    fields |= read_fields(f"stages.frameworks.{framework}.fit", "fit")
    if path_of(f"stages.frameworks.{framework}.schema").exists():
        require_pins(framework)
        schema = import_module(f"stages.frameworks.{framework}.schema")
        try:
            schema.check_run(settings.layout, params, arguments=list(fields))
        except InputError as error:
            raise InputError(f"models.{name}.{error}") from None
        params = {key: value for key, value in params.items() if key in fields}
    validate(create_model("Params", __base__=Strict, **fields), params, "models", name, "params")
