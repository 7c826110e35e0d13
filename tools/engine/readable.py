"""The files that DVC reads, checked before it does: its own errors have no place and no remedy."""

from collections.abc import Iterator
from pathlib import Path

import yaml

from stages.runtime.inputs import reading, require_file
from stages.runtime.lock import read_lock_file
from stages.runtime.parameters import LARGEST, MOST_VALUES, PARAMETERS, read_parameters
from stages.runtime.yaml_input import reading_yaml, require_small_yaml
from tools.engine.names import require_names

PIPELINES = (Path("dvc.yaml"), Path("data/dvc.yaml"))
LOCKS = tuple(path.with_suffix(".lock") for path in PIPELINES)
KIND = "file of DVC"
REMEDY = "correct it, or take it from git"


def require_readable(locks: bool = True) -> None:
    """Refuses what DVC cannot read, with the place, and names that a shell or a path would take.

    Without `locks`, no dvc.lock: `make repro` restores one that a kill has cut off.

    Raises:
        InputError: a file is not valid, or would become endless values.
    """
    if PARAMETERS.exists():
        require_names(read_parameters())
    for path in list_definitions():
        require_file(path, LARGEST, REMEDY)
        with reading(path, KIND, REMEDY):
            content = path.read_bytes()
        require_yaml(str(path), content, REMEDY)
    for path in LOCKS if locks else ():
        read_lock_file(path)


def list_definitions() -> Iterator[Path]:
    """The files that say what DVC runs, and what it keeps for `dvc add`."""
    yield from (path for path in PIPELINES if path.exists())
    for folder in (Path(), Path("data")):
        yield from (path for path in sorted(folder.glob("*.dvc")) if path.is_file())


def require_yaml(name: str, content: str | bytes, remedy: str, can_edit: bool = True) -> None:
    """Refuses what is not YAML, as `reading_yaml` does, without making values of it."""
    with reading_yaml(name, content, KIND, remedy, can_edit):
        require_small_yaml(yaml.parse(content, yaml.CSafeLoader), MOST_VALUES)
