"""What a network looks at: where covering an image makes it less sure of the class it predicts.

Occlusion sensitivity: Zeiler and Fergus 2013, https://arxiv.org/abs/1311.2901, section 4.2.
"""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.run import Run
from stages.figures.run.examples import caption, choose_examples
from stages.figures.run.filters import find_convolution
from stages.figures.run.mistakes import choose_mistakes
from stages.figures.style import LINE, new_figure, show_image, wrap
from stages.model_file.classifier import Classifier, classify, open_classifier
from stages.normalize import normalize

CAPTION = (
    "What the network looks at: a gray square covers part of a test image, and the map shows where "
    "that lowers the odds of the predicted class, p / (1 - p)."
)
NOTE = (
    "A gray square covers a part of the image, every part in turn. Where the map is red, that "
    "lowers the\nprobability p of the predicted class; where it is blue, that raises it. Above the "
    "map: lowest and highest p."
)
SHOWN = 3  # images that it gets right, and mistakes
SIDE = 4  # a square has a quarter of the height and width
STEPS = 6  # squares down and across: 216 predictions of 6 images, 1.5 s at 7 ms each
SAMPLE = 1000  # test images, at most, whose mean pixel covers
SUREST = 1e-12  # probability of all other classes: less is rounding


def draw(run: Run) -> Figure | None:
    """Random images that it gets right and mistakes, each with its map.

    None if there is no convolution, or no probability.
    """
    if find_convolution(run.model) is None or run.probabilities is None:
        return None
    right = np.flatnonzero(run.labels == run.predicted)
    kinds = (right[choose_examples(len(right), SHOWN, run.seed)], choose_mistakes(run)[:SHOWN])
    rows = [chosen for chosen in kinds if len(chosen)]
    classifier = open_classifier(run.model.SerializeToString(), threads=1)
    sample = np.sort(choose_examples(len(run.images), SAMPLE, run.seed))
    color = run.images[sample].mean(axis=(0, 1, 2))
    found = {i: explain(run, classifier, i, color) for chosen in rows for i in chosen}
    limit = max(float(np.abs(falls).max()) for falls, _ in found.values()) or 1.0
    captions = {i: wrap(caption(run, i), 25) for i in found}
    room = LINE * max(one.count("\n") - 1 for one in captions.values())
    figure = new_figure(10.5, 0.8 + (2.05 + room) * len(rows))
    grid = figure.subplots(len(rows), 2 * SHOWN, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    for row, chosen in zip(grid, rows, strict=True):
        for image, beside, i in zip(row[::2], row[1::2], chosen, strict=False):
            falls, covered = found[i]
            show_image(image, run.images[i], captions[i], size=8)
            shown = beside.imshow(falls, cmap="RdBu_r", vmin=-limit, vmax=limit)
            ends = f"covered:\n{covered.min():.2f} to {covered.max():.2f}"
            beside.set_title(ends, fontsize=8, loc="center")
    figure.colorbar(shown, ax=grid, fraction=0.02, label="fall of log10(p / (1 - p))")
    figure.suptitle(f"{run.name}: what it looks at\n{NOTE}", fontsize=10, x=0.01, ha="left")
    return figure


def explain(
    run: Run, classifier: Classifier, index: int, color: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """How far covering lowers the odds of the predicted class; its probability when covered.

    The fall of log10(p / (1 - p)) at every pixel, (height, width): unlike p, it also falls where a
    network is so sure that p stays 1.00. And p for each square, (squares,).
    """
    image, predicted = run.images[index], run.predicted[index]
    images = np.concatenate([image[np.newaxis], cover(image, color)])
    taken = normalize(images, run.normalization).reshape(-1, *classifier.input_shape)
    probabilities = np.array(classify(classifier, taken)[1], dtype=np.float64)
    own = probabilities[:, predicted]
    others = np.delete(probabilities, predicted, axis=1).sum(axis=1)
    odds = np.log10(np.maximum(own, SUREST)) - np.log10(np.maximum(others, SUREST))
    return interpolate(odds[0] - odds[1:], *image.shape[:2]), own[1:]


def place(size: int) -> tuple[int, NDArray[np.int64]]:
    """The side of a square, and where squares start that cover `size` pixels and overlap."""
    side = -(-size // SIDE)
    return side, np.unique(np.linspace(0, size - side, STEPS).round().astype(np.int64))


def cover(image: NDArray[np.uint8], color: NDArray[np.float64]) -> NDArray[np.uint8]:
    """An image, (h, w, c), once per square with that square in `color`, (squares, h, w, c)."""
    (height, down), (width, across) = (place(size) for size in image.shape[:2])
    corners = [(y, x) for y in down for x in across]
    covered = np.repeat(image[np.newaxis], len(corners), axis=0)
    for one, (y, x) in zip(covered, corners, strict=True):
        one[y : y + height, x : x + width] = color.round()
    return covered


def interpolate(values: NDArray[np.float64], height: int, width: int) -> NDArray[np.float64]:
    """A map, (height, width), with the value of each square at its center, linear in between."""
    weights = []
    for size in (height, width):
        side, starts = place(size)
        centers = starts + (side - 1) / 2
        weights.append([np.interp(range(size), centers, one) for one in np.eye(len(starts))])
    down, across = np.array(weights[0]), np.array(weights[1])
    return down.T @ values.reshape(len(down), len(across)) @ across
