"""The stages in dvc.lock and dvc.yaml."""

from functools import lru_cache
from pathlib import Path
from typing import Any

import yaml

from stages.runtime.inputs import MB, reading, require_file, require_small

LOCK = Path("dvc.lock")
LARGEST = 100 * MB  # bytes
REMEDY = "run `make repro`, which restores it"
MOST_VALUES = 1_000_000  # in a dvc.lock; this pipeline's has 6,000
Stages = dict[str, dict[str, Any]]  # as in dvc.lock


@lru_cache(maxsize=2)
def read_lock(text: str) -> Stages:
    """The stages of a dvc.lock, in order; none if it is empty. Not to be written to.

    Raises:
        InputError: it is not a dvc.lock.
    """
    with reading("dvc.lock", "lock file of DVC", REMEDY):
        stages: Stages = (parse(text) or {}).get("stages") or {}
        for stage in stages.values():
            for entry in [*stage.get("deps", []), *stage.get("outs", [])]:
                entry["path"], entry["md5"]
    return stages


def read_lock_file(path: Path = LOCK) -> Stages:
    """The stages of a dvc.lock in the workspace, as `read_lock` reads them; none if it is missing.

    Raises:
        InputError: it is not a dvc.lock.
    """
    if not path.exists():
        return {}
    require_file(path, LARGEST, REMEDY)
    with reading(path, "lock file of DVC", REMEDY):
        return read_lock(path.read_text(encoding="utf-8"))


def parse(text: str | bytes) -> Any:
    """The content of a YAML file; a ValueError or YAMLError if it is not valid or too large."""
    require_small(yaml.parse(text, yaml.CSafeLoader), MOST_VALUES)
    return yaml.load(text, yaml.CSafeLoader)


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
