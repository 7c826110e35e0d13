"""The reliability diagram: accuracy against confidence."""

import numpy as np
from matplotlib.figure import Figure

from stages.figures.run import Run
from stages.figures.style import BLUE, GRAY, ORANGE, new_figure
from stages.scoring.calibration import bin_confidence, calibration_error

CAPTION = "Calibration on the test images: on the dashed line, confidence equals accuracy."


def draw(run: Run) -> Figure | None:
    """Accuracy against confidence in bins of equal width, and the number of images in each.

    A calibrated model is on the diagonal. None without probabilities.
    """
    if run.probabilities is None:
        return None
    correct, probabilities = run.predicted == run.labels, run.probabilities
    bins = bin_confidence(correct, probabilities)
    width = 1 / len(bins.images)
    left = np.arange(len(bins.images)) * width
    filled = bins.images > 0
    figure = new_figure(width=5.6, height=6)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=[3, 1])
    above.bar(left[filled], bins.accuracy[filled], width, align="edge", color=BLUE, edgecolor="w")
    above.plot([0, 1], [0, 1], color=GRAY, linestyle="--", label="confidence equals accuracy")
    above.plot(
        bins.confidence[filled],
        bins.accuracy[filled],
        "o",
        color=ORANGE,
        markersize=4,
        label="mean confidence of the bin",
    )
    above.set_ylabel("test accuracy")
    above.set_ylim(0, 1.02)
    error = calibration_error(correct, probabilities)
    above.set_title(f"{run.name}: reliability\nexpected calibration error {error:.3f}")
    below.bar(left, bins.images, width, align="edge", color=GRAY, edgecolor="w")
    below.set_ylabel("images")
    below.set_xlabel("confidence: the highest probability")
    below.set_xlim(0, 1)
    figure.legend(loc="outside lower center", ncols=2)  # outside: some bars reach the top
    return figure
