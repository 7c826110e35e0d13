"""The rows of a search: each recipe that was tried, and what came of it."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import sqrt

import numpy as np
from numpy.typing import NDArray

from tools.trials.trial import FAILED, Outcome
from tools.trials.values import show
from tools.tuning.space import Values, name_of

COMPLETE, STOPPED, REPEATED = "complete", "stopped", "repeated"
LOG = re.compile(r" \(logs/[^ ]*\)$")  # where a reason ends, with the place of a log

NONE = np.empty(0, dtype=np.bool_)


@dataclass(frozen=True)
class Row:
    """A recipe of a search: its number, its values, and what came of it.

    `right`, (n,), says which validation images it classifies correctly, fold after fold: the same
    images in each row. `curve` is the accuracy after each epoch on the images that only decide when
    to stop. A recipe that was asked for again has the results of the first, `same_as`.
    """

    number: int
    values: Values
    state: str
    right: NDArray[np.bool_] = field(default_factory=lambda: NONE)
    curve: tuple[float, ...] = ()
    reason: str = ""
    same_as: int | None = None

    @property
    def accuracy(self) -> float | None:
        """The share of correct images, over all folds."""
        return float(self.right.mean()) if len(self.right) else None

    @property
    def error(self) -> float | None:
        """The standard error of the accuracy, of which n images are a sample."""
        share = self.accuracy
        return None if share is None else sqrt(share * (1 - share) / len(self.right))


def to_row(number: int, values: Values, outcomes: Sequence[Outcome], curve: Sequence[float]) -> Row:
    """The row of a recipe, from what came of its folds, or of those before one that failed."""
    for outcome in outcomes:
        if outcome.state == FAILED:
            return Row(number, values, FAILED, reason=LOG.sub("", outcome.reason))
    right = np.concatenate([one.labels == one.predicted for one in outcomes])
    return Row(number, values, COMPLETE, right, tuple(curve))


def find_best(rows: Sequence[Row]) -> Row | None:
    """The most accurate recipe, the first of several; None if none is complete."""
    complete = [row for row in rows if row.state == COMPLETE]
    return max(complete, key=lambda row: row.accuracy or 0.0, default=None)


def describe_values(values: Values) -> str:
    """The values of a recipe in a few words: C=3.2 units=[64, 32]."""
    return " ".join(f"{name}={value}" for name, value in show_values(values).items())


def show_values(values: Values) -> Mapping[str, str]:
    """The values of a recipe as YAML has them, by name."""
    return {name_of(path): show(value) for path, value in values.items()}
