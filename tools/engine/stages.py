"""The names and kinds of stages in dvc.yaml."""

import yaml


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
