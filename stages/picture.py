"""How every picture looks and is saved: the same bytes for the same data."""

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from stages.files import written_whole

BLUE, ORANGE, GREEN, GREY = "#0072B2", "#D55E00", "#009E73", "#777777"  # Okabe and Ito, 2008


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty picture of `width` by `height` inches with one pair of axes."""
    mpl.use("agg")
    mpl.rcParams.update({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"})
    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.subplots()


def save(figure: Figure, out: Path) -> None:
    """Writes a PNG without the date and version that matplotlib puts into it."""
    with written_whole(out) as path:
        figure.savefig(path, format="png", dpi=120, metadata={"Software": None})
