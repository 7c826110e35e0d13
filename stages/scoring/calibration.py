"""Confidence compared with accuracy, in bins."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE_BINS = 15  # as in Guo et al. 2017, table 1


@dataclass(frozen=True)
class Bins:
    """The number of images, mean confidence and accuracy (0 if empty) of each bin; all (bins,)."""

    images: NDArray[np.int64]
    confidence: NDArray[np.float64]
    accuracy: NDArray[np.float64]


def bin_confidence(correct: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> Bins:
    """Sorts images into bins of equal width by their highest probability.

    `correct` is (n,), `probabilities` (n, classes).
    """
    confidence = probabilities.max(axis=1).astype(np.float64)
    bin_index = np.minimum((confidence * CONFIDENCE_BINS).astype(int), CONFIDENCE_BINS - 1)
    images = np.bincount(bin_index, minlength=CONFIDENCE_BINS)
    confidence_sum, correct_sum = (
        np.bincount(bin_index, weights=weights, minlength=CONFIDENCE_BINS)
        for weights in (confidence, correct)
    )
    counted = np.maximum(images, 1)
    return Bins(images, confidence_sum / counted, correct_sum / counted)


def calibration_error(correct: NDArray[np.bool_], probabilities: NDArray[np.float32]) -> float:
    """Expected calibration error, 0 to 1: how far apart confidence and accuracy are.

    The mean distance between the confidence and the accuracy of a bin, weighted by its share of the
    images (Guo et al. 2017, arXiv 1706.04599, equation 3).
    """
    bins = bin_confidence(correct, probabilities)
    return float((np.abs(bins.confidence - bins.accuracy) * bins.images).sum() / len(correct))
