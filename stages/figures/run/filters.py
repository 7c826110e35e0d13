"""The filters of a model's first convolution."""

from dataclasses import dataclass

import numpy as np
import onnx
from matplotlib.figure import Figure
from numpy.typing import NDArray
from onnx import numpy_helper

from stages.figures.run import Run
from stages.figures.style import new_figure

CAPTION = "The filters of the first convolution. The numbers are their weights."
PER_ROW = 8
CELL = 1.31  # inches
NOTE = "The numbers are the weights of each filter, on a color scale of its own"
FAINTEST = 0.02  # share of the largest of all: weaker filters are pale
TRAINED = "random at first, then learned in training."


def draw(run: Run) -> Figure | None:
    """Every filter, one panel per channel of the image, with its weights; None if there is none."""
    convolution = find_convolution(run.model)
    if convolution is None:
        return None
    weights = convolution.weights
    filters, channels = weights.shape[:2]
    rows, columns = -(-filters // PER_ROW), min(filters, PER_ROW)
    limits = find_limits(weights)
    figure = new_figure(max(CELL * columns, 6.5), 0.6 + (CELL + 0.17) * rows * channels)
    grid = figure.subplots(rows * channels, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    names = ["red", "green", "blue"] if channels == 3 else [""] * channels
    for index, limit in enumerate(limits):
        row, column = divmod(index, PER_ROW)
        for channel in range(channels):
            axes = grid[row * channels + channel, column]
            axes.imshow(weights[index, channel], cmap="RdBu_r", vmin=-limit, vmax=limit)
            label = f"filter {index + 1}" if channel == 0 else ""
            axes.set_title(f"{label} {names[channel]}".strip(), fontsize=8, loc="center", pad=3)
            for (y, x), value in np.ndenumerate(weights[index, channel]):
                color = "white" if abs(value) > 0.6 * limit else "black"
                axes.text(x, y, f"{value:z.2f}", ha="center", va="center", color=color, fontsize=7)
    origin = TRAINED if run.backbone is None else f"{run.backbone} learned them on ImageNet."
    figure.suptitle(
        f"{run.name}: the filters of the first convolution\n{NOTE}: {origin}",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def find_limits(values: NDArray[np.float32]) -> list[float]:
    """Where the colors of each filter end, of its weights or its map: (filters, ...)."""
    largest = np.abs(values).reshape(len(values), -1).max(axis=1)
    limits: list[float] = np.maximum(largest, FAINTEST * largest.max()).tolist()
    return [limit or 1.0 for limit in limits]


@dataclass(frozen=True)
class Convolution:
    """The first convolution of a model.

    `weights` is (filters, channels, height, width) and `bias` (filters,); `output` is the name of
    the value with its feature maps, (n, filters, height, width).
    """

    weights: NDArray[np.float32]
    bias: NDArray[np.float32]
    output: str


def find_convolution(model: onnx.ModelProto) -> Convolution | None:
    """The first convolution of a model, or None if it has none."""
    values = {value.name: value for value in model.graph.initializer}
    for node in model.graph.node:
        if node.op_type == "Conv":
            weights, *bias = (numpy_helper.to_array(values[name]) for name in node.input[1:])
            no_bias = np.zeros(len(weights), dtype=np.float32)
            return Convolution(weights, bias[0] if bias else no_bias, node.output[0])
    return None
