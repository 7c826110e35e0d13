"""Finds duplicate images, exact and near ones."""

from collections.abc import Iterator
from hashlib import blake2b

import numpy as np
from numpy.typing import NDArray
from tqdm import tqdm

from stages.datasets.align import find_middle, make_windows, refine
from stages.datasets.search import BLOCK, compress, in_blocks, search, to_gray

Images = NDArray[np.uint8]  # (n, h, w, c)
Indices = NDArray[np.int64]
Ratio = NDArray[np.float64]

CLOSE = 4  # candidates per image, with which it is compared most exactly
HOPELESS = 0.8  # at a larger distance nothing is compared more exactly
BATCH = 50  # images at a time: in all ways 80 MB


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
    nearest, distance = [], []
    for candidates, similarity, apart in _lay_over(images, others):
        rows, best = np.arange(len(candidates)), similarity.argmax(axis=1)
        nearest.append(candidates[rows, best])
        distance.append(_ratio(similarity[rows, best], apart))
    return np.concatenate(nearest), np.concatenate(distance)


def find_pairs(images: Images, near: float) -> NDArray[np.int64]:
    """The indices of pairs of images with a distance below `near`, as `find_near` measures it.

    (pairs, 2). Of an image with many copies, the most similar ones.
    """
    pairs, start = [], 0
    for candidates, similarity, apart in _lay_over(images, None):
        row, column = np.nonzero(_ratio(similarity, apart[:, None]) < near)
        pairs.append(np.stack([start + row, candidates[row, column]], axis=1))
        start += len(candidates)
    return np.concatenate(pairs)


def _ratio(similarity: Ratio, apart: Ratio) -> Ratio:
    """The distance of images, 0 to 1, given that of unrelated ones."""
    ratio: Ratio = (1 - similarity) / np.maximum(apart, 1e-6)
    return np.round(ratio.clip(0, 1), 3)


def _lay_over(images: Images, others: Images | None) -> Iterator[tuple[Indices, Ratio, Ratio]]:
    """For each batch of images, the most similar of `others`, or else of the other images.

    (n, candidates), their similarity, (n, candidates), and the distance of unrelated ones, (n,).
    """
    gray = to_gray(images)
    gray_others = gray if others is None else to_gray(others)
    edges = np.concatenate([find_middle(block) for block in in_blocks(gray_others, BLOCK)])
    coarse, basis = compress(gray_others)
    starts = range(0, len(gray), BATCH)
    for start in tqdm(starts, desc="near duplicates", unit="batch", disable=None):
        batch = gray[start : start + BATCH]
        own = np.arange(start, start + len(batch)) if others is None else None
        both = np.concatenate([batch, batch[:, :, ::-1]])  # an image, and its mirror image
        candidates, unrelated = search(both, coarse, basis, own)
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
        yield candidates, similarity, apart[:, 0]


def _digest(image: Images) -> bytes:
    return blake2b(np.ascontiguousarray(image).data, digest_size=16).digest()


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
