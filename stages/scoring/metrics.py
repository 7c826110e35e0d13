"""The metrics of a classifier: one table for evaluation, reviews and reports."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from stages.scoring.calibration import calibration_error

QUANTILE = 1.959963984540054  # of the normal distribution, for 97.5%


@dataclass(frozen=True)
class Metric:
    """A metric: its title in tables, and how it is computed.

    `function` takes labels, int (n,), predicted labels, int64 (n,), and probabilities, float32
    (n, classes), which may be None for a metric that does not need them.
    """

    title: str
    function: Callable[[NDArray[Any], NDArray[np.int64], Any], float]
    needs_probabilities: bool = False
    lower_is_better: bool = False


def accuracy(labels: NDArray[Any], predicted: NDArray[np.int64], _: Any = None) -> float:
    """The share of images whose predicted label is correct; 0 to 1."""
    return float(np.mean(labels == predicted))


def macro_f1(labels: NDArray[Any], predicted: NDArray[np.int64], _: Any = None) -> float:
    """The mean over classes of F1, the harmonic mean of precision and recall; 0 to 1."""
    present = np.union1d(labels, predicted)
    hits = np.array([np.sum((labels == c) & (predicted == c)) for c in present])
    actual_or_predicted = np.array([np.sum(labels == c) + np.sum(predicted == c) for c in present])
    return float(np.mean(2 * hits / actual_or_predicted))


def log_loss(labels: NDArray[Any], _: Any, probabilities: NDArray[np.float32]) -> float:
    """The mean negative natural logarithm of the probability of the actual class.

    As in scikit-learn, probabilities are at least the machine epsilon of their type.
    """
    of_right_class = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(of_right_class, np.finfo(np.float32).eps, 1)).mean())


def expected_calibration_error(
    labels: NDArray[Any], predicted: NDArray[np.int64], probabilities: NDArray[np.float32]
) -> float:
    """How far apart confidence and accuracy are; 0 to 1. See `calibration_error`."""
    return calibration_error(labels == predicted, probabilities)


# To add a metric, add it here, and its tolerance to params.yaml. metrics/RUN.json and the tables
# keep this order. Models are compared by accuracy.
METRICS: dict[str, Metric] = {
    "accuracy": Metric("accuracy", accuracy),
    "macro_f1": Metric("macro F1", macro_f1),
    "log_loss": Metric("log loss", log_loss, needs_probabilities=True, lower_is_better=True),
    "calibration_error": Metric(
        "calibration error",
        expected_calibration_error,
        needs_probabilities=True,
        lower_is_better=True,
    ),
}


def score(
    labels: NDArray[Any],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float32] | None,
) -> dict[str, float]:
    """The metrics on a split, rounded to six decimals.

    `labels` and `predicted` are (n,), `probabilities` is (n, classes); if it is None, the metrics
    that need it are left out.
    """
    scores: dict[str, float] = {}
    for name, metric in METRICS.items():
        if probabilities is None and metric.needs_probabilities:
            continue
        scores[name] = metric.function(labels, predicted, probabilities)
        if name == "accuracy":
            low, high = find_interval(scores[name], len(labels))
            scores |= {"accuracy_low": low, "accuracy_high": high}
    return {name: round(float(value), 6) + 0.0 for name, value in scores.items()} | {
        "images": len(labels)
    }


def find_interval(share: float, n: int) -> tuple[float, float]:
    """The 95% interval for the share of hits among `n` images, which need not be many.

    Wilson's score interval: Brown, Cai and DasGupta 2001, doi:10.1214/ss/1009213286, equation 4.
    """
    middle = (share + QUANTILE**2 / (2 * n)) / (1 + QUANTILE**2 / n)
    variance = share * (1 - share) / n + QUANTILE**2 / (4 * n**2)
    half = QUANTILE * math.sqrt(variance) / (1 + QUANTILE**2 / n)
    return middle - half, middle + half
