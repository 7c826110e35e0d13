"""A trial: a run trained with other values of parameters, and what came of it."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.store.objects import hash_bytes

RAN, FROM_CACHE, FAILED, STOPPED = "ran", "from the cache", "failed", "stopped"

FOLD = re.compile(r"fold|data\.[^.]+\.folds")
NOBODY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Trial:
    """A run in params.yaml, and the values of parameters, by their dotted names there."""

    run: str
    values: Mapping[str, Any]

    def on_fold(self, dataset: str, folds: int, fold: int) -> "Trial":
        """The same values on one of the folds, from 1, of the data set of the run."""
        return Trial(self.run, {**self.values, f"data.{dataset}.folds": folds, "fold": fold})

    @property
    def chosen(self) -> dict[str, Any]:
        """The values that somebody chooses: which fold is held out is not one."""
        return {name: value for name, value in self.values.items() if not FOLD.fullmatch(name)}

    @property
    def folds(self) -> int:
        """The number of folds of which it has one; 0 without folds."""
        return next((value for name, value in self.values.items() if name.endswith(".folds")), 0)

    @property
    def fold(self) -> int:
        """Which of the folds it has; 0 without folds."""
        return int(self.values.get("fold", 0)) if self.folds else 0

    @property
    def name(self) -> str:
        """A short name, the same for all folds of the same values."""
        return hash_bytes(json.dumps([self.run, self.chosen], sort_keys=True).encode())[:7]


@dataclass(frozen=True)
class Outcome:
    """What came of a trial: `labels` and `predicted`, (n,), of its validation images.

    `probabilities` is (n, classes), or None if the model has none; `images` is the hash of these
    images, as in data/audit/DATASET.json. `key` is that of the run-cache record of the training;
    `reason` says why it failed or stopped; `curve` has the learning curve, one row per epoch, as
    far as it came; `where` is the machine of a cluster.
    """

    state: str
    key: str = ""
    labels: NDArray[np.int64] = field(default_factory=lambda: NOBODY)
    predicted: NDArray[np.int64] = field(default_factory=lambda: NOBODY)
    seconds: float = 0.0
    reason: str = ""
    probabilities: NDArray[np.float32] | None = None
    images: str = ""
    curve: tuple[Mapping[str, float], ...] = ()
    where: str = ""
