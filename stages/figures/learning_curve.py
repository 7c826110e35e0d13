"""How a network learned, epoch by epoch."""

import csv
from pathlib import Path

from stages.picture import new_figure, save

NAMES = {"": "training", "val_": "validation"}


def read_curve(path: Path) -> dict[str, list[float]]:
    """The columns of a learning curve, except those without values (NA: no validation images)."""
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    return {name: [float(row[name]) for row in rows] for name in rows[0] if rows[0][name] != "NA"}


def draw_learning_curve(curve: dict[str, list[float]], title: str, out: Path) -> None:
    """Accuracy and loss on training and validation images against the epoch, counted from 1."""
    figure = new_figure(width=8.4, height=3.6)
    epochs = [epoch + 1 for epoch in curve["epoch"]]
    for axes, metric in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        for prefix, name in NAMES.items():
            if prefix + metric in curve:
                marker = "o" if len(epochs) == 1 else ""
                axes.plot(epochs, curve[prefix + metric], label=name, marker=marker)
        axes.set_title(f"{title}: {metric}" if metric == "accuracy" else metric)
        axes.set_xlabel("epoch")
        axes.grid(axis="y")
        axes.legend()
    save(figure, out)
