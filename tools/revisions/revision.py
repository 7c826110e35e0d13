"""A revision of the pipeline: a commit, an experiment or the workspace, read without a checkout."""

import json
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from dvc.api import DVCFileSystem
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.scm import RevError, SCMError, resolve_rev
from fsspec.implementations.dirfs import DirFileSystem
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.runtime.files import NUMBER, require_values
from stages.runtime.inputs import reading
from stages.runtime.lock import Stages
from stages.scoring.predictions import read_predictions, read_probabilities
from tools.engine.repository import explain, find_project, is_shallow, require_commit
from tools.revisions.definitions import read_definitions
from tools.revisions.significance import Answers
from tools.store.objects import hash_bytes

NOISE = "docs/noise/{run}.json"  # what `make noise` measured


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
    commit = find_commit(name) if name else ""
    title = name or "the workspace"
    if commit and not commit.startswith(name):
        title = f"{name} ({commit[:7]})"
    parameters, stages = read_definitions(title, commit)
    place = find_project()[1] if commit else Path()
    is_part = place != Path()  # of a bigger repository
    with closing(DVCFileSystem(rev=commit or None, subrepos=is_part)) as files:
        own = DirFileSystem(str(place), files) if is_part else files
        yield Revision(title, commit, own, parameters, stages)


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
    block = parameters["models"][run]
    data = parameters["data"][block["dataset"]]
    recipe = {"model": block, "data": data, "normalize": parameters["normalize"]}
    as_json: dict[str, Any] = json.loads(json.dumps(recipe))  # labels become texts, as on disk
    return as_json


def read_noise(revision: Revision, run: str) -> dict[str, Any] | None:
    """`recipe`, `seeds` and `accuracy` of a run from `make noise`; None if not measured."""
    path = NOISE.format(run=run)
    if not revision.files.isfile(path):
        return None
    return read_json(revision, path, recipe=dict, accuracy=list)


def read_scores(revision: Revision, run: str) -> dict[str, float]:
    """The metrics of a run."""
    scores: dict[str, float] = read_json(revision, f"metrics/{run}.json", accuracy=NUMBER)
    return scores


def read_audit(revision: Revision, dataset: str) -> dict[str, Any]:
    """The audit of a data set: for each split `images`, `sha256`, `classes` and more."""
    path = f"data/audit/{dataset}.json"
    until_november_2026 = f"metrics/audit/{dataset}.json"
    if revision.files.isfile(until_november_2026):
        path = until_november_2026
    return read_json(revision, path, test=dict)


def read_answers(revision: Revision, run: str) -> tuple[NDArray[np.int64], Answers]:
    """The labels of the test images, int64 (n,), and the predictions of the run's model.

    Without the probabilities, which `read_run_probabilities` reads.

    Raises:
        InputError: the predictions are missing, or their classes are not those of params.yaml.
    """
    path = f"plots/{run}/predictions.csv"
    name, text = f"{revision.name}: {path}", read_text(revision, path)
    labels, predicted = read_predictions(name, text, classes_of(revision, run))
    return labels, Answers(predicted, None)


def read_run_probabilities(revision: Revision, run: str, images: int) -> NDArray[np.float32] | None:
    """Probabilities, (images, classes), or None if the model has none.

    From the workspace, DVC's cache or its remote.

    Raises:
        InputError: they are in none of these, have other content than dvc.lock names, or are for
            another number of images.
    """
    path = f"data/probabilities/{run}.npy"
    known = [out for stage in revision.stages.values() for out in stage.get("outs", [])]
    try:
        content = revision.files.read_bytes(path)
        if revision.commit and hash_bytes(content) not in {one["md5"] for one in known}:
            raise InputError(
                f"{revision.name}: {path} has other content than dvc.lock names; run "
                "`dvc checkout --allow-missing`"
            )
        return read_probabilities(f"{revision.name}: {path}", content, images)
    except (FileNotFoundError, DvcException):
        raise InputError(
            f"{revision.name}: {path} is not in DVC's cache; run `make pull` to get it, or "
            "`dvc repro` to recreate it"
        ) from None


def read_json(revision: Revision, path: str, **kinds: Any) -> dict[str, Any]:
    """The values of a JSON file that is in git, among them some of these kinds.

    Raises:
        InputError: it is missing, or not one.
    """
    name, remedy = f"{revision.name}: {path}", "run `dvc repro` there and commit"
    with reading(name, "JSON file", remedy):
        content: dict[str, Any] = json.loads(read_text(revision, path))
    require_values(name, content, kinds, remedy)
    return content


def read_text(revision: Revision, path: str) -> str:
    """The text of a file that is in git.

    Raises:
        InputError: it is missing.
    """
    try:
        text: str = revision.files.read_text(path, encoding="utf-8")
    except FileNotFoundError:
        raise InputError(
            f"{revision.name} has no {path}; run `dvc repro` there and commit"
        ) from None
    return text
