"""Test images with what a model says of them."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.picture import new_figure, save, show_image

A_ROW = 6


def choose_examples(images: int, number: int, seed: int) -> NDArray[np.int64]:
    """The numbers of `number` random test images, without repetition."""
    random = np.random.default_rng(seed)
    return random.choice(images, size=min(number, images), replace=False)


def choose_mistakes(
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    number: int,
    seed: int,
) -> NDArray[np.int64]:
    """The numbers of the mistakes it was surest of, or of random ones without probabilities."""
    wrong = np.flatnonzero(labels != predicted)
    if not probabilities.size:
        return wrong[choose_examples(len(wrong), number, seed)]
    confidence = probabilities[wrong].max(axis=1)
    return wrong[np.argsort(-confidence, kind="stable")[:number]]


def caption(
    index: int,
    labels: NDArray[np.int64],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float32],
    classes: list[str],
) -> str:
    """What the image is and what the model takes it for, and how sure it is where it says so."""
    sure = f" {probabilities[index].max():.3f}" if probabilities.size else ""
    return f"is {classes[labels[index]]}\nsaid {classes[predicted[index]]}{sure}"


def draw_images(images: NDArray[np.uint8], captions: list[str], title: str, out: Path) -> None:
    """Images (n, h, w, c) with captions, six a row."""
    rows = max(-(-len(images) // A_ROW), 1)
    columns = min(max(len(images), 3), A_ROW)
    figure = new_figure(width=1.65 * columns, height=0.4 + 1.97 * rows)
    for axes in figure.subplots(rows, columns, squeeze=False).flat:
        axes.axis("off")
    for axes, image, text in zip(figure.axes, images, captions, strict=False):
        show_image(axes, image, text)
    figure.suptitle(title, fontsize=11, x=0.01, ha="left")
    save(figure, out)
