"""Random test images with a model's predictions."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.run import Run
from stages.figures.style import LINE, new_figure, show_image, wrap

CAPTION = "Random test images with their actual and predicted class."
PER_ROW = 6


def draw(run: Run) -> Figure:
    """Random test images, which depend on the seed."""
    chosen = choose_examples(len(run.images), run.examples, run.seed)
    return draw_images(run, chosen, "random test images")


def choose_examples(images: int, number: int, seed: int) -> NDArray[np.int64]:
    """The indices of `number` random test images, without repetition."""
    random = np.random.default_rng(seed)
    return random.choice(images, size=min(number, images), replace=False)


def draw_images(run: Run, chosen: NDArray[np.int64], title: str) -> Figure:
    """The test images with these indices, six per row, with captions."""
    rows = max(-(-len(chosen) // PER_ROW), 1)
    columns = min(max(len(chosen), 3), PER_ROW)
    captions = [wrap(caption(run, index), 26) for index in chosen]
    room = LINE * max((one.count("\n") - 1 for one in captions), default=0)
    figure = new_figure(width=1.65 * columns, height=0.4 + (1.97 + room) * rows)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, index, text in zip(figure.axes, chosen, captions, strict=False):
        show_image(axes, run.images[index], text, size=8)
    figure.suptitle(f"{run.name}: {title}", fontsize=11, x=0.01, ha="left")
    return figure


def caption(run: Run, index: int) -> str:
    """The actual and the predicted class of an image, with the confidence if there is one."""
    confidence = "" if run.probabilities is None else f" {run.probabilities[index].max():.2f}"
    actual, predicted = run.classes[run.labels[index]], run.classes[run.predicted[index]]
    return f"actual {actual}\npredicted {predicted}{confidence}"
