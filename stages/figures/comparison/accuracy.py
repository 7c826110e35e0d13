"""The accuracy of all runs, side by side."""

from pathlib import Path

from stages.figures.comparison import Datasets
from stages.figures.style import BLUE, GRAY, new_figure, save


def draw_accuracies(datasets: Datasets, out: Path) -> None:
    """One row per run, grouped by data set, best first: a point with its interval, and the number.

    `datasets` maps each data set to its runs, and each run to its metrics.
    """
    rows = [
        (name, scores)
        for runs in datasets.values()
        for name, scores in sorted(runs.items(), key=lambda item: -item[1]["accuracy"])
    ]
    figure = new_figure(width=8, height=1.1 + 0.36 * len(rows))
    axes = figure.subplots()
    for row, (_, scores) in enumerate(rows):
        low, middle, high = (scores[f"accuracy{part}"] for part in ("_low", "", "_high"))
        axes.plot([low, high], [row, row], color=BLUE, linewidth=2, solid_capstyle="butt")
        axes.plot(middle, row, "o", color=BLUE, markersize=6)
        axes.annotate(f"{middle:.3f}", (high, row), (6, 0), textcoords="offset points", va="center")
    borders = [len(runs) for runs in datasets.values()]
    for index in range(1, len(borders)):
        axes.axhline(sum(borders[:index]) - 0.5, color=GRAY, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.08 * (right - left))  # room for the last number
    axes.grid(axis="x")
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("accuracy on the test images, with its 95% Wilson interval")
    save(figure, out)
