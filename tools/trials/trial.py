"""A trial: a run trained with other values of parameters, and what came of it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

RAN, FROM_CACHE, FAILED, STOPPED = "ran", "from the cache", "failed", "stopped"

NOBODY = np.empty(0, dtype=np.int64)


@dataclass(frozen=True)
class Trial:
    """A run in params.yaml, and the values of parameters, by their dotted names there."""

    run: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class Outcome:
    """What came of a trial: `labels` and `predicted`, (n,), of its validation images.

    `probabilities` is (n, classes), or None if the model has none; `images` is the hash of these
    images, as in data/audit/DATASET.json. `key` is that of the run-cache record of the training;
    `reason` says why it failed or stopped; `curve` has the learning curve, one row per epoch, as
    far as it came.
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
