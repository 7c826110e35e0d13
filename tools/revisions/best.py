"""Which results of a run are not significantly worse than its best, on the validation images."""

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
from dvc.exceptions import DvcException
from dvc_data.index import DataIndexDirError
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.scoring.predictions import read_labels
from tools.revisions.recorded import read_audit
from tools.revisions.revision import Revision, open_revision
from tools.revisions.significance import find_not_worse

YES, NO = "yes", "no"
UNKNOWN = "?"  # its predictions are not in DVC's cache
OTHER_IMAGES = "other"  # than those of the others: not comparable

Result = tuple[str, str]  # a run, and a revision where it was trained


class Checked(NamedTuple):
    """The hash of the validation images, and which of them are right, (n,); None if unknown."""

    images: str
    right: NDArray[np.bool_] | None


NOTHING = Checked("", None)


class Mark(NamedTuple):
    """Which results have the same validation images as this one, and one of the words above.

    `YES` is as in `find_not_worse`.
    """

    group: int
    word: str


def find_best(
    results: Iterable[Result], reference: str, trials: Mapping[Result, Checked]
) -> dict[Result, Mark]:
    """The mark of each result, and of `trials`.

    Results are compared if their validation images are the same. Group 0 has those of the revision
    `reference`; an experiment with another seed or data set has other ones, and so have folds.
    """
    wanted: dict[str, set[str]] = {reference: set()}
    for run, revision in results:
        wanted.setdefault(revision, set()).add(run)
        wanted[reference].add(run)
    found = {
        (run, revision): one
        for revision, runs in sorted(wanted.items())
        for run, one in check_all(revision, sorted(runs)).items()
    } | dict(trials)
    marks = dict[Result, Mark]()
    groups = {(run, one.images): list[Result]() for (run, _), one in found.items()}
    for (run, revision), one in found.items():
        groups[run, one.images].append((run, revision))
    for number, ((run, images), group) in enumerate(groups.items(), start=1):
        right = {one: hits for one in group if (hits := found[one].right) is not None}
        if images == found.get((run, reference), NOTHING).images:
            number = 0
        comparable = images != "" and (number == 0 or len(right) > 1)
        words = dict.fromkeys(group, UNKNOWN if comparable or not images else OTHER_IMAGES)
        if comparable and right:
            words |= {one: YES if good else NO for one, good in find_not_worse(right).items()}
        marks |= {one: Mark(number, word) for one, word in words.items()}
    return marks


def check_all(revision: str, runs: list[str]) -> dict[str, Checked]:
    """What a revision has recorded of the validation images of runs."""
    try:
        with open_revision(revision) as opened:
            return {run: check(opened, run) for run in runs}
    except InputError:
        return dict.fromkeys(runs, NOTHING)


def check(revision: Revision, run: str) -> Checked:
    """What it has recorded of those of one run."""
    images, right = "", None
    try:
        dataset = revision.runs.get(run, {}).get("dataset", "")
        audit = read_audit(revision, dataset)["validation"]
        images = audit.get("sha256", "")
        labels, predicted = (
            read_labels(f"{revision.name}: {path}", revision.files.read_bytes(path))
            for path in (f"data/validation/{run}/{name}.npy" for name in ("labels", "predicted"))
        )
        if len(labels) == len(predicted) == audit["images"]:
            right = labels == predicted
    except (InputError, DvcException, DataIndexDirError, FileNotFoundError):
        pass
    return Checked(images, right)
