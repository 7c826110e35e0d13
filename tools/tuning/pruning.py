"""When a training is hopeless: it is worse after an epoch than half of those before it were.

Early stopping and ranking use different images. A recipe is stopped by what it does on the images
of one fold, and recipes are ranked by those of the other folds, where no training is cut short.
Else one that was lucky on these images would be trained longer, and ranked by the same luck.

Only trials of earlier batches count, so that it does not matter which training of a batch is the
first to end an epoch. The rule is that of Golovin et al. 2017 (Google Vizier: A Service for
Black-Box Optimization), section 3.2, with the best accuracy so far for the mean.
"""

from collections.abc import Mapping, Sequence
from itertools import accumulate
from statistics import median

WARM_UP = 5  # epochs that every training gets
FEWEST = 5  # trials to compare with

Curve = Sequence[float]


def read_curve(rows: Sequence[Mapping[str, float]]) -> list[float]:
    """The validation accuracy after each epoch, to the four digits that a log has."""
    return [float(f"{row['val_accuracy']:.4f}") for row in rows if "val_accuracy" in row]


def find_hopeless(curve: Curve, others: Sequence[Curve]) -> tuple[int, float] | None:
    """After how many epochs a training is hopeless, and the median that it misses; or None.

    That is when its best accuracy so far is below the median of the best of `others` so far.
    """
    best, known = [*accumulate(curve, max)], [[*accumulate(other, max)] for other in others]
    for epoch in range(WARM_UP, len(best) + 1):
        reached = [other[epoch - 1] for other in known if len(other) >= epoch]
        if len(reached) >= FEWEST and best[epoch - 1] < median(reached):
            return epoch, median(reached)
    return None
