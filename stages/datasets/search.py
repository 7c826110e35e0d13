"""Finds which images may be duplicates of an image, and which are not, from coarse images."""

from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.datasets.align import SHIFT, Gray, resize

Images = NDArray[np.uint8]  # (n, h, w, c)
Indices = NDArray[np.int64]
Coarse = NDArray[np.float32]

CELLS = 14  # per side of the coarse images, which are compared with all others
COMPONENTS = 64  # to which the coarse images are compressed, for speed
SIDE = 32  # larger images are reduced to this size
MARGIN = 2  # pixels at each side that the coarse images leave out: in moved images these are new
WAYS: list[tuple[float, int, int]] = [  # to resize an image and move it down and right, in pixels
    *product((1.0,), range(-2, 3), range(-2, 3)),
    *product((0.88, 0.94, 1.06, 1.12), (-1, 0, 1), (-1, 0, 1)),
]
FEW = [  # of these ways, and of the same ways for the mirror image
    *(i for i, (scale, *move) in enumerate(WAYS) if scale == 1 and np.abs(move).sum() in (0, 2)),
    *(i for i, (scale, *move) in enumerate(WAYS) if scale in (0.88, 1.12) and move == [0, 0]),
    *(len(WAYS) + i for i, (scale, x, y) in enumerate(WAYS) if scale == 1 and abs(x) == abs(y) < 2),
]
SHORTLIST = 500  # per image, after a try of these few ways
CANDIDATES = 16  # per image: of the shortlist, and again as many after a try of all ways
COPIES = (10, 50)  # at least and at most: an image may have one copy per thousand others
UNRELATED = 10  # per image: from the shortlist, behind the copies
BLOCK = 1000  # others at a time: the products stay in the processor's cache


def in_blocks(images: NDArray[Any], size: int) -> list[NDArray[Any]]:
    """The images, `size` at a time."""
    return [images[start : start + size] for start in range(0, len(images), size)]


def to_gray(images: Images) -> Gray:
    """The mean of the channels, reduced to `SIDE`; (n, h, w)."""
    blocks = (block.mean(axis=3, dtype=np.float32) for block in in_blocks(images, BLOCK))
    return np.concatenate([_reduce(block, SIDE) for block in blocks])


def compress(gray: Gray) -> tuple[Coarse, Coarse]:
    """The coarse images, (n, components), and what compresses others likewise."""
    coarse = _coarse(_cut(gray, 0, 0, *gray.shape[1:]))
    basis = np.linalg.eigh(coarse.T @ coarse)[1][:, -COMPONENTS:]
    return _of_length_1(coarse @ basis), basis


def search(
    both: Gray, others: Coarse, basis: Coarse, own: Indices | None = None
) -> tuple[Indices, Indices]:
    """The most similar of `others`, (n, candidates), and some that are not, (n, unrelated).

    `both` are images, then their mirror images, (2n, h, w); `others` and `basis` are those of
    `compress`. The similarity is the cosine, for the best way. `own` are the indices of the images
    themselves in `others`, (n,), if they are there.
    """
    ways = _in_all_ways(both, basis)
    few = ways[FEW].reshape(-1, ways.shape[2])
    count = ways.shape[1]
    similarity = np.empty((count, len(others)), dtype=np.float32)
    for start in range(0, len(others), BLOCK):
        block = others[start : start + BLOCK]
        similarities = (few @ block.T).reshape(len(FEW), count, len(block))
        similarity[:, start : start + BLOCK] = similarities.max(axis=0)
    length = min(SHORTLIST, len(others))
    if own is not None:
        similarity[np.arange(count), own] = -2  # below all others
        length = min(length, len(others) - 1)
    shortlist = np.argpartition(-similarity, length - 1, axis=1)[:, :length]
    order = np.argsort(-np.take_along_axis(similarity, shortlist, axis=1), axis=1, kind="stable")
    ranked = np.take_along_axis(shortlist, order, axis=1)
    in_all_ways = (ways.transpose(1, 0, 2) @ others[ranked].transpose(0, 2, 1)).max(axis=1)
    order = np.argsort(-in_all_ways, axis=1, kind="stable")
    candidates = [ranked[:, :CANDIDATES], np.take_along_axis(ranked, order, axis=1)[:, :CANDIDATES]]
    copies = np.clip(len(others) // 1000, *COPIES)
    behind = np.linspace(min(copies, length - 1), length - 1, UNRELATED).astype(int)
    return np.concatenate(candidates, axis=1), ranked[:, behind]


def _reduce(gray: Gray, side: int) -> Gray:
    """Images of at most `side` rows and columns, each the mean of what it covers."""
    _, height, width = gray.shape
    if max(height, width) <= side:
        return gray
    return _mean(height, side) @ gray @ _mean(width, side).T


@lru_cache(maxsize=4)
def _mean(size: int, side: int) -> NDArray[np.float32]:
    """Averages `size` rows to at most `side`; (side, size)."""
    ends = np.linspace(0, size, min(side, size) + 1)[:, None]
    covered = np.clip(ends[1:] - np.arange(size), 0, 1) - np.clip(ends[:-1] - np.arange(size), 0, 1)
    weights: NDArray[np.float32] = (covered / np.diff(ends, axis=0)).astype(np.float32)
    return weights


def _coarse(gray: Gray) -> NDArray[np.float32]:
    """Coarse images with mean 0 and length 1; (n, cells)."""
    flat = _reduce(gray, CELLS).reshape(len(gray), -1)
    return _of_length_1(flat - flat.mean(axis=1, keepdims=True))


def _of_length_1(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    return vectors / (np.linalg.norm(vectors, axis=1, keepdims=True) + np.float32(1e-6))


def _cut(gray: Gray, top: int, left: int, height: int, width: int) -> Gray:
    """The part of images that a coarse image shows: without a margin, from (top, left) on."""
    down, right = min(MARGIN, height // 14), min(MARGIN, width // 14)
    rows = slice(top + down, top + height - down)
    return gray[:, rows, left + right : left + width - right]


def _in_all_ways(both: Gray, basis: NDArray[np.float32]) -> NDArray[np.float32]:
    """The coarse images of images moved and resized, then of their mirror images; (ways, n, c)."""
    _, height, width = both.shape
    wide = {scale: resize(both, scale) for scale in dict.fromkeys(scale for scale, *_ in WAYS)}
    laid = []
    for scale, down, right in WAYS:
        cut = _cut(wide[scale], SHIFT - down, SHIFT - right, height, width)
        laid.append(_of_length_1(_coarse(cut) @ basis))
    halves = np.stack(laid).reshape(len(laid), 2, -1, basis.shape[1])
    return np.concatenate([halves[:, 0], halves[:, 1]])
