"""The statistics of a review agree with hand calculations, published values and statsmodels."""

from itertools import product

import numpy as np
import pytest
from numpy.typing import NDArray
from statsmodels.stats.contingency_tables import mcnemar

from stages.scoring.metrics import METRICS
from tools.revisions.significance import (
    Answers,
    compare_accuracy,
    compare_metric,
    find_not_worse,
    holm,
)

RANDOM = np.random.default_rng(0)


def right(both: int, lost: int, gained: int, neither: int) -> tuple[NDArray[np.bool_], ...]:
    """Which images were right before and after, by the counts of the four cases."""
    counts = [both, lost, gained, neither]
    return np.repeat([True, True, False, False], counts), np.repeat(
        [True, False, True, False], counts
    )


def test_mcnemar_by_hand() -> None:
    # 2 lost and 8 gained: twice the chance of at most 2 heads in 10 throws.
    difference = compare_accuracy(*right(85, 2, 8, 5))
    assert difference.p == pytest.approx(2 * (1 + 10 + 45) / 2**10)
    assert (difference.before, difference.after) == (0.87, 0.93)
    assert (difference.lost, difference.gained) == (2, 8)


def test_mcnemar_as_published() -> None:
    # Armitage and Berry, Statistical Methods in Medical Research, 1994, p. 127: 20, 12, 2, 16.
    # Liddell's exact p is 0.0129; the ratio of discordant pairs has the interval 1.3357 to 55.1971.
    difference = compare_accuracy(*right(20, 2, 12, 16))
    assert difference.p == pytest.approx(0.0129, abs=5e-5)
    low, high = (ratio / (1 + ratio) for ratio in (1.335744, 55.197091))
    assert difference.low == pytest.approx((2 * low - 1) * 14 / 50, abs=1e-6)
    assert difference.high == pytest.approx((2 * high - 1) * 14 / 50, abs=1e-6)


def test_mcnemar_as_in_statsmodels() -> None:
    for _ in range(50):
        both, lost, gained, neither = RANDOM.integers(0, 40, 4)
        table = [[both, lost], [gained, neither]]
        ours = compare_accuracy(*right(both, lost, gained, neither))
        assert ours.p == pytest.approx(mcnemar(table, exact=True).pvalue)


@pytest.mark.slow  # many inputs
def test_the_interval_leaves_out_zero_exactly_where_p_is_below_five_percent() -> None:
    for lost, gained in product(range(25), repeat=2):
        difference = compare_accuracy(*right(60, lost, gained, 40))
        assert (difference.p < 0.05) == (difference.low > 0 or difference.high < 0), (lost, gained)
        gain = difference.after - difference.before
        assert difference.low - 1e-9 <= gain <= difference.high + 1e-9


def test_without_discordant_images_nothing_is_claimed() -> None:
    difference = compare_accuracy(*right(3, 0, 0, 2))
    assert (difference.low, difference.high, difference.p) == (0, 0, 1)


def test_holm_by_hand() -> None:
    # Sorted 0.01, 0.03, 0.04: times 3, 2, 1, and none smaller than the one before.
    assert holm([0.04, 0.01, 0.03]) == pytest.approx([0.06, 0.03, 0.06])
    assert holm([]) == []


LABELS = np.repeat(np.arange(4), 50)


def answers(sure: float, wrong: int) -> Answers:
    """A model with confidence `sure` throughout, whose first `wrong` predictions are wrong."""
    predicted = LABELS.copy()
    predicted[:wrong] = (predicted[:wrong] + 1) % 4
    probabilities = np.full((len(LABELS), 4), (1 - sure) / 3, dtype=np.float32)
    probabilities[np.arange(len(LABELS)), predicted] = sure
    return Answers(predicted, probabilities)


@pytest.mark.parametrize("metric", METRICS)
def test_a_real_difference_is_found_in_every_metric(metric: str) -> None:
    difference = compare_metric(metric, LABELS, answers(0.9, wrong=0), answers(0.9, wrong=60))
    assert difference.p < 0.05
    gain = difference.after - difference.before
    assert difference.low - 1e-9 <= gain <= difference.high + 1e-9
    assert difference.low > 0 or difference.high < 0


@pytest.mark.parametrize("metric", [name for name in METRICS if name != "accuracy"])
def test_a_model_does_not_differ_from_itself(metric: str) -> None:
    difference = compare_metric(metric, LABELS, answers(0.9, wrong=20), answers(0.9, wrong=20))
    assert difference.p == 1
    assert difference.low == difference.high == 0


@pytest.mark.slow  # many inputs
def test_chance_is_not_taken_for_a_difference() -> None:
    # Two models that are each right on a random nine tenths: the exact test errs on the safe side.
    found = [
        compare_accuracy(RANDOM.random(200) < 0.9, RANDOM.random(200) < 0.9).p < 0.05
        for _ in range(1000)
    ]
    assert 0 < np.mean(found) < 0.05


BEST = np.arange(100) < 90  # which of 100 images are right


def less(lost: int, gained: int = 0) -> NDArray[np.bool_]:
    """As BEST, without the first `lost`, and with the last `gained`."""
    images = np.arange(100)
    return (images >= lost) & (BEST | (images >= 100 - gained))


@pytest.mark.slow  # many inputs
def test_what_is_not_significantly_worse_than_the_best() -> None:
    # 6 lost: p is twice 1/2^6, 0.031. 5 lost: 0.063. 8 lost, 2 gained: 0.109.
    for other, good in ((less(6), False), (less(5), True), (less(8, 2), True)):
        assert find_not_worse({"other": other, "best": BEST}) == {"best": True, "other": good}
    # 6 images less accurate as well, but 14 lost, 8 gained.
    assert find_not_worse({"best": BEST, "different": less(14, 8)})["different"]
    assert find_not_worse({"alone": BEST}) == {"alone": True}


@pytest.mark.slow  # many inputs
def test_many_are_corrected_for_their_number() -> None:
    # 7 lost: p is 0.0156; times 3 it is below 0.05, times 4 it is not.
    for count, good in ((3, False), (4, True)):
        others = {f"other{number}": less(7) for number in range(count)}
        expected = {"best": True} | dict.fromkeys(others, good)
        assert find_not_worse(others | {"best": BEST}) == expected
