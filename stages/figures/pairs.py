"""Pairs of similar images."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.figures.style import LINE, new_figure, save, show_image, wrap

PER_ROW = 6


def draw_pairs(
    pairs: list[tuple[NDArray[np.uint8], NDArray[np.uint8]]],
    captions: list[str],
    title: str,
    out: Path,
) -> None:
    """Draws pairs of images (h, w, c), one above the other, six pairs per row, with captions."""
    rows = -(-len(pairs) // PER_ROW)
    captions = [wrap(one, 24) for one in captions]
    room = LINE * max((one.count("\n") - 1 for one in captions), default=0)
    figure = new_figure(width=9, height=0.5 + (3.3 + room) * rows)
    grid = figure.subplots(rows, PER_ROW, squeeze=False).flat
    for axes, (above, below), caption in zip(grid, pairs, captions, strict=False):
        gap = np.full((1, *above.shape[1:]), 255, dtype=np.uint8)
        show_image(axes, np.concatenate([above, gap, below]), caption, size=8)
    for axes in figure.axes:
        axes.axis("off")
    figure.suptitle(title, fontsize=10, x=0.01, ha="left")
    save(figure, out)
