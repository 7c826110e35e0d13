"""The classes that a model confuses most often."""

import numpy as np
from matplotlib.figure import Figure

from stages.figures.run import Run
from stages.figures.run.confusion import count
from stages.figures.style import BLUE, new_figure, wrap

CAPTION = "The pairs of classes that it confuses most often on the test images."
PAIRS = 10  # shown


def draw(run: Run) -> Figure:
    """The most confused pairs of actual and predicted class, one bar per pair, longest first."""
    counts, classes = count(run.labels, run.predicted, len(run.classes)), run.classes
    mistakes = counts - np.diag(counts.diagonal())
    order = np.argsort(-mistakes, axis=None, kind="stable")[:PAIRS]
    pairs = [(i // len(classes), i % len(classes)) for i in order if mistakes.flat[i]]
    labels = [
        wrap(f"{classes[actual]} predicted as {classes[predicted]}", 60)
        for actual, predicted in pairs
    ]
    lines = max((label.count("\n") + 1 for label in labels), default=1)
    figure = new_figure(width=8, height=1.2 + 0.34 * max(len(pairs), 1) * (1 + (lines - 1) / 2))
    axes = figure.subplots()
    lengths = [mistakes[pair] for pair in pairs]
    axes.barh(range(len(pairs)), lengths, color=BLUE)
    for row, (actual, predicted) in enumerate(pairs):
        share = f"{mistakes[actual, predicted]:,} of {counts[actual].sum():,}"
        axes.annotate(share, (lengths[row], row), (5, 0), textcoords="offset points", va="center")
    axes.set_yticks(range(len(pairs)), labels)
    axes.set_ylim(max(len(pairs), 1) - 0.4, -0.6)
    axes.set_xlim(0, 1.2 * max(lengths, default=1))
    axes.set_xlabel("test images")
    axes.tick_params(axis="y", length=0)
    axes.spines["left"].set_visible(False)
    axes.set_title(f"{run.name}: the most confused pairs" if pairs else f"{run.name}: no mistakes")
    return figure
