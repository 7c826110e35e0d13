"""What a model takes for what."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.picture import BLUE, new_figure, save

PAIRS = 10  # shown of the most confused


def count(
    labels: NDArray[np.int64], predicted: NDArray[np.int64], classes: int
) -> NDArray[np.int64]:
    """How often each actual class, a row, was predicted as each class, a column."""
    counts = np.zeros((classes, classes), dtype=np.int64)
    np.add.at(counts, (labels, predicted), 1)
    return counts


def draw_confusion(counts: NDArray[np.int64], classes: list[str], title: str, out: Path) -> None:
    """A table of shares of the actual class, in percent, shaded by them."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure = new_figure(width=6.8, height=6.6)
    axes = figure.subplots()
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row, column in np.argwhere(counts > 0):
        share = shares[row, column]
        text = f"{100 * share:.0f}" if share >= 0.01 else "<1"
        color = "white" if share > 0.5 else "black"
        axes.text(column, row, text, ha="center", va="center", color=color, fontsize=9)
    axes.set_xticks(range(len(classes)), classes, rotation=40, ha="right", rotation_mode="anchor")
    axes.set_yticks(range(len(classes)), classes)
    axes.set_xlabel("predicted")
    axes.set_ylabel("actual")
    accuracy = counts.trace() / counts.sum()
    axes.set_title(
        f"{title}: accuracy {accuracy:.3f}\npercent of each actual class, {counts.sum():,} images"
    )
    axes.spines[["top", "right"]].set_visible(True)
    axes.tick_params(length=0)
    save(figure, out)


def draw_confused_pairs(
    counts: NDArray[np.int64], classes: list[str], title: str, out: Path
) -> None:
    """The most confused pairs of actual and predicted class, a bar each, most frequent first."""
    mistakes = counts - np.diag(counts.diagonal())
    order = np.argsort(-mistakes, axis=None, kind="stable")[:PAIRS]
    pairs = [(i // len(classes), i % len(classes)) for i in order if mistakes.flat[i]]
    figure = new_figure(width=8, height=1.2 + 0.34 * max(len(pairs), 1))
    axes = figure.subplots()
    numbers = [mistakes[pair] for pair in pairs]
    axes.barh(range(len(pairs)), numbers, color=BLUE)
    for row, (actual, predicted) in enumerate(pairs):
        share = f"{mistakes[actual, predicted]:,} of {counts[actual].sum():,}"
        axes.annotate(share, (numbers[row], row), (5, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(pairs)), [f"{classes[a]} taken for {classes[p]}" for a, p in pairs])
    axes.set_ylim(max(len(pairs), 1) - 0.4, -0.6)
    axes.set_xlim(0, 1.2 * max(numbers, default=1))
    axes.set_xlabel("test images")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title(f"{title}: the most confused pairs" if pairs else f"{title}: no mistake")
    save(figure, out)
