"""What the first convolution of a model looks for, and what it finds in an image."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import onnxruntime
from numpy.typing import NDArray
from onnx import numpy_helper

from stages.picture import new_figure, save, show_image

A_ROW = 8
CELL = 1.31  # inches
FILTERS_CAPTION = (
    "The numbers of a filter are weights that training found; before it they were random."
)
MAPS_CAPTION = (
    "A map is the filter laid over every place of the image, multiplied number by number and "
    "summed,\nand the filter's bias added: blue where it answers below zero, red above."
)


@dataclass(frozen=True)
class Convolution:
    """The first convolution of a model.

    `weights` (filters, channels, height, width), `bias` (filters,), `output`: the name of the
    value that holds its maps, (n, filters, height, width).
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


def compute_maps(
    model: onnx.ModelProto, convolution: Convolution, image: NDArray[np.float32], threads: int
) -> NDArray[np.float32]:
    """The feature maps, (filters, height, width), of one image as the model takes it, (1, ...)."""
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    extended.graph.output.append(
        onnx.helper.make_tensor_value_info(convolution.output, onnx.TensorProto.FLOAT, None)
    )
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(
        extended.SerializeToString(), options, providers=["CPUExecutionProvider"]
    )
    maps: NDArray[np.float32] = session.run([convolution.output], {"images": image})[0][0]
    return maps


def draw_filters(convolution: Convolution, title: str, out: Path) -> None:
    """Every filter, a picture a channel of the image, with its numbers."""
    weights = convolution.weights
    filters, channels = weights.shape[:2]
    rows, columns = -(-filters // A_ROW), min(filters, A_ROW)
    limit = float(np.abs(weights).max()) or 1.0
    figure = new_figure(max(CELL * columns, 6.5), 0.6 + (CELL + 0.17) * rows * channels)
    grid = figure.subplots(rows * channels, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    names = ["red", "green", "blue"] if channels == 3 else [""] * channels
    for index in range(filters):
        row, column = divmod(index, A_ROW)
        for channel in range(channels):
            axes = grid[row * channels + channel, column]
            axes.imshow(weights[index, channel], cmap="RdBu_r", vmin=-limit, vmax=limit)
            label = f"filter {index + 1}" if channel == 0 else ""
            axes.set_title(f"{label} {names[channel]}".strip(), fontsize=8, loc="center", pad=3)
            for (y, x), value in np.ndenumerate(weights[index, channel]):
                color = "white" if abs(value) > 0.6 * limit else "black"
                axes.text(x, y, f"{value:.2f}", ha="center", va="center", color=color, fontsize=7)
    figure.suptitle(
        f"{title}: the filters of the first convolution\n{FILTERS_CAPTION}",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    save(figure, out)


def draw_maps(
    image: NDArray[np.uint8], maps: NDArray[np.float32], caption: str, title: str, out: Path
) -> None:
    """An image, (h, w, c), and what each filter makes of it, (filters, height, width)."""
    rows, columns = -(-len(maps) // A_ROW), min(len(maps), A_ROW) + 2  # two for the image
    limit = float(np.abs(maps).max()) or 1.0
    cell = 10.5 / columns
    figure = new_figure(10.5, 0.8 + max((cell + 0.25) * rows, 2 * cell))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    spec = grid[0, 0].get_gridspec()
    show_image(figure.add_subplot(spec[:, :2]), image, caption)
    for index, values in enumerate(maps):
        row, column = divmod(index, A_ROW)
        axes = grid[row, column + 2]
        axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_title(f"filter {index + 1}", fontsize=8, loc="center", pad=3)
    figure.suptitle(
        f"{title}: what each filter of the first convolution makes of a test image\n{MAPS_CAPTION}",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    save(figure, out)
