"""Values of parameters, by their dotted names in params.yaml."""

import copy
import json
from collections.abc import Mapping
from typing import Any

from stages.runtime.errors import InputError


def with_values(parameters: dict[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of `parameters` with other `values`.

    Raises:
        InputError: a name leads through something that has no names in it.
    """
    changed = copy.deepcopy(parameters)
    for name, value in values.items():
        *folders, last = name.split(".")
        place: Any = changed
        for folder in folders:
            place = place.setdefault(folder, {}) if isinstance(place, dict) else None
        if not isinstance(place, dict):
            raise InputError(f"params.yaml has no parameter {name}")
        place[last] = copy.deepcopy(value)
    return changed


def get_value(parameters: Mapping[str, Any], name: str) -> Any:
    """The value of a parameter; None if there is none."""
    value: Any = parameters
    for key in name.split("."):
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def show_values(values: Mapping[str, Any], run: str) -> str:
    """Values as a person would type them, with short names for the parameters of the run."""
    short = {name.removeprefix(f"models.{run}.params."): value for name, value in values.items()}
    return " ".join(f"{name}={show(value)}" for name, value in short.items()) or "as in params.yaml"


def show(value: Any) -> str:
    """A value as YAML has it, in one line, a text without quotes."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


TRAINING = ("validation_fraction", "folds", "training_images")  # what of a data set may vary


def require_may_vary(name: str, run: str, dataset: str, layout: str) -> None:
    """Refuses parameters on which the commands and files of stages depend, or the audit.

    Raises:
        InputError: a trial cannot have another value of the parameter `name`.
    """
    of_data = [f"data.{dataset}.{key}" for key in TRAINING]
    below = [f"models.{run}.params", "normalize"]
    of_layout = [f"features.{layout}.{key}" for key in ("pixels", "layers")]
    if name not in ["seed", "fold", *of_data, *of_layout] and not any(
        name.startswith(f"{one}.") for one in below
    ):
        raise InputError(
            f"{name} cannot vary in a trial of {run}, but what is in models.{run}.params and "
            "normalize can, and seed; for others, edit params.yaml and run `make repro`"
        )
