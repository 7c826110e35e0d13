"""Random test images with what a model says of them."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.run import Run
from stages.figures.style import new_figure, show_image

CAPTION = "Random test images: what they are, and what it says."
A_ROW = 6


def draw(run: Run) -> Figure:
    """Test images chosen by the seed."""
    chosen = choose_examples(len(run.images), run.examples, run.seed)
    return draw_images(run, chosen, "random test images")


def choose_examples(images: int, number: int, seed: int) -> NDArray[np.int64]:
    """The numbers of `number` random test images, without repetition."""
    random = np.random.default_rng(seed)
    return random.choice(images, size=min(number, images), replace=False)


def draw_images(run: Run, chosen: NDArray[np.int64], title: str) -> Figure:
    """The test images of these indices, six a row, with captions."""
    rows = max(-(-len(chosen) // A_ROW), 1)
    columns = min(max(len(chosen), 3), A_ROW)
    figure = new_figure(width=1.65 * columns, height=0.4 + 1.97 * rows)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, index in zip(figure.axes, chosen, strict=False):
        show_image(axes, run.images[index], caption(run, index))
    figure.suptitle(f"{run.name}: {title}", fontsize=11, x=0.01, ha="left")
    return figure


def caption(run: Run, index: int) -> str:
    """What the image is and what the model takes it for, and how sure it is where it says so."""
    sure = "" if run.probabilities is None else f" {run.probabilities[index].max():.3f}"
    actual, said = run.classes[run.labels[index]], run.classes[run.predicted[index]]
    return f"is {actual}\nsaid {said}{sure}"
