"""How every picture looks and is saved: the same bytes for the same data."""

from pathlib import Path

import matplotlib as mpl
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.files import written_whole

BLUE, GREY = "#0072B2", "#777777"  # blue of Okabe and Ito (2008), for every eye
PAIRS_A_ROW = 6


def new_figure(width: float, height: float) -> tuple[Figure, Axes]:
    """An empty picture of `width` by `height` inches with one pair of axes."""
    figure = _figure(width, height)
    return figure, figure.subplots()


def _figure(width: float, height: float) -> Figure:
    mpl.use("agg")
    mpl.rcParams.update({"font.size": 10, "axes.titlesize": 11, "axes.titlelocation": "left"})
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, out: Path) -> None:
    """Writes a PNG without the date and version that matplotlib puts into it."""
    with written_whole(out) as path:
        figure.savefig(path, format="png", dpi=120, metadata={"Software": None})


def draw_pairs(
    pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
    captions: list[str],
    title: str,
    out: Path,
) -> None:
    """Draws pairs of images (h, w, c), one above the other, six pairs a row, with captions."""
    rows = -(-len(pairs) // PAIRS_A_ROW)
    figure = _figure(width=9, height=0.5 + 3.3 * rows)
    for axes, (above, below), caption in zip(
        figure.subplots(rows, PAIRS_A_ROW, squeeze=False).flat, pairs, captions, strict=False
    ):
        gap = np.full((1, *above.shape[1:]), 255, dtype=np.uint8)
        axes.imshow(np.concatenate([above, gap, below]).squeeze(), cmap="gray", vmin=0, vmax=255)
        axes.set_title(caption, fontsize=8, loc="center")
    for axes in figure.axes:
        axes.axis("off")
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    save(figure, out)
