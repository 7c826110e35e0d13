"""The stages in dvc.lock and dvc.yaml."""

from functools import lru_cache
from typing import Any

import yaml

from stages.runtime.errors import InputError

Stages = dict[str, dict[str, Any]]  # as in dvc.lock


@lru_cache(maxsize=2)
def read_lock(text: str) -> Stages:
    """The stages of a dvc.lock, in order; none if it is empty. Not to be written to.

    Raises:
        InputError: it is not a dvc.lock.
    """
    try:
        stages: Stages = (yaml.load(text, yaml.CSafeLoader) or {}).get("stages") or {}
    except (yaml.YAMLError, AttributeError):
        raise InputError("dvc.lock is damaged; run `make repro`, which restores it") from None
    return stages


def find_timed(text: str) -> set[str]:
    """The stages of a dvc.yaml that write wall-clock times, which differ in every run.

    They have `meta: {timed: true}`. The names are those before the @ of an instance.
    """
    stages = yaml.load(text, yaml.CSafeLoader)["stages"]
    return {
        name
        for name, stage in stages.items()
        if (stage.get("do", stage).get("meta") or {}).get("timed")
    }


def kind_of(name: str) -> str:
    """The name of a stage in dvc.yaml: `train` for `train@RUN`."""
    return name.partition("@")[0]
