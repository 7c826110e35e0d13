"""Draws how time and memory of training grow with the images, in plain scripts and pipeline.

    .venv/bin/python -m benchmarks.growth

draws benchmarks/results/growth.png from full.json in the same folder.
"""

from pathlib import Path

from stages.runtime.command import run

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, NullFormatter, NullLocator, StrMethodFormatter

from stages.figures.comparison.tradeoff import spread
from stages.figures.style import BLUE, ORANGE, new_figure, save
from stages.runtime.errors import InputError
from stages.runtime.files import read_json

LINES = {"plain": (ORANGE, "o"), "pipeline": (BLUE, "s")}
NAMES = {"plain": "plain script", "pipeline": "this pipeline"}
ROWS = (("seconds", 1), ("mb", 1e-3))  # each with its factor to the unit on the axis
TICKS = (2_500, 10_000, 50_000)
LABEL_GAP = 0.1  # as a share of the panel's height


def main(results: Path = Path("benchmarks/results")) -> None:
    """Draws `results`/growth.png from `results`/full.json."""
    growth = read_json(results / "full.json").get("growth")
    if growth is None:
        raise InputError(f"{results}/full.json has no growth; `make benchmark FULL=1` measures it")
    draw_growth(growth, results / "growth.png")


def draw_growth(growth: dict[str, list[dict[str, float]]], out: Path) -> None:
    """One column per run: seconds above, on logarithmic axes, and gigabytes below."""
    figure = new_figure(width=1.6 + 1.75 * len(growth), height=5.0)
    panels = figure.subplots(2, len(growth), sharex=True, sharey="row", squeeze=False)
    for column, (name, points) in enumerate(growth.items()):
        for axes, (unit, scale) in zip(panels[:, column], ROWS, strict=True):
            draw_panel(axes, points, unit, scale)
        panels[0, column].set_title(name.replace("-", "\n", 1))
    panels[0, 0].set_yscale("log")
    panels[0, 0].yaxis.set_major_formatter(StrMethodFormatter("{x:,g}"))
    panels[0, 0].yaxis.set_minor_formatter(NullFormatter())
    panels[0, 0].set_ylabel("seconds")
    panels[1, 0].set_ylim(bottom=0)
    panels[1, 0].set_ylabel("peak memory, GB")
    panels[0, 0].set_xscale("log")
    for axes in panels[1]:
        axes.xaxis.set_major_locator(FixedLocator(TICKS))
        axes.xaxis.set_minor_locator(NullLocator())
        axes.xaxis.set_major_formatter(StrMethodFormatter("{x:,.0f}"))
        axes.tick_params(axis="x", labelsize=8.5)
    for axes, (unit, scale) in zip(panels[:, -1], ROWS, strict=True):
        label_lines(axes, list(growth.values())[-1][-1], unit, scale)
    figure.supxlabel("training images, including validation images", fontsize=10)
    save(figure, out)


def draw_panel(axes: Axes, points: list[dict[str, float]], unit: str, scale: float) -> None:
    """Both lines of one run, in one unit."""
    images = [point["images"] for point in points]
    for way, (color, marker) in LINES.items():
        values = [point[f"{way}_{unit}"] * scale for point in points]
        axes.plot(images, values, color=color, marker=marker, markersize=4)
    axes.margins(x=0.12)
    axes.grid()


def label_lines(axes: Axes, last: dict[str, float], unit: str, scale: float) -> None:
    """Writes the name of each line to the right of its last point."""
    ends = {way: (last["images"], last[f"{way}_{unit}"] * scale) for way in LINES}
    to_fraction = axes.transData + axes.transAxes.inverted()
    heights = {way: float(to_fraction.transform(end)[1]) for way, end in ends.items()}
    ways = sorted(heights, key=lambda way: heights[way])
    for way, height in zip(ways, spread([heights[way] for way in ways], LABEL_GAP), strict=True):
        axes.annotate(
            NAMES[way],
            (1.02, height),
            xycoords="axes fraction",
            va="center",
            color=LINES[way][0],
            fontweight="bold",
        )


if __name__ == "__main__":
    run(main, "plots")
