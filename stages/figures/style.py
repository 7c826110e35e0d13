"""How every picture looks and is saved: the same bytes for the same data."""

from pathlib import Path
from typing import Any

import matplotlib as mpl
import matplotlib.style
import numpy as np
from cycler import cycler
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.runtime.files import atomic_write

BLUE, ORANGE, GRAY = "#0072B2", "#D55E00", "#777777"
OTHERS = ("#009E73", "#CC79A7", "#E69F00", "#56B4E9")
STYLE: Any = {  # sizes that are legible at the width of a web page
    "text.parse_math": False,  # a class name may have dollar signs
    "font.size": 10,
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.axisbelow": True,
    # Colors that color-blind people can tell apart, too (Okabe and Ito 2008).
    "axes.prop_cycle": cycler(color=[BLUE, ORANGE, *OTHERS, GRAY]),
    "grid.color": "#DDDDDD",
    "legend.frameon": False,
    "image.cmap": "gray",
    "image.interpolation": "nearest",
    "lines.linewidth": 1.8,
    "figure.constrained_layout.use": True,
    "savefig.dpi": 120,
}


def new_figure(width: float, height: float) -> Figure:
    """An empty picture of `width` by `height` inches."""
    mpl.use("agg")
    mpl.style.use(STYLE)
    return Figure(figsize=(width, height), layout="constrained")


def save(figure: Figure, out: Path) -> None:
    """Writes a PNG without the version that matplotlib adds to its metadata."""
    with atomic_write(out) as path:
        figure.savefig(path, format="png", metadata={"Software": None})


def show_image(axes: Axes, image: NDArray[np.uint8], caption: str = "", size: float = 9) -> None:
    """Shows an image, (h, w, c) of 0 to 255, without axes, below a caption of `size` points."""
    axes.imshow(image.squeeze(), vmin=0, vmax=255)
    axes.set_title(caption, fontsize=size, loc="center")
    axes.axis("off")
