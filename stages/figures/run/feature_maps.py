"""What the filters of the first convolution find in an image."""

import numpy as np
import onnx
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.run import Run
from stages.figures.run.examples import choose_examples
from stages.figures.run.filters import A_ROW, Convolution, find_convolution
from stages.figures.style import new_figure, show_image
from stages.model_file.classifier import open_session
from stages.normalize import normalize

CAPTION = (
    "What each filter makes of a test image: the filter is laid over every place of the image, "
    "multiplied number by number and summed."
)
NOTE = (
    "A map is the filter laid over every place of the image, multiplied number by number and "
    "summed,\nand the filter's bias added: blue where it answers below zero, red above."
)


def draw(run: Run) -> Figure | None:
    """The first example, and what each filter makes of it; None if there is no convolution."""
    convolution = find_convolution(run.model)
    if convolution is None:
        return None
    first = choose_examples(len(run.images), run.examples, run.seed)[0]
    image, caption = run.images[first], f"test image {first}:\n{run.classes[run.labels[first]]}"
    taken = normalize(run.images[[first]], run.normalization)
    maps = compute_maps(run.model, convolution, taken, run.threads)
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
        f"{run.name}: what each filter of the first convolution makes of a test image\n{NOTE}",
        fontsize=10, x=0.01, ha="left",
    )  # fmt: skip
    return figure


def compute_maps(
    model: onnx.ModelProto, convolution: Convolution, image: NDArray[np.float32], threads: int
) -> NDArray[np.float32]:
    """The feature maps, (filters, height, width), of one image as the model takes it, (1, ...)."""
    extended = onnx.ModelProto()
    extended.CopyFrom(model)
    extended.graph.output.append(
        onnx.helper.make_tensor_value_info(convolution.output, onnx.TensorProto.FLOAT, None)
    )
    session = open_session(extended.SerializeToString(), threads)
    maps: NDArray[np.float32] = session.run([convolution.output], {"images": image})[0][0]
    return maps
