"""Reads what DVC tracks as parameters: `params.yaml`, and the pins in `pyproject.toml`."""

import tomllib
from copy import deepcopy
from functools import lru_cache
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from ruamel.yaml import YAML

from stages.runtime.errors import InputError
from stages.runtime.inputs import MB, reading, require_file
from stages.runtime.yaml_input import reading_yaml, require_small_yaml

PARAMETERS, PINS = Path("params.yaml"), Path("pyproject.toml")
LARGEST = MB  # bytes of a file of parameters
MOST_VALUES = 100_000  # in it, with every alias expanded
MISSING = object()
# What this process has read, by file and name; the name of a whole file is empty.
_values_read: dict[tuple[Path, str], Any] = {}


def read_parameters(path: Path = PARAMETERS) -> Any:
    """The whole file, read with DVC's own parser: others read `1e-3` as text."""
    return read_parameter("", path)


def read_parameter(name: str, path: Path = PARAMETERS) -> Any:
    """The value of a parameter; `name` is its keys joined by dots, e.g. `models.RUN.params`."""
    value = _find(name, path)
    if value is MISSING:
        raise InputError(f"{path} has no parameter {name}")
    _values_read.setdefault((path, name), value)
    return deepcopy(value)


def read_pins(*groups: str) -> list[Requirement]:
    """The pinned packages of these groups of `dependency-groups` in `pyproject.toml`."""
    names = (f"dependency-groups.{group}" for group in groups)
    return [Requirement(line) for name in names for line in read_parameter(name, PINS)]


def find_changed_parameter() -> str | None:
    """The file and name of a parameter that differs from when this process first read it."""
    for (path, name), before in _values_read.items():
        now = _find(name, path)
        if now != before:
            return f"{path}: {name_change(name, before, now)}"
    return None


def name_change(name: str, before: Any, now: Any) -> str:
    """The name of the parameter in which two values of the parameter `name` differ."""
    if isinstance(before, dict) and isinstance(now, dict):
        for key in before | now:
            inner = before.get(key, MISSING), now.get(key, MISSING)
            if inner[0] != inner[1]:
                return name_change(f"{name}.{key}" if name else str(key), *inner)
    return name


def _find(name: str, path: Path) -> Any:
    """The value of a parameter, or `MISSING`. Not to be written to."""
    kind, remedy = path.suffix[1:].upper(), "correct it, or take it from git"
    require_file(path, LARGEST, remedy)
    with reading(path, f"{kind} file", remedy):
        content = path.read_bytes()
    with reading_yaml(path, content, f"{kind} file", remedy):
        value = _parse_once(content, kind)
    for key in name.split(".") if name else ():
        if not isinstance(value, dict) or key not in value:
            return MISSING
        value = value[key]
    return value


@lru_cache(maxsize=4)
def _parse_once(content: bytes, kind: str) -> Any:
    """What a file contains; `params.yaml` takes 15 ms. Not to be written to."""
    text = content.decode()
    return tomllib.loads(text) if kind == "TOML" else parse(text)


def parse(text: str) -> Any:
    """The content of a YAML file; an error of ruamel.yaml, or a ValueError, if it is not valid."""
    require_small_yaml(YAML(typ="safe").parse(text), MOST_VALUES)
    return YAML(typ="safe").load(text)
