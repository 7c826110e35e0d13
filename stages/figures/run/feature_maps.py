"""The feature maps of the first convolution for one image."""

import numpy as np
import onnx
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.run import Run
from stages.figures.run.examples import choose_examples
from stages.figures.run.filters import PER_ROW, Convolution, find_convolution, find_limits
from stages.figures.style import LINE, new_figure, show_image, wrap
from stages.model_file.classifier import open_session
from stages.normalize import normalize

CAPTION = (
    "The feature map of each filter for a test image: the filter slides over the image, and at "
    "every position its weights are multiplied by the pixels and summed."
)
NOTE = (
    "The filter slides over the image: at every position, its weights times the pixels are "
    "summed,\nand the filter's bias is added. Blue is below zero, red above; each has its scale."
)
BATCH = 20  # images at a time: a network within the model may resize them


def draw(run: Run) -> Figure | None:
    """The first example and its map for each filter; None if there is no convolution."""
    convolution = find_convolution(run.model)
    if convolution is None:
        return None
    first = choose_examples(len(run.images), run.examples, run.seed)[0]
    image = run.images[first]
    caption = wrap(f"test image {first}:\n{run.classes[run.labels[first]]}", 28)
    room = LINE * (caption.count("\n") - 1)
    taken = normalize(run.images[[first]], run.normalization)
    maps = compute_maps(run.model, convolution, taken)
    rows, columns = (
        -(-len(maps) // PER_ROW),
        min(len(maps), PER_ROW) + 2,
    )  # two columns for the image
    cell = 10.5 / columns
    figure = new_figure(10.5, 0.8 + room + max((cell + 0.25) * rows, 2 * cell))
    grid = figure.subplots(rows, columns, squeeze=False)
    for axes in grid.flat:
        axes.axis("off")
    spec = grid[0, 0].get_gridspec()
    show_image(figure.add_subplot(spec[:, :2]), image, caption)
    for index, (values, limit) in enumerate(zip(maps, find_limits(maps), strict=True)):
        row, column = divmod(index, PER_ROW)
        axes = grid[row, column + 2]
        axes.imshow(values, cmap="RdBu_r", vmin=-limit, vmax=limit)
        axes.set_title(f"filter {index + 1}", fontsize=8, loc="center", pad=3)
    figure.suptitle(
        f"{run.name}: feature maps of the first convolution for a test image\n{NOTE}",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def compute_maps(
    model: onnx.ModelProto, convolution: Convolution, image: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The feature maps, (filters, height, width), of one image as the model takes it, (1, ...)."""
    return compute_values(model, convolution.output, image)[0]


def compute_values(
    model: onnx.ModelProto, name: str, images: NDArray[np.float32]
) -> NDArray[np.float32]:
    """The value within a model that has this name, (n, ...), of images normalized as it takes."""
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    extended.graph.output.append(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None)
    )
    session = open_session(extended.SerializeToString(), threads=1)
    taken = images.reshape(-1, *session.get_inputs()[0].shape[1:])
    starts = range(0, len(taken), BATCH)
    batches = [session.run([name], {"images": taken[i : i + BATCH]})[0] for i in starts]
    return np.concatenate(batches)
