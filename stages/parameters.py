"""Reading `params.yaml`."""

from pathlib import Path
from typing import Any

import yaml


def read_parameter(name: str, path: Path = Path("params.yaml")) -> Any:
    """The value of a parameter, `name` being its keys joined by dots: `models.RUN.params`."""
    value = yaml.safe_load(path.read_text(encoding="utf-8"))
    for key in name.split("."):
        value = value[key]
    return value
