"""Whether a run came out again as recorded, and what it means if it did not."""

from pathlib import Path

import numpy as np

from stages.profile import name_processor
from stages.runtime.files import read_bytes
from stages.runtime.parameters import read_parameters
from stages.scoring.predictions import read_predictions
from tools.ci.verify_accuracies import other_accuracy
from tools.results import read_processor
from tools.revisions.markdown import code, tabulate_cells
from tools.revisions.revision import name_classes
from tools.verification.again import Again, Difference
from tools.verification.commit import Commit

VERIFIED, NOT_VERIFIED, OTHER_PROCESSOR = 0, 1, 3  # exit statuses


def judge(commit: Commit, run: str, again: Again) -> tuple[int, str]:
    """An exit status, and a text that says what came out and on which processor.

    OTHER_PROCESSOR says that bytes differ for a reason that may be harmless: the processor has
    another name than that of the commit, and the accuracy is within its committed interval.
    """
    here, recorded_on = name_processor(), read_processor(run)
    there = code(recorded_on) if recorded_on else "an unknown processor"
    ran = f"{', '.join(again.stages)} ran again on {code(here)}; recorded on {there}."
    if not again.differences:
        as_recorded = f"All {len(again.outs)} outputs are as {commit.name} has them"
        return VERIFIED, f"**Verified: `{run}`.** {as_recorded}. {ran}\n"
    rows = [[code(one.path), describe_recorded(one), code(one.made)] for one in again.differences]
    table = tabulate_cells(rows, ["output", f"MD5 in {commit.name}", "MD5 here"])
    wrong = other_accuracy(run, find_made(commit, again, Path("metrics", f"{run}.json")))
    said = [compare_predictions(commit, run, again), *(f"{line}." for line in wrong)]
    status, meaning = NOT_VERIFIED, "The same processor should give the same bytes."
    if recorded_on != here:
        meaning = (
            "Another kind of processor may give other last digits (docs/processors.md): run this "
            f"on {there}."
        )
        status = NOT_VERIFIED if wrong else OTHER_PROCESSOR
    return status, "\n".join(
        [
            f"**Not verified: `{run}`.** {ran}\n",
            f"{table}\n",
            f"{' '.join([*said, meaning])}\n",
        ]
    )


def describe_recorded(difference: Difference) -> str:
    """The MD5 that dvc.lock records, and that of the file in git if it is another one."""
    if difference.committed in (None, difference.recorded):
        return code(difference.recorded)
    return f"{code(difference.recorded)} in dvc.lock, {code(difference.committed)} in git"


def compare_predictions(commit: Commit, run: str, again: Again) -> str:
    """How the predictions for the test images differ from those in git, in words."""
    parameters = read_parameters()
    classes = name_classes(parameters["data"][parameters["models"][run]["dataset"]])
    path = Path("plots", run, "predictions.csv")
    (actual, now), (committed_actual, committed) = (
        read_predictions(path, read_bytes(one).decode(), classes)
        for one in (find_made(commit, again, path), path)
    )
    if not np.array_equal(actual, committed_actual):
        return f"{path} in {commit.name} is of other test images."
    return (
        f"{np.count_nonzero(now != committed)} of {len(now):,} test images get another prediction "
        f"than in {commit.name}; {np.mean(now == actual):.4f} of all are right, there "
        f"{np.mean(committed == actual):.4f}."
    )


def find_made(commit: Commit, again: Again, path: Path) -> Path:
    """Where a file is that a stage has written again."""
    return commit.site.depot.find(again.outs[path.as_posix()][""].md5)
