"""The marks of what is not significantly worse than the best, by hand."""

import numpy as np
from numpy.typing import NDArray

from tools.revisions.best import mark_best

BEST = np.arange(100) < 90  # which of 100 images are right


def less(lost: int, gained: int = 0) -> NDArray[np.bool_]:
    """As BEST, without the first `lost`, and with the last `gained`."""
    right = BEST.copy()
    right[:lost] = False
    right[len(right) - gained :] = True
    return right


def test_one_is_compared_by_the_exact_test() -> None:
    # 6 lost: p is twice 1/2^6, 0.031. 5 lost: 0.063. 8 lost, 2 gained: 0.109.
    for other, mark in ((less(6), "no"), (less(5), "yes"), (less(8, 2), "yes")):
        assert mark_best({"other": other, "best": BEST}) == {"best": "yes", "other": mark}
    assert mark_best({}) == {}
    assert mark_best({"alone": BEST}) == {"alone": "yes"}


def test_a_loss_on_the_same_images_counts_and_not_the_accuracy_alone() -> None:
    # Both are 6 images less accurate. One has lost 6, p = 0.031; the other 8 + 6, gained 8.
    assert mark_best({"best": BEST, "nested": less(6)})["nested"] == "no"
    assert mark_best({"best": BEST, "different": less(14, 8)})["different"] == "yes"


def test_many_are_corrected_for_their_number() -> None:
    # 7 lost: p = 0.0156. Times 3 it is below 0.05, times 4 it is not.
    for count, mark in ((3, "no"), (4, "yes")):
        others = {f"other{number}": less(7) for number in range(count)}
        assert mark_best(others | {"best": BEST}) == {"best": "yes"} | dict.fromkeys(others, mark)
