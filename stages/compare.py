"""Draws the accuracy of all runs side by side, with their 95% intervals."""

import json
from pathlib import Path

from stages.command import run
from stages.parameters import read_parameter
from stages.picture import BLUE, GREY, new_figure, save


def main(metrics: Path, out: Path) -> None:
    """Draws a panel a data set from `metrics`/RUN.json of every run in params.yaml."""
    datasets: dict[str, dict[str, dict[str, float]]] = {}
    for name, settings in sorted(read_parameter("models").items()):
        scores = json.loads((metrics / f"{name}.json").read_text(encoding="utf-8"))
        datasets.setdefault(settings["dataset"], {})[name] = scores
    draw_accuracies(datasets, out)
    print(f"{out}: {sum(map(len, datasets.values()))} runs")


def draw_accuracies(datasets: dict[str, dict[str, dict[str, float]]], out: Path) -> None:
    """A row a run, best first, grouped by data set: a point with its interval, and the number."""
    rows = [
        (name, scores)
        for runs in datasets.values()
        for name, scores in sorted(runs.items(), key=lambda item: -item[1]["accuracy"])
    ]
    figure, axes = new_figure(width=8, height=1.1 + 0.36 * len(rows))
    for row, (_, scores) in enumerate(rows):
        low, middle, high = (scores[f"accuracy{part}"] for part in ("_low", "", "_high"))
        axes.plot([low, high], [row, row], color=BLUE, linewidth=2, solid_capstyle="butt")
        axes.plot(middle, row, "o", color=BLUE, markersize=6)
        axes.annotate(f"{middle:.3f}", (high, row), (6, 0), textcoords="offset points", va="center")
    borders = [len(runs) for runs in datasets.values()]
    for index in range(1, len(borders)):
        axes.axhline(sum(borders[:index]) - 0.5, color=GREY, linewidth=0.8)
    axes.set_yticks(range(len(rows)), [name for name, _ in rows])
    axes.set_ylim(len(rows) - 0.4, -0.6)
    left, right = axes.get_xlim()
    axes.set_xlim(left, right + 0.08 * (right - left))  # room for the last number
    axes.grid(axis="x", color="#DDDDDD")
    axes.set_axisbelow(True)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.tick_params(axis="y", length=0)
    axes.set_xlabel("accuracy on the test images, with its 95% Wilson interval")
    save(figure, out)


if __name__ == "__main__":
    run(main, "plots")
