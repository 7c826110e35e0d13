"""Whether two models differ significantly on the same test images."""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import scipy  # which imports scipy.stats, half a second, when it is first used
from numpy.typing import NDArray

from stages.scoring.metrics import METRICS

LEVEL = 0.05  # below it, p is significant; the intervals are at 1 - LEVEL
RESAMPLES = 1999

Key = TypeVar("Key", bound=Hashable)


@dataclass(frozen=True)
class Answers:
    """Predictions for n images: `predicted` (n,), `probabilities` (n, classes) or None."""

    predicted: NDArray[np.int64]
    probabilities: NDArray[np.float32] | None


@dataclass(frozen=True)
class Difference:
    """A metric of two models on the same images; `low` to `high`: 95% interval of `after - before`.

    `lost` images were right before and are wrong after, `gained` images the reverse.
    """

    before: float
    after: float
    low: float
    high: float
    p: float
    lost: int
    gained: int


def compare_accuracy(right_before: NDArray[np.bool_], right_after: NDArray[np.bool_]) -> Difference:
    """The exact McNemar test on arrays (n,) that say which of the same images were right.

    If the models do not differ, each is equally likely to be the one that is right on a discordant
    image: the number of `gained` among these is binomial, with probability 1/2 (McNemar 1947). The
    interval of the difference follows from that of this share, by Clopper and Pearson, times the
    share of discordant images (Armitage and Berry 1994, paired proportions). So it excludes 0
    exactly if p is below 5%.
    """
    gained = int(np.sum(~right_before & right_after))
    lost = int(np.sum(right_before & ~right_after))
    low = high = 0.0
    p = 1.0
    if gained + lost:
        test = scipy.stats.binomtest(gained, gained + lost)
        interval = test.proportion_ci(1 - LEVEL, method="exact")
        scale = (gained + lost) / len(right_before)
        low, high = ((2 * share - 1) * scale for share in (interval.low, interval.high))
        p = test.pvalue
    before, after = float(right_before.mean()), float(right_after.mean())
    return Difference(before, after, float(low), float(high), float(p), lost, gained)


def compare_metric(
    name: str, labels: NDArray[np.int64], before: Answers, after: Answers
) -> Difference:
    """A metric of `METRICS` for two models on the same images, whose labels are (n,).

    Accuracy uses `compare_accuracy`. Other metrics use a paired permutation test, which swaps the
    two models' predictions for an image, and a percentile bootstrap over images for the interval.
    """
    metric = METRICS[name].function
    exact = compare_accuracy(before.predicted == labels, after.predicted == labels)
    if name == "accuracy":
        return exact

    def score(models: NDArray[np.int64]) -> float:  # (n,): per image, 0: before, 1: after
        of_after = models.astype(bool)
        predicted = np.where(of_after, after.predicted, before.predicted)
        if before.probabilities is None or after.probabilities is None:
            return metric(labels, predicted, None)
        probabilities = np.where(of_after[:, None], after.probabilities, before.probabilities)
        return metric(labels, predicted, probabilities)

    def gain(images: NDArray[np.int64]) -> float:
        old, new = (
            metric(
                labels[images],
                model.predicted[images],
                None if model.probabilities is None else model.probabilities[images],
            )
            for model in (before, after)
        )
        return new - old

    ones = np.ones(len(labels), dtype=np.int64)
    test = scipy.stats.permutation_test(
        (0 * ones, ones),
        lambda x, y: score(y) - score(x),
        permutation_type="samples",
        vectorized=False,
        n_resamples=RESAMPLES,
        rng=np.random.default_rng(0),
    )
    interval = scipy.stats.bootstrap(
        (np.arange(len(labels)),),
        gain,
        vectorized=False,
        n_resamples=RESAMPLES,
        confidence_level=1 - LEVEL,
        method="percentile",
        rng=np.random.default_rng(0),
    ).confidence_interval
    low, high = float(interval.low), float(interval.high)
    return Difference(
        score(0 * ones), score(ones), low, high, float(test.pvalue), exact.lost, exact.gained
    )


def show_p(p: float) -> str:
    """A p value with four decimals, of a smaller one that it is smaller."""
    return "<0.0001" if p < 0.0001 else f"{p:.4f}"


def holm(p_values: list[float]) -> list[float]:
    """P values, corrected for multiple testing by Holm's method (Holm 1979).

    If nothing differs at all, the chance that any of them is below a level is at most that level.
    """
    from statsmodels.stats.multitest import multipletests  # 0.2 s

    return [float(p) for p in multipletests(p_values, method="holm")[1]] if p_values else []


def find_not_worse(right: Mapping[Key, NDArray[np.bool_]]) -> dict[Key, bool]:
    """Which of several models are not significantly worse than the best of them, the first of ties.

    `right` says for each which of the same images it classifies correctly, (n,). Each is compared
    with the most accurate by `compare_accuracy`, with Holm's correction.
    """
    best = max(right, key=lambda key: float(right[key].mean()))
    others = [key for key in right if key != best]
    p_values = [compare_accuracy(right[best], right[key]).p for key in others]
    return {best: True} | {key: p >= LEVEL for key, p in zip(others, holm(p_values), strict=True)}
