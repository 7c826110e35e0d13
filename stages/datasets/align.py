"""How similar two images are once one is laid over the other: moved, resized, stretched."""

from itertools import product
from typing import Any

import numpy as np
from numpy.typing import NDArray

Gray = NDArray[Any]  # float32 (n, h, w)
Slopes = NDArray[Any]  # float32 (2, n, h, w), down and across
Places = NDArray[np.float64]  # (n, 2, places), down and across, relative to the center
Maps = NDArray[np.float64]  # (n, 2, 3): affine, from a place to that of the same point in an image

SHIFT = 2  # pixels by which an image is moved at most, in each direction, before `refine`
SCALES = (0.86, 0.93, 1.0, 1.07, 1.16)  # to which an image is resized before `refine`
STEPS = 6  # of `refine`
STRETCH = 0.3  # an image is stretched, sheared or turned by at most this
FAINT = 2  # gray values: a fainter edge counts less
DAMPING = 0.6  # squared gray values per pixel: noise does not move a plain image
TOLERANCE = 0.25  # by which the middle of two images may be less similar than all of them
PLAIN = 0.02  # a middle with less of all edges than this is plain
FLAT = 1.0  # the squared length of edges that are as much noise as image


def resize(gray: Gray, scale: float) -> Gray:
    """Images resized about their centers, with `SHIFT` more pixels at each side than before."""
    _, height, width = gray.shape
    return _resizing(height, scale) @ gray @ _resizing(width, scale).T


def make_windows(gray: Gray) -> tuple[NDArray[np.float32], Maps]:
    """The middle of each image moved and resized in all ways, (n, ways, values); the ways' maps.

    The product with `find_middle` of other images is their similarity, at most 1.
    """
    n, height, width = gray.shape
    rows, columns = _middle(height), _middle(width)
    size = 2, rows.stop - rows.start, columns.stop - columns.start
    ways = list(product(SCALES, range(-SHIFT, SHIFT + 1), range(-SHIFT, SHIFT + 1)))
    windows = np.empty((n, len(ways), *size), dtype=np.float32)
    edges = {scale: _edges(_slopes(resize(gray, scale))) for scale in SCALES}
    for way, (scale, down, right) in enumerate(ways):
        top, left = rows.start + SHIFT - down, columns.start + SHIFT - right
        part = edges[scale][:, :, top : top + size[1], left : left + size[2]]
        windows[:, way] = part.transpose(1, 0, 2, 3)
    maps = [[[1 / s, 0, -down / s], [0, 1 / s, -right / s]] for s, down, right in ways]
    return _of_length_1(windows.reshape(n, len(ways), -1)), np.array(maps)


def find_middle(gray: Gray) -> NDArray[np.float32]:
    """The edges in the middle of each image, as a vector of length 1; (n, values)."""
    edges = _edges(_slopes(gray))
    edges = edges[:, :, _middle(gray.shape[1]), _middle(gray.shape[2])]
    return _of_length_1(edges.transpose(1, 0, 2, 3).reshape(len(gray), -1))


def refine(images: Gray, others: Gray, maps: Maps) -> NDArray[np.float64]:
    """The similarity of each image to the one of `others` beside it, at most 1; (n,).

    `maps` say how to lay the images over the others at first. Each step solves for the map, the
    contrast and the brightness with which an image differs least from the other: Gauss-Newton
    with the mean slope of both (Malis 2004, doi:10.1109/ROBOT.2004.1308092). The best counts.
    """
    _, height, width = others.shape
    places = _places(height, width)
    slopes = _slopes(others)
    edges = _edges(slopes)
    best = np.full(len(images), -1.0)
    for step in range(STEPS + 1):
        moved, inside = _sample(images, maps @ np.stack([*places, np.ones_like(places[0])]))
        slopes_moved = _slopes(moved)
        best = np.maximum(best, _similarity(_edges(slopes_moved), edges, inside))
        if step < STEPS:
            change = _solve(moved, others, (slopes_moved + slopes) / 2, inside, places)
            maps = _limited(maps @ change)
    return best


def _slopes(gray: Gray) -> Slopes:
    """Half the differences between the neighbors of each pixel."""
    padded = np.pad(gray, ((0, 0), (1, 1), (1, 1)), mode="edge")
    slopes = np.empty((2, *gray.shape), dtype=np.float32)
    np.subtract(padded[:, 2:, 1:-1], padded[:, :-2, 1:-1], out=slopes[0])
    np.subtract(padded[:, 1:-1, 2:], padded[:, 1:-1, :-2], out=slopes[1])
    slopes /= 2
    return slopes


def _edges(slopes: Slopes) -> Slopes:
    """The slopes divided by about the root of their steepness.

    So no few strong edges, such as those of a frame, make two images similar by themselves.
    """
    squares = np.einsum("gnhw,gnhw->nhw", slopes, slopes)
    typical = np.sqrt(squares.mean(axis=(1, 2), keepdims=True))
    return slopes / np.sqrt(np.sqrt(squares) + typical / 2 + FAINT)


