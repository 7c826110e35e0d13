"""Which results of a run are not significantly worse than its best, on the validation images."""

from collections.abc import Iterable
from itertools import groupby

import numpy as np
from dvc.exceptions import DvcException
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.scoring.predictions import read_labels
from tools.revisions.revision import open_revision
from tools.revisions.significance import LEVEL, compare_accuracy, holm

Result = tuple[str, str]  # a run, and a revision where it was trained


def find_best(results: Iterable[Result]) -> dict[Result, str]:
    """For each result `yes` or `no`, or `?` if its predictions are not in DVC's cache.

    The best of a run is the most accurate. Others are compared with it by McNemar's exact test,
    with Holm's correction for their number.
    """
    marks: dict[Result, str] = {}
    for run, group in groupby(sorted(set(results)), key=lambda result: result[0]):
        right = {result: read_right(result[1], run) for result in group}
        marks |= {result: "?" for result, known in right.items() if known is None}
        known = {result: hits for result, hits in right.items() if hits is not None}
        if not known:
            continue
        best = max(known, key=lambda result: known[result].mean())
        others = [result for result in known if result != best]
        p_values = [
            compare_accuracy(known[best], known[other]).p
            if len(known[best]) == len(known[other])
            else 0.0
            for other in others
        ]
        marks |= {best: "yes"}
        for other, p in zip(others, holm(p_values), strict=True):
            marks[other] = "no" if p < LEVEL else "yes"
    return marks


def read_right(revision: str, run: str) -> NDArray[np.bool_] | None:
    """Which validation images a run classifies correctly, (n,); None if nobody knows."""
    try:
        with open_revision(revision) as opened:
            folder = f"data/validation/{run}"
            labels, predicted = (
                read_labels(f"{opened.name}: {folder}/{name}.npy", opened.files.read_bytes(path))
                for name in ("labels", "predicted")
                for path in [f"{folder}/{name}.npy"]
            )
    except (InputError, DvcException, FileNotFoundError):
        return None
    return labels == predicted if len(labels) == len(predicted) else None
