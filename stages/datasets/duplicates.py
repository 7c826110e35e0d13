"""Finds duplicate images, exact and near ones."""

from hashlib import blake2b
from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.datasets.align import SHIFT, Gray, find_middle, make_windows, refine, resize

Images = NDArray[np.uint8]  # (n, h, w, c)
Indices = NDArray[np.int64]

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
CLOSE = 4  # of these, with which it is compared most exactly
COPIES = (10, 50)  # at least and at most: an image may have one copy per thousand others
UNRELATED = 10  # per image: from the shortlist, behind the copies
HOPELESS = 0.8  # at a larger distance nothing is compared more exactly
BATCH = 50  # images at a time: in all ways 80 MB
BLOCK = 1000  # others at a time: the products stay in the processor's cache


def find_exact(images: Images, others: Images) -> NDArray[np.int64]:
    """The index of the first of `others` with the same pixels, or -1; (n,).

    `images` and `others` are uint8 (n, h, w, c).
    """
    first: dict[bytes, int] = {}
    for index, other in enumerate(others):
        first.setdefault(_digest(other), index)
    return np.array([first.get(_digest(image), -1) for image in images], dtype=np.int64)


def find_near(images: Images, others: Images) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
    """The index of the nearest of `others`, (n,), and its distance, 0 to 1, (n,).

    The similarity of two images is the cosine between their edges, for the best way of laying one
    over the other: moved, resized, stretched. Brightness, contrast and color hardly change it. But
    how similar pictures of different things are depends on the data: frogs are less similar than
    trousers. So the distance is divided by that of the most similar of ten unrelated images, as in
    the ratio test of Lowe (2004, doi:10.1023/B:VISI.0000029664.99615.94). These are not among the
    first one in a thousand, so that a picture with several copies is near to each.

    What it finds, looked at by eye: docs/near_duplicates/README.md.
    """
    gray, gray_others = _gray(images), _gray(others)
    edges = np.concatenate([find_middle(block) for block in _blocks(gray_others, BLOCK)])
    coarse = _coarse(_cut(gray_others, 0, 0, *gray_others.shape[1:]))
    basis = np.linalg.eigh(coarse.T @ coarse)[1][:, -COMPONENTS:]
    coarse = _of_length_1(coarse @ basis)
    nearest, distance = [], []
    batches = _blocks(gray, BATCH)
    for batch in tqdm(batches, desc="near duplicates", unit="batch", disable=None):
        both = np.concatenate([batch, batch[:, :, ::-1]])  # an image, and its mirror image
        candidates, unrelated = _search(_in_all_ways(both, basis), coarse)
        windows, maps = make_windows(both)
        apart = 1 - _compare(windows, edges, unrelated)[0].max(axis=1, keepdims=True)
        similarity, way = _compare(windows, edges, candidates)
        rows = np.arange(len(batch))[:, None]
        close = np.argsort(-similarity, axis=1, kind="stable")[:, :CLOSE]
        candidates, similarity = candidates[rows, close], similarity[rows, close]
        row, column = np.nonzero(1 - similarity < HOPELESS * apart)
        mirrored, way = np.divmod(way[rows, close][row, column], len(maps))
        similarity[row, column] = refine(
            both[row + mirrored * len(batch)], gray_others[candidates[row, column]], maps[way]
        )
        best = similarity.argmax(axis=1)[:, None]
        ratio = (1 - similarity[rows, best]) / np.maximum(apart, 1e-6)
        nearest.append(candidates[rows, best][:, 0])
        distance.append(np.round(np.clip(ratio[:, 0], 0, 1), 3))
    return np.concatenate(nearest), np.concatenate(distance)


def _digest(image: Images) -> bytes:
    return blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


def _blocks(images: NDArray[Any], size: int) -> list[NDArray[Any]]:
    return [images[start : start + size] for start in range(0, len(images), size)]


def _gray(images: Images) -> Gray:
    """The mean of the channels, reduced to `SIDE`; (n, h, w)."""
    blocks = (block.mean(axis=3, dtype=np.float32) for block in _blocks(images, BLOCK))
    return np.concatenate([_reduce(block, SIDE) for block in blocks])


def _reduce(gray: Gray, side: int) -> Gray:
    """Images of at most `side` rows and columns, each the mean of what it covers."""
    _, height, width = gray.shape
    if max(height, width) <= side:
        return gray
    return _mean(height, side) @ gray @ _mean(width, side).T


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
    laid = []
    for scale, down, right in WAYS:
        wide = resize(both, scale)
        cut = _cut(wide, SHIFT - down, SHIFT - right, height, width)
        laid.append(_of_length_1(_coarse(cut) @ basis))
    halves = np.stack(laid).reshape(len(laid), 2, -1, basis.shape[1])
    return np.concatenate([halves[:, 0], halves[:, 1]])


def _search(ways: NDArray[np.float32], others: NDArray[np.float32]) -> tuple[Indices, Indices]:
    """The most similar of `others`, (n, candidates), and some that are not, (n, unrelated).

    `ways` has the coarse images of an image in all ways, (ways, n, components), `others` is
    (others, components). The similarity is the cosine, for the best way.
    """
    few = ways[FEW].reshape(-1, ways.shape[2])
    count = ways.shape[1]
    similarity = np.empty((count, len(others)), dtype=np.float32)
    for start in range(0, len(others), BLOCK):
        block = others[start : start + BLOCK]
        similarities = (few @ block.T).reshape(len(FEW), count, len(block))
        similarity[:, start : start + BLOCK] = similarities.max(axis=0)
    length = min(SHORTLIST, len(others))
    shortlist = np.argpartition(-similarity, length - 1, axis=1)[:, :length]
    order = np.argsort(-np.take_along_axis(similarity, shortlist, axis=1), axis=1, kind="stable")
    ranked = np.take_along_axis(shortlist, order, axis=1)
    in_all_ways = (ways.transpose(1, 0, 2) @ others[ranked].transpose(0, 2, 1)).max(axis=1)
    order = np.argsort(-in_all_ways, axis=1, kind="stable")
    candidates = [ranked[:, :CANDIDATES], np.take_along_axis(ranked, order, axis=1)[:, :CANDIDATES]]
    copies = np.clip(len(others) // 1000, *COPIES)
    behind = np.linspace(min(copies, length - 1), length - 1, UNRELATED).astype(int)
    return np.concatenate(candidates, axis=1), ranked[:, behind]


def _compare(
    windows: NDArray[np.float32], edges: NDArray[np.float32], chosen: Indices
) -> tuple[NDArray[np.float64], Indices]:
    """The similarity of images to those chosen, in the best way, and that way; both (n, chosen).

    `windows` are those of the images, then those of their mirror images; (2n, ways, values).
    """
    of_chosen = edges[chosen].transpose(0, 2, 1)
    halves = [half @ of_chosen for half in np.split(windows, 2)]
    similarity = np.concatenate(halves, axis=1)
    return similarity.max(axis=1).astype(np.float64), similarity.argmax(axis=1)
