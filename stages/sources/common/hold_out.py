"""Chooses images to hold out, at random."""

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stages.datasets.duplicates import find_exact, find_near
from stages.runtime.errors import InputError


def sample_validation(labels: NDArray[np.uint8], fraction: float, seed: int) -> NDArray[np.bool_]:
    """Which images to hold out: `fraction` of each class, sampled at random; bool (n,)."""
    random = np.random.default_rng(seed)
    held = np.zeros(len(labels), dtype=bool)
    for label in np.unique(labels):
        of_class = np.flatnonzero(labels == label)
        held[random.permutation(of_class)[: round(fraction * len(of_class))]] = True
    return held


def sample_training(labels: NDArray[np.uint8], count: int, seed: int) -> NDArray[np.bool_]:
    """Which `count` images to learn from, the same share of each class; bool (n,).

    Fewer are some of those that more are.

    Raises:
        InputError: there are not as many, or not one of each class.
    """
    order = np.random.default_rng([seed, 2]).permutation(len(labels))
    places = np.empty(len(labels))  # of an image among those of its class, from 0 to 1
    for label in np.unique(labels):
        of_class = order[labels[order] == label]
        places[of_class] = (np.arange(len(of_class)) + 0.5) / len(of_class)
    chosen = np.zeros(len(labels), dtype=bool)
    chosen[order[np.argsort(places[order], kind="stable")[:count]]] = True
    classes = len(np.unique(labels))
    if count > len(labels) or len(np.unique(labels[chosen])) < classes:
        raise InputError(
            f"training_images {count}: choose from {classes}, one of each class, to {len(labels)}"
        )
    return chosen


def sample_test(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], fraction: float, near: float, seed: int
) -> NDArray[np.bool_]:
    """Which images to test on: about `fraction` of each class, sampled at random; bool (n,).

    Identical images, and those that the audit finds nearer than `near`, stay together. `images` is
    (n, h, w, c).

    With `near` 0 only identical ones do.

    Raises:
        InputError: of a class no image can be sampled, or too few.
    """
    order = np.random.default_rng([seed, 1]).permutation(len(labels))  # not that of validation
    groups = find_exact(images, images)
    with threadpool_limits(1):  # so that the number of threads does not change the bits
        while True:
            test = sample_groups(groups, labels, order, fraction)
            chosen, others = np.flatnonzero(test), np.flatnonzero(~test)
            require_each_class(labels, groups, test, fraction)
            if not near:
                return test
            nearest, distance = find_near(images[chosen], images[others])
            found = np.flatnonzero(distance < near)
            if not len(found):
                return test
            for one, other in zip(chosen[found], others[nearest[found]], strict=True):
                groups[groups == groups[other]] = groups[one]


def require_each_class(
    labels: NDArray[np.uint8], groups: NDArray[np.int64], test: NDArray[np.bool_], fraction: float
) -> None:
    """Raises an InputError if a class has less than half of the test images that it should have."""
    for label, count in enumerate(np.bincount(labels).tolist()):
        sampled, wanted = int(test[labels == label].sum()), fraction * count
        if sampled < max(wanted / 2, count > 0):
            independent = len(np.unique(groups[labels == label]))
            raise InputError(
                f"test_fraction {fraction}: of class {label}, with {count} images, only {sampled} "
                f"can be test images: near duplicates stay together, in {independent} groups; "
                "choose another fraction, or add images"
            )


def sample_groups(
    groups: NDArray[np.int64], labels: NDArray[np.uint8], order: NDArray[np.int64], fraction: float
) -> NDArray[np.bool_]:
    """Which images to sample: whole groups, in `order` of their first images; bool (n,).

    One that has more images of a class than are still to be sampled is left out.
    """
    left = np.round(np.bincount(labels) * fraction).astype(int)
    in_group = np.argsort(groups, kind="stable")
    starts = np.searchsorted(groups[in_group], np.arange(len(groups) + 1))
    chosen = np.zeros(len(groups), dtype=bool)
    seen = np.zeros(len(groups), dtype=bool)
    for group in groups[order]:
        if not seen[group]:
            seen[group] = True
            members = in_group[starts[group] : starts[group + 1]]
            counts = np.bincount(labels[members], minlength=len(left))
            if (counts <= left).all():
                chosen[members] = True
                left -= counts
    return chosen
