"""What dvc.lock records of each stage."""

import os
from functools import lru_cache
from pathlib import Path
from typing import Any

from stages.runtime.inputs import MB, reading, require_file
from stages.runtime.yaml_input import reading_yaml, require_small_yaml

Stages = dict[str, dict[str, Any]]  # as in dvc.lock

LOCK = Path("dvc.lock")
LARGEST = 100 * MB  # bytes
MOST_VALUES = 1_000_000  # in it; this pipeline's has 6,000
REMEDY = "run `make repro`, which restores it"
KIND = "lock file of DVC"


def read_lock_file(path: Path = LOCK) -> Stages:
    """The stages of a dvc.lock in the workspace, as `read_lock` reads them; none if it is missing.

    Raises:
        InputError: it is not a dvc.lock.
    """
    if not os.path.lexists(path):
        return {}
    require_file(path, LARGEST, REMEDY)
    with reading(path, KIND, REMEDY):
        content = path.read_bytes()
    return read_lock(content, str(path))


def read_lock(content: str | bytes, name: str = str(LOCK), remedy: str = "") -> Stages:
    """The stages of a dvc.lock, in order; none if it is empty. Not to be written to.

    `remedy` is what a person can do about one that is in a commit, and has the `name`.

    Raises:
        InputError: it is not a dvc.lock.
    """
    with reading_yaml(name, content, KIND, remedy or REMEDY, can_edit=not remedy):
        stages: Stages = (parse_once(content) or {}).get("stages") or {}
        for stage in stages.values():
            for entry in [*stage.get("deps", []), *stage.get("outs", [])]:
                if not isinstance(entry["path"], str) or not isinstance(entry["md5"], str):
                    raise ValueError(f"{entry!r:.40}")
    return stages


def find_hash(path: Path) -> str | None:
    """The MD5 that dvc.lock records of an output, or None if it names no such output."""
    name = Path(os.path.relpath(path)).as_posix()
    outputs = (out for stage in read_lock_file().values() for out in stage.get("outs", []))
    return next((out["md5"] for out in outputs if out["path"] == name), None)


@lru_cache(maxsize=2)
def parse_once(content: str | bytes) -> Any:
    """As `parse`. Not to be written to."""
    return parse(content)


def parse(text: str | bytes) -> Any:
    """The content of a YAML file that DVC wrote, read in C: three times as fast as ruamel.yaml.

    Raises:
        yaml.YAMLError: it is not valid.
        ValueError: it is not valid, or too large.
    """
    import yaml  # 15 ms, which most stages need not wait for

    require_small_yaml(yaml.parse(text, yaml.CSafeLoader), MOST_VALUES)
    try:
        return yaml.load(text, yaml.CSafeLoader)
    except (LookupError, AttributeError, TypeError) as error:  # of a value with a wrong !!tag
        raise ValueError(f"a value that is not of its type ({error})") from None
