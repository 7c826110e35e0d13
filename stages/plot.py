"""Draws the pictures of one run: the confusion matrix."""

import csv
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.command import run
from stages.picture import new_figure, save


def main(predictions: Path, out: Path) -> None:
    """Draws the confusion matrix of `predictions`, a CSV of actual and predicted class names."""
    with predictions.open(encoding="utf-8", newline="") as file:
        rows = [(row["actual"], row["predicted"]) for row in csv.DictReader(file)]
    classes = sorted({name for row in rows for name in row})
    draw_confusion(count(rows, classes), classes, title=predictions.parent.name, out=out)
    print(f"{out}: {len(rows)} predictions")


def count(rows: list[tuple[str, str]], classes: list[str]) -> NDArray[np.int64]:
    """How often each actual class, a row, was predicted as each class, a column."""
    index = {name: i for i, name in enumerate(classes)}
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    for actual, predicted in rows:
        counts[index[actual], index[predicted]] += 1
    return counts


def draw_confusion(counts: NDArray[np.int64], classes: list[str], title: str, out: Path) -> None:
    """A table of shares of the actual class, in percent, shaded by them."""
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    figure, axes = new_figure(width=6.8, height=6.6)
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
        f"{title}: accuracy {accuracy:.3f}\npercent of each actual class, {counts.sum()} images"
    )
    axes.tick_params(length=0)
    save(figure, out)


if __name__ == "__main__":
    run(main, "arrays", "plots")
