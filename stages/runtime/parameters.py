"""Reads what DVC tracks as parameters: `params.yaml`, and the pins in `pyproject.toml`."""

import tomllib
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from stages.runtime.errors import InputError


def read_parameters(path: Path = Path("params.yaml")) -> Any:
    """The whole file, read with DVC's own parser: others read `1e-3` as text."""
    try:
        return YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (YAMLError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: not valid YAML: {error}") from None


def read_parameter(name: str, path: Path = Path("params.yaml")) -> Any:
    """The value of a parameter; `name` is its keys joined by dots, e.g. `models.RUN.params`."""
    value = read_parameters(path)
    for key in name.split("."):
        if not isinstance(value, dict) or key not in value:
            raise InputError(f"{path} has no parameter {name}")
        value = value[key]
    return value


def read_pins(*groups: str) -> list[Requirement]:
    """The pinned packages of these groups of `dependency-groups` in `pyproject.toml`."""
    known = tomllib.loads(Path("pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]
    return [Requirement(line) for group in groups for line in known[group]]
