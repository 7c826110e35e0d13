"""A temporary clone of this repository in which nothing has run yet."""

import filecmp
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from dvc.utils.serialize import modify_yaml

from stages.runtime.errors import InputError
from stages.runtime.parameters import read_parameters
from tools.engine.programs import call
from tools.engine.repository import find_project

LOCK = "requirements.lock"


@contextmanager
def clone(full: bool) -> Iterator[Path]:
    """Yields a clone of the last commit, without results, that shares this .venv.

    With `full`, its data sets are the full ones, copied from here or else downloaded.

    Raises:
        InputError: the committed requirements.lock does not match this .venv.
    """
    with TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        root, place = find_project()
        call(Path.cwd(), "git", "clone", "--quiet", root, Path(temporary, "clone"))
        folder = Path(temporary, "clone", place)
        if not filecmp.cmp(folder / LOCK, Path(sys.prefix) / LOCK, shallow=False):
            # `make setup` in the clone would recreate the .venv, which the workspace uses too
            raise InputError(
                f"the committed {LOCK} does not match .venv; commit it and run `make setup`"
            )
        (folder / ".venv").symlink_to(sys.prefix)
        (folder / "dvc.lock").unlink(missing_ok=True)
        for results in ("metrics", "plots"):
            shutil.rmtree(folder / results, ignore_errors=True)
        if full:
            bring_full_data(folder)
        yield folder


def bring_full_data(folder: Path) -> None:
    """Copies or downloads the full data into a clone, and sets their paths in params.yaml."""
    for name in ("data/full", "data/downloads"):
        if Path(name).exists():
            shutil.copytree(name, folder / name)
    datasets = read_parameters(folder / "params.yaml")["data"]
    call(folder, "dvc", "repro", *(f"data/dvc.yaml:fetch@{dataset}" for dataset in datasets))
    for dataset in datasets:
        set_parameter(folder, f"data.{dataset}.path", f"data/full/{dataset}")


def set_parameter(folder: Path, name: str, value: Any) -> None:
    """Edits params.yaml in a clone; `name` is the keys joined by dots."""
    *path, last = name.split(".")
    with modify_yaml(folder / "params.yaml") as parameters:
        for key in path:
            parameters = parameters[key]
        parameters[last] = value
