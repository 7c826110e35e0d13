"""Accuracy against latency."""

from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import NullFormatter, StrMethodFormatter

from stages.figures.comparison import Datasets, Runs
from stages.figures.style import BLUE, GRAY, ORANGE, new_figure, save

AREA_PER_MB = 60.0  # points squared
LEAST_AREA = 12.0
LEGEND_MB = (0.1, 1, 10)
LABEL_GAP = 0.075  # share of a panel's height


def find_front(runs: Runs) -> list[str]:
    """The Pareto front, fastest first: no other run is faster and at least as accurate."""
    order = sorted(runs, key=lambda run: (runs[run]["latency_median_ms"], -runs[run]["accuracy"]))
    front: list[str] = []
    for run in order:
        if not front or runs[run]["accuracy"] > runs[front[-1]]["accuracy"]:
            front.append(run)
    return front


def find_best_under(runs: Runs, milliseconds: float) -> str | None:
    """The most accurate run whose median latency is below a limit, or None if there is none."""
    fast = [run for run in runs if runs[run]["latency_median_ms"] < milliseconds]
    return max(fast, key=lambda run: runs[run]["accuracy"], default=None)


def draw_tradeoff(tested: Datasets, held_out: Datasets, out: Path) -> None:
    """One panel per data set: accuracy and interval against latency; the area shows the file size.

    The accuracy is that on the validation images, since the front is there to choose from: where
    none are held out, it is that on the test images, without a front.
    """
    figure = new_figure(width=5.2 * len(tested), height=4.6)
    panels = figure.subplots(1, len(tested), squeeze=False)[0]
    for axes, dataset in zip(panels, tested, strict=True):
        if dataset in held_out:
            draw_panel(axes, dataset, held_out[dataset])
            draw_front(axes, held_out[dataset])
            axes.set_ylabel("validation accuracy, 95% interval")
        else:
            draw_panel(axes, dataset, tested[dataset])
            axes.set_ylabel("test accuracy, 95% interval (none held out)")
    for size in LEGEND_MB:
        panels[0].scatter([], [], s=area(size * 1e6), color=BLUE, alpha=0.35, label=f"{size} MB")
    panels[0].plot([], [], color=ORANGE, label="Pareto front")
    figure.legend(loc="outside lower center", ncols=len(LEGEND_MB) + 1)
    save(figure, out)


def draw_panel(axes: Axes, dataset: str, runs: Runs) -> None:
    """The runs of one data set; lines connect the points to a column of names at the right."""
    for scores in runs.values():
        x, y = scores["latency_median_ms"], scores["accuracy"]
        interval = [[y - scores["accuracy_low"]], [scores["accuracy_high"] - y]]
        axes.errorbar(x, y, yerr=interval, color=BLUE, elinewidth=1.2)
        axes.scatter(x, y, s=area(scores["file_bytes"]), color=BLUE, alpha=0.35, zorder=3)
        axes.plot(x, y, "o", color=BLUE, markersize=3, zorder=4)
    axes.set_xscale("log")
    exponents = np.log10([scores["latency_median_ms"] for scores in runs.values()])
    axes.set_xlim(10.0 ** np.floor(exponents.min() - 0.2), 10.0 ** np.ceil(exponents.max() + 0.2))
    axes.xaxis.set_major_formatter(StrMethodFormatter("{x:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.margins(y=0.12)
    axes.set_xlabel("ms per image, one thread (median)")
    axes.grid()
    axes.set_title(dataset)
    names = sorted(runs, key=lambda run: runs[run]["accuracy"])
    low, high = axes.get_ylim()
    heights = spread([(runs[run]["accuracy"] - low) / (high - low) for run in names], LABEL_GAP)
    for run, height in zip(names, heights, strict=True):
        axes.annotate(
            run.removeprefix(f"{dataset}-"),
            (runs[run]["latency_median_ms"], runs[run]["accuracy"]),
            xytext=(1.03, height),
            textcoords="axes fraction",
            va="center",
            arrowprops={"arrowstyle": "-", "color": GRAY, "linewidth": 0.6},
        )


def draw_front(axes: Axes, runs: Runs) -> None:
    """The line of the runs that no other beats in both."""
    front = [runs[run] for run in find_front(runs)]
    times, accuracies = ([one[key] for one in front] for key in ("latency_median_ms", "accuracy"))
    axes.step(times, accuracies, where="post", color=ORANGE, zorder=2)


def area(file_bytes: float) -> float:
    """The area of a point, in points squared, that shows a file's size."""
    return LEAST_AREA + AREA_PER_MB * file_bytes / 1e6


def spread(heights: list[float], gap: float) -> list[float]:
    """Ascending heights, 0 to 1, moved at least `gap` apart, and no further than needed."""
    groups = [[height] for height in heights]
    while True:
        placed = [
            [sum(group) / len(group) + gap * (i - (len(group) - 1) / 2) for i in range(len(group))]
            for group in groups
        ]
        for index in range(len(groups) - 1):
            if placed[index + 1][0] - placed[index][-1] < gap - 1e-9:
                groups[index : index + 2] = [groups[index] + groups[index + 1]]
                break
        else:
            return [height for group in placed for height in group]
