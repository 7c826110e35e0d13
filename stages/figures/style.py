"""How every picture looks and is saved: the same bytes for the same data."""

from pathlib import Path

import matplotlib as mpl
import matplotlib.style
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.runtime.files import written_whole

STYLE = Path(__file__).with_suffix(".mplstyle")
BLUE, ORANGE, GREY = "#0072B2", "#D55E00", "#777777"  # as in the style


def new_figure(width: float, height: float) -> Figure:
    """An empty picture of `width` by `height` inches."""
    mpl.use("agg")
    mpl.style.use(STYLE)
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, out: Path) -> None:
    """Writes a PNG without the date and version that matplotlib puts into it."""
    with written_whole(out) as path:
        figure.savefig(path, format="png", metadata={"Software": None})


def show_image(axes: Axes, image: NDArray[np.uint8], caption: str = "", size: float = 9) -> None:
    """Puts an image, (h, w, c) of 0 to 255, without axes, and a caption of `size` points above."""
    axes.imshow(image.squeeze(), vmin=0, vmax=255)
    axes.set_title(caption, fontsize=size, loc="center")
    axes.axis("off")