def _middle(size: int) -> slice:
    """The rows or columns that an image moved and resized in any way still shows, nearly all."""
    margin = min(4, size // 7)
    return slice(margin, size - margin)


def _resizing(size: int, scale: float) -> NDArray[np.float32]:
    """Resizes rows, as a matrix; (size + 2 * SHIFT, size)."""
    center = (size - 1) / 2
    places = (np.arange(-SHIFT, size + SHIFT) - center) / scale + center
    places = np.clip(places, 0, size - 1)
    return np.maximum(1 - np.abs(places[:, None] - np.arange(size)), 0).astype(np.float32)


def _of_length_1(vectors: NDArray[Any]) -> NDArray[np.float32]:
    """The same vectors, (..., values), each divided by its length, in place."""
    squares = np.einsum("...v,...v->...", vectors, vectors)[..., None]
    vectors /= np.sqrt(squares + np.float32(FLAT))
    return vectors


def _places(height: int, width: int) -> NDArray[np.float64]:
    """Those of all pixels; (2, h * w)."""
    down, across = (np.arange(size) - (size - 1) / 2 for size in (height, width))
    return np.stack([np.repeat(down, width), np.tile(across, height)])


def _sample(images: Gray, places: Places) -> tuple[Gray, Gray]:
    """The images at these places, interpolated, and 1 where a place is inside of it, else 0."""
    n, height, width = images.shape
    first, inside, between = [], np.ones(places[:, 0].shape, dtype=bool), []
    for axis, size in enumerate((height, width)):
        place = places[:, axis] + (size - 1) / 2
        inside &= (place > 0.5) & (place < size - 1.5)  # so are its neighbors
        place = np.clip(place, 0, size - 1)
        first.append(np.minimum(place.astype(np.int64), max(size - 2, 0)))
        between.append((place - first[-1]).astype(np.float32))
    start = np.arange(n)[:, None] * (height * width) + first[0] * width + first[1]
    below, right = width * min(height - 1, 1), min(width - 1, 1)
    flat = images.reshape(-1)
    upper, lower = (
        flat[row] * (1 - between[1]) + flat[row + right] * between[1]
        for row in (start, start + below)
    )
    moved = upper * (1 - between[0]) + lower * between[0]
    return moved.reshape(images.shape), inside.astype(np.float32).reshape(images.shape)


def _similarity(edges: Slopes, others: Slopes, inside: Gray) -> NDArray[np.float64]:
    """The cosine between the edges, where they are inside; (n,). Also in the middle alone.

    Unrelated images in the same frame agree but there. A plain middle, which is mostly noise, is
    taken to agree.
    """
    cut = (..., _middle(inside.shape[1]), _middle(inside.shape[2]))
    edges, others, inside = edges[cut], others[cut], inside[cut]
    pairs = ((edges, others), (edges, edges), (others, others))
    products = [np.einsum("gnhw,gnhw,nhw->nhw", *pair, inside) for pair in pairs]
    _, height, width = inside.shape
    rows, columns = slice(height // 4, height - height // 4), slice(width // 4, width - width // 4)
    whole, one, other = (values.sum(axis=(1, 2)) for values in products)
    length = np.sqrt((one + FLAT) * (other + FLAT))
    of_middle, one, other = (values[:, rows, columns].sum(axis=(1, 2)) for values in products)
    plain = PLAIN * length
    middle = (of_middle + plain) / (np.sqrt(one * other) + plain)
    similarity: NDArray[np.float64] = np.minimum(whole / length, middle + TOLERANCE)
    return similarity


def _solve(moved: Gray, others: Gray, slopes: Slopes, inside: Gray, places: Places) -> Maps:
    """The maps, (n, 3, 3), after which the images differ least from the others, to first order."""
    n = len(moved)
    unit = max(others.shape[1:]) / 4  # so that all unknowns move a pixel about equally far
    down, across = slopes.reshape(2, n, places.shape[1])
    y, x = (places / unit).astype(np.float32)
    pixels = moved.reshape(n, places.shape[1]) / 64  # the last unknowns are contrast and brightness
    unknowns = [down * y, down * x, down, across * y, across * x, across, pixels]
    terms = np.stack([*unknowns, np.ones_like(pixels)], axis=1)
    weighted = terms * inside.reshape(n, 1, places.shape[1])
    matrix = (weighted @ terms.transpose(0, 2, 1)).astype(np.float64)
    matrix += np.diag([DAMPING * y.size] * 6 + [1e-3] * 2)
    solution = np.linalg.solve(
        matrix, (weighted @ others.reshape(n, places.shape[1], 1)).astype(np.float64)
    )
    contrast = np.maximum(np.abs(solution[:, 6]) / 64, 0.2)
    maps = np.zeros((n, 3, 3))
    maps[:, :2] = np.clip(solution[:, :6, 0] / contrast, -1, 1).reshape(n, 2, 3)
    maps[:, :2, :2] /= unit
    return maps + np.eye(3)


def _limited(maps: Maps) -> Maps:
    linear = np.clip(maps[:, :, :2], np.eye(2) - STRETCH, np.eye(2) + STRETCH)
    return np.concatenate([linear, maps[:, :, 2:]], axis=2)
