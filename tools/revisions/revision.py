"""A revision of the pipeline: a commit, an experiment or the workspace, read without a checkout."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import RevError, SCMError, resolve_rev
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem

from stages.runtime.errors import InputError
from stages.runtime.lock import Stages
from tools.engine.remember import remember_parsed
from tools.engine.repository import explain, find_project, is_shallow, require_commit
from tools.revisions.definitions import read_definitions, read_edited

WORKSPACE = "the workspace"


@dataclass(frozen=True)
class Revision:
    """Its display name, commit (empty: the workspace), files, parameters and dvc.lock."""

    name: str
    commit: str
    files: Any  # a file system of fsspec
    parameters: dict[str, Any]
    stages: Stages

    @property
    def runs(self) -> dict[str, Any]:
        """The runs of params.yaml."""
        return self.parameters["models"]


@contextmanager
def open_revision(name: str) -> Iterator[Revision]:
    """Opens a branch, tag, commit or experiment; the workspace if `name` is empty.

    Raises:
        InputError: there is no such revision, or it has no results of `dvc repro`.
    """
    remember_parsed()
    commit = find_commit(name) if name else ""
    title = name or WORKSPACE
    if commit and not commit.startswith(name):
        title = f"{name} ({commit[:7]})"
    parameters, stages = read_definitions(title, commit)
    place = find_project()[1] if commit else Path()
    is_part = place != Path()  # of a bigger repository
    with closing(DVCFileSystem(rev=commit or None, subrepos=is_part)) as files:
        own = DirFileSystem(str(place), files) if is_part else files
        yield Revision(title, commit, own, parameters, stages)


def read_workspace() -> Revision:
    """The files of this folder, as they are: nothing need have run, nor be in DVC's cache.

    Raises:
        InputError: DVC cannot read what is there.
    """
    files = DirFileSystem(str(Path.cwd()), LocalFileSystem())
    return Revision(WORKSPACE, "", files, *read_edited(WORKSPACE))


def find_commit(name: str, folder: Path | None = None) -> str:
    """The full hash of the commit that a branch, tag, experiment or short hash names.

    In the repository at `folder`, or that of the current folder.

    Raises:
        InputError: there is no such revision.
    """
    require_commit()
    try:
        with Repo(str(folder) if folder else None) as repo:
            return resolve_rev(repo.scm, name)
    except (RevError, SCMError):
        if is_shallow():
            raise InputError(
                f"{name}: no such revision in this clone, which is shallow; run `git fetch "
                "--unshallow`, or for a branch `git fetch origin BRANCH:BRANCH`"
            ) from None
        raise InputError(
            f"{name}: no such revision in this repository; choose a branch, tag, commit or "
            "experiment (see `git branch -a` and `dvc exp list --all`; a branch that is only "
            f"on the server is origin/{name})"
        ) from None
    except DvcException as error:
        raise InputError(explain(error)) from None


def classes_of(revision: Revision, run: str) -> list[str]:
    """The class names of a run's data set, in the order of its labels."""
    return name_classes(revision.parameters["data"][revision.runs[run]["dataset"]])


def name_classes(data: dict[str, Any]) -> list[str]:
    """The class names of a data set, from its parameters: a list, or a mapping from labels."""
    classes = data["classes"]
    return [*classes.values()] if isinstance(classes, dict) else classes


def recipe_of(revision: Revision, run: str) -> dict[str, Any]:
    """All parameters that a run's training depends on, except the seed, as JSON has them."""
    parameters = revision.parameters
    block = {key: value for key, value in parameters["models"][run].items() if key != "tune"}
    data = parameters["data"][block["dataset"]]
    recipe = {"model": block, "data": data, "normalize": parameters["normalize"]}
    if features := (parameters.get("features") or {}).get(block.get("layout")):
        recipe["features"] = {key: features.get(key) for key in ("backbone", "pixels", "layers")}
    as_json: dict[str, Any] = json.loads(json.dumps(recipe))  # labels become texts, as on disk
    return as_json
