"""Test images that a model gets wrong."""

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from stages.figures.run import Run
from stages.figures.run.examples import choose_examples, draw_images

CAPTION = "Mistakes: those it was surest of, or random ones where it gives no probabilities."


def draw(run: Run) -> Figure:
    """The mistakes with the greatest confidence, or random ones of a model without it."""
    chosen = choose_mistakes(run)
    kind = "random mistakes" if run.probabilities is None else "the mistakes it was surest of"
    return draw_images(run, chosen, kind if len(chosen) else "no mistake")


def choose_mistakes(run: Run) -> NDArray[np.int64]:
    """The indices of the mistakes it was surest of, or of random ones without probabilities."""
    wrong = np.flatnonzero(run.labels != run.predicted)
    if run.probabilities is None:
        return wrong[choose_examples(len(wrong), run.mistakes, run.seed)]
    confidence = run.probabilities[wrong].max(axis=1)
    return wrong[np.argsort(-confidence, kind="stable")[: run.mistakes]]
