"""The confusion matrix."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.run import Run
from stages.figures.style import new_figure, wrap
from stages.scoring.metrics import accuracy

CAPTION = (
    "Confusion matrix on the test images: percent of each actual class (row) predicted as each "
    "class (column)."
)


def draw(run: Run) -> Figure:
    """The confusion matrix in percent of each actual class; a cell is shaded by its share."""
    counts, classes = count(run.labels, run.predicted, len(run.classes)), run.classes
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    below, beside = ([wrap(name, 30, most) for name in classes] for most in (1, 2))
    figure = new_figure(width=6.8, height=6.6)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0):
        share = shares[row, column]
        text = f"{100 * share:.0f}" if share >= 0.01 else "<1"
        color = "white" if share > 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(classes)), below, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), beside)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    axes.set_title(
        f"{run.name}: accuracy {accuracy(run.labels, run.predicted):.3f}\n"
        f"percent of each actual class, {counts.sum():,} images"
    )
    axes.spines[["top", "right"]].set_visible(True)
    axes.tick_params(length=0)
    return figure


def count(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """Images of each actual class (row) predicted as each class (column); (classes, classes)."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts
