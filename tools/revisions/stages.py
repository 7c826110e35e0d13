"""What dvc.lock and dvc.yaml say of stages."""

from typing import Any

import yaml

Stages = dict[str, dict[str, Any]]  # as in dvc.lock


def read_lock(text: str) -> Stages:
    """The stages of a dvc.lock, in their order there; none if it is empty."""
    stages: Stages = (yaml.load(text, yaml.CSafeLoader) or {}).get("stages", {})
    return stages


def find_timed(text: str) -> set[str]:
    """The stages of a dvc.yaml that write wall-clock times, which differ with every run.

    They have `meta: {timed: true}`. Names are those before the @ of an instance.
    """
    stages = yaml.load(text, yaml.CSafeLoader)["stages"]
    return {
        name
        for name, stage in stages.items()
        if (stage.get("do", stage).get("meta") or {}).get("timed")
    }


def kind_of(name: str) -> str:
    """The name in dvc.yaml of a stage: `train` of `train@RUN`."""
    return name.partition("@")[0]
