"""Which results of a run are not significantly worse than its best, on the validation images."""

from collections.abc import Hashable, Iterable
from typing import NamedTuple, TypeVar

import numpy as np
from dvc.exceptions import DvcException
from dvc_data.index import DataIndexDirError
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.scoring.predictions import read_labels
from tools.revisions.recorded import read_audit
from tools.revisions.revision import Revision, open_revision
from tools.revisions.significance import LEVEL, compare_accuracy, holm

YES, NO = "yes", "no"
UNKNOWN = "?"  # its predictions are not in DVC's cache
OTHER_IMAGES = "other"  # than those of the others: not comparable

Key = TypeVar("Key", bound=Hashable)
Result = tuple[str, str]  # a run, and a revision where it was trained


class Checked(NamedTuple):
    """The hash of the validation images, and which of them are right, (n,); None if unknown."""

    images: str
    right: NDArray[np.bool_] | None


def find_best(results: Iterable[Result], reference: str) -> dict[Result, str]:
    """One of the words above for each result; `YES` is as in `mark_best`.

    Results are compared if their validation images are those of the revision `reference`: an
    experiment with another seed or data set has other ones.
    """
    wanted: dict[str, set[str]] = {reference: set()}
    for run, revision in results:
        wanted.setdefault(revision, set()).add(run)
        wanted[reference].add(run)
    checked = {revision: check_all(revision, sorted(runs)) for revision, runs in wanted.items()}
    marks: dict[Result, str] = {}
    for run in sorted(wanted[reference]):
        images = checked[reference][run].images
        right = {}
        for revision in sorted(wanted):
            found = checked[revision].get(run)
            if found is None:
                continue
            comparable = found.images == images != ""
            marks[run, revision] = UNKNOWN if comparable or not found.images else OTHER_IMAGES
            if comparable and found.right is not None:
                right[run, revision] = found.right
        marks |= mark_best(right)
    return marks


def mark_best(right: dict[Key, NDArray[np.bool_]]) -> dict[Key, str]:
    """`YES` for the most accurate and all that are not significantly worse, `NO` for the others.

    `right` says which of the same images each has right, (n,). Others are compared with the most
    accurate by McNemar's exact test, with Holm's correction for their number.
    """
    if not right:
        return {}
    best = max(right, key=lambda key: right[key].mean())
    others = [key for key in right if key != best]
    p_values = holm([compare_accuracy(right[other], right[best]).p for other in others])
    worse = {other for other, p in zip(others, p_values, strict=True) if p < LEVEL}
    return {key: NO if key in worse else YES for key in right}


def check_all(revision: str, runs: list[str]) -> dict[str, Checked]:
    """What a revision has recorded of the validation images of runs."""
    try:
        with open_revision(revision) as opened:
            return {run: check(opened, run) for run in runs}
    except InputError:
        return dict.fromkeys(runs, Checked("", None))


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
