"""Probabilities of classes, by models that were not trained on the image in question."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.runtime.files import REMEDY, read_bytes
from stages.runtime.unchanged import is_recorded
from stages.scoring.predictions import read_probabilities
from tools.labels.images import Images
from tools.revisions.recorded import PROBABILITIES
from tools.trials.assignments import in_folds
from tools.trials.bench import Bench
from tools.trials.lab import open_lab
from tools.trials.results import identify_images
from tools.trials.run import run_trials
from tools.trials.trial import FAILED, Trial


def cross_validate(
    run: str,
    dataset: str,
    images: Images,
    folds: int,
    jobs: int | None,
    report: Callable[[], None],
    bench: Bench | None,
) -> NDArray[np.float64]:
    """Probabilities of `images`, (n, classes), each by a model that was trained on other folds.

    Images with the same pixels have the mean of theirs. `report` is called after each training.

    Raises:
        InputError: a training fails, or `images` are not those that it is given.
    """
    trials = in_folds(Trial(run, {}), dataset, folds)
    with open_lab(run) as lab:
        outcomes = run_trials(lab, trials, jobs, lambda number, outcome: report(), cluster=bench)
        for trial, outcome in zip(trials, outcomes, strict=True):
            if outcome.state == FAILED:
                raise InputError(f"{run}, fold {trial.fold} of {folds}: {outcome.reason}")
        names = np.concatenate([identify_images(lab, trial) for trial in trials])
    different, which = np.unique(names, return_inverse=True)
    if not np.isin(images.names, different).all():
        raise InputError(f"data/raw/{dataset} is not as params.yaml says; run `make repro`")
    answers = np.concatenate([np.asarray(one.probabilities, np.float64) for one in outcomes])
    sums = np.zeros((len(different), answers.shape[1]))
    np.add.at(sums, which, answers)
    return normalize(sums[np.searchsorted(different, images.names)])


def read_test_probabilities(run: str, images: int) -> NDArray[np.float64] | None:
    """What the model of a run answers for the test images, (n, classes); None: no probabilities.

    Raises:
        InputError: the file is missing, damaged, not of as many images, or not as in dvc.lock.
    """
    path = Path(PROBABILITIES.format(run=run))
    found = read_probabilities(path, read_bytes(path), images)
    if not is_recorded(path):
        raise InputError(f"{path}: dvc.lock does not name it; run `make repro`")
    if found is None:
        return None
    if not np.isfinite(found).all():
        raise InputError(f"{path}: a value is not a finite number; {REMEDY}")
    return found.astype(np.float64)


def average(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    """The mean of the probabilities of several models, (n, classes)."""
    return normalize(np.sum(parts, axis=0))


def normalize(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows, (n, classes), with a sum of 1 each."""
    divided: NDArray[np.float64] = rows / rows.sum(axis=1, keepdims=True)
    return divided
