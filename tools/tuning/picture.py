"""The picture of a search: accuracy against each parameter, and the best so far."""

from collections.abc import Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from stages.figures.style import BLUE, GRAY, ORANGE, new_figure, save, wrap
from stages.schema.space import Choices, Dimension, same
from stages.schema.space import Path as Place
from tools.trials.values import show
from tools.tuning.plan import Plan
from tools.tuning.rows import COMPLETE, Row, find_best
from tools.tuning.space import name_of

COLUMNS = 3
LETTERS = 36  # of the names of all choices, side by side


def draw_search(plan: Plan, rows: Sequence[Row], out: Path) -> None:
    """One panel for each parameter, and one for the best so far against the number of trials.

    A point is a recipe, with a line of one standard error to either side; the default is gray and
    the best orange.
    """
    complete = [row for row in rows if row.state == COMPLETE]
    best = find_best(complete)
    panels = len(plan.space) + 1
    columns = min(COLUMNS, panels)
    lines = -(-panels // columns)
    figure = new_figure(width=3.6 * columns + 0.4, height=2.8 * lines + 0.5)
    axes = figure.subplots(lines, columns, sharey=True, squeeze=False).flatten()
    for one, (place, dimension) in zip(axes, plan.space.items(), strict=False):
        draw_parameter(one, place, dimension, complete, best)
    draw_best_so_far(axes[panels - 1], complete)
    for one in axes[panels:]:
        one.axis("off")
    for one in axes[::columns]:
        one.set_ylabel("validation accuracy")
    figure.suptitle(f"{plan.run}: {len(complete)} recipes", x=0.01, ha="left", fontsize=11)
    handles, labels = axes[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside lower left", ncols=3)
    save(figure, out)


def draw_parameter(
    axes: Axes, place: Place, dimension: Dimension, rows: Sequence[Row], best: Row | None
) -> None:
    """Accuracy against the values of one parameter; a value outside of its range has no place."""
    for row in rows:
        at = find_position(dimension, row.values[place])
        if at is None or row.accuracy is None:
            continue
        color, label, size = BLUE, "tried", 5
        if row.number == 0:
            color, label, size = GRAY, "default", 7
        if best and row.number == best.number:
            color, label, size = ORANGE, "best", 7
        axes.errorbar(
            at, row.accuracy, row.error, fmt="o", color=color, markersize=size, elinewidth=0.8,
            label=None if label in axes.get_legend_handles_labels()[1] else label,
            zorder=3 if color != BLUE else 2,
        )  # fmt: skip
    axes.set_title(name_of(place))
    axes.grid(axis="y")
    if isinstance(dimension, Choices):
        columns = max(4, LETTERS // len(dimension.choices))
        names = [wrap(show(one), columns, most=4) for one in dimension.choices]
        axes.set_xticks(range(len(names)), names)
        axes.set_xlim(-0.5, len(names) - 0.5)
    elif dimension.log:
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter("{x:g}")  # not 10 to some power, in math
        axes.xaxis.set_minor_formatter("")
    elif isinstance(dimension.low, int):
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))


def find_position(dimension: Dimension, value: Any) -> float | None:
    """Where a value is on the axis of its parameter: for a choice, its index."""
    if isinstance(dimension, Choices):
        return next((i for i, one in enumerate(dimension.choices) if same(one, value)), None)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return value if is_number and (value > 0 or not dimension.log) else None


def draw_best_so_far(axes: Axes, rows: Sequence[Row]) -> None:
    """The accuracy of the best recipe so far, and that of each, against the number of the trial."""
    numbers = [row.number for row in rows]
    found = [row.accuracy or 0.0 for row in rows]
    axes.plot(numbers, found, "o", color=BLUE, markersize=3)
    axes.step(numbers, [*accumulate(found, max)], where="post", color=ORANGE)
    axes.set_title("best so far")
    axes.set_xlabel("trial")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.grid(axis="y")
