"""Divides the images into folds for cross-validation, at random."""

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from stages.datasets.duplicates import find_exact, find_pairs
from stages.runtime.errors import InputError

Indices = NDArray[np.int64]
NEARBY = 1.5  # times `near`: a distance depends on the other images, and those of a fold are fewer


def sample_folds(
    images: NDArray[np.uint8], labels: NDArray[np.uint8], count: int, near: float, seed: int
) -> NDArray[np.uint8]:
    """The fold of each image, 1 to `count`, sampled at random; (n,).

    Each fold has an equal share of each class, as far as groups allow: identical images and near
    duplicates are in one fold, with `near` 0 only identical ones. `images` is (n, h, w, c).

    Raises:
        InputError: a class has too few images for each fold to have one.
    """
    require_each_class(labels, find_exact(images, images), count)  # before a search that takes long
    groups = find_groups(images, near)
    require_each_class(labels, groups, count)
    order = np.random.default_rng([seed, 2]).permutation(len(labels))  # not those held out
    return (deal(groups, labels, order, count) + 1).astype(np.uint8)


def require_each_class(labels: NDArray[np.uint8], groups: Indices, count: int) -> None:
    """Raises an InputError if a class has fewer groups than there are folds."""
    for label in np.unique(labels).tolist():
        independent = len(np.unique(groups[labels == label]))
        if independent < count:
            raise InputError(
                f"{count} folds: of class {label}, with {np.sum(labels == label)} images, only "
                f"{independent} folds can have one: near duplicates stay together; choose fewer "
                "folds, or add images"
            )


def find_groups(images: NDArray[np.uint8], near: float) -> Indices:
    """The group of each image, (n,): it has all duplicates of each image in it."""
    groups = find_exact(images, images)
    if near:
        with threadpool_limits(1):  # so that the number of threads does not change the bits
            pairs = find_pairs(images, NEARBY * near)
        for one, other in pairs.tolist():
            groups[groups == groups[other]] = groups[one]
    return groups


def deal(groups: Indices, labels: NDArray[np.uint8], order: Indices, count: int) -> Indices:
    """The fold of each image, (n,), from 0: of whole groups, the largest first, then in this order.

    A group goes to the fold that has the fewest images of its classes, or else the fewest at all.
    """
    in_group = order[np.argsort(groups[order], kind="stable")]
    starts = np.flatnonzero(np.diff(groups[in_group], prepend=-1))
    members = np.split(in_group, starts[1:])
    rank = np.argsort(order)
    members.sort(key=lambda group: (-len(group), rank[group[0]]))
    sizes = np.zeros((count, int(labels.max()) + 1), dtype=np.int64)
    folds = np.empty(len(labels), dtype=np.int64)
    for group in members:
        of_class = np.bincount(labels[group], minlength=sizes.shape[1])
        fold = np.lexsort((sizes.sum(axis=1), sizes @ of_class))[0]
        folds[group] = fold
        sizes[fold] += of_class
    return folds
