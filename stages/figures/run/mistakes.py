"""Test images that a model gets wrong."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.run import Run
from stages.figures.run.examples import choose_examples, draw_images

CAPTION = (
    "The most confident mistakes on the test images, or random ones if the model has no "
    "probabilities."
)


def draw(run: Run) -> Figure:
    """The most confident mistakes, or random ones for a model without probabilities."""
    chosen = choose_mistakes(run)
    kind = "random mistakes" if run.probabilities is None else "the most confident mistakes"
    return draw_images(run, chosen, kind if len(chosen) else "no mistakes")


def choose_mistakes(run: Run) -> NDArray[np.int64]:
    """The indices of the most confident mistakes, or of random ones without probabilities."""
    wrong = np.flatnonzero(run.labels != run.predicted)
    if run.probabilities is None:
        return wrong[choose_examples(len(wrong), run.mistakes, run.seed)]
    confidence = run.probabilities[wrong].max(axis=1)
    return wrong[np.argsort(-confidence, kind="stable")[: run.mistakes]]
