"""Scores a trained model on the whole test split, through ONNX Runtime."""

import csv
import json
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.stats import binomtest

from stages.arrays import read_split
from stages.calibration import calibration_error
from stages.classifier import classify, open_classifier, read_about
from stages.command import InputError, run
from stages.files import written_whole
from stages.parameters import read_parameter


def main(model: Path, test: Path, metrics: Path, predictions: Path, probabilities: Path) -> None:
    """Writes `metrics` (JSON), `predictions` (CSV of actual and predicted class names), and
    `probabilities` (float32, (n, classes), or (n, 0) where the model has none).
    """
    session = open_classifier(model, read_parameter("threads"))
    images, labels = read_split(test)
    expected = session.get_inputs()[0].shape[1:]
    if list(images.shape[1:]) != expected:
        raise InputError(
            f"{test}: an image has shape {list(images.shape[1:])}, but {model} takes {expected}; "
            "run `dvc repro` to train it on these images"
        )
    predicted, probability = classify(session, images)
    scores = score(labels, predicted, probability)
    classes = read_about(session)["classes"]

    with (
        written_whole(metrics) as metrics_file,
        written_whole(predictions) as predictions_file,
        written_whole(probabilities) as probabilities_file,
    ):
        with probabilities_file.open("wb") as array:
            np.save(
                array,
                np.empty((len(labels), 0), np.float32) if probability is None else probability,
            )
        metrics_file.write_text(json.dumps(scores, indent=2) + "\n", encoding="utf-8")
        with predictions_file.open("w", encoding="utf-8", newline="") as file:
            writer = csv.writer(file, lineterminator="\n")
            writer.writerow(["actual", "predicted"])
            writer.writerows(
                (classes[a], classes[p]) for a, p in zip(labels, predicted, strict=True)
            )
    print(f"{model.stem}: accuracy {scores['accuracy']} on {len(labels)} test images")


def score(
    labels: NDArray[np.uint8],
    predicted: NDArray[np.int64],
    probabilities: NDArray[np.float32] | None,
) -> dict[str, float]:
    """The metrics of one run, rounded to six decimals.

    `labels` and `predicted` are (n,), `probabilities` is (n, classes). The interval of the
    accuracy is Wilson's, at 95%.
    """
    correct = predicted == labels
    interval = binomtest(int(correct.sum()), len(correct)).proportion_ci(0.95, method="wilson")
    scores = {
        "accuracy": correct.mean(),
        "accuracy_low": interval.low,
        "accuracy_high": interval.high,
        "macro_f1": macro_f1(labels, predicted),
    }
    if probabilities is not None:
        scores["log_loss"] = log_loss(labels, probabilities)
        scores["calibration_error"] = calibration_error(correct, probabilities)
    return {name: round(float(value), 6) + 0.0 for name, value in scores.items()} | {
        "test_images": len(labels)
    }


def macro_f1(labels: NDArray[np.uint8], predicted: NDArray[np.int64]) -> float:
    """The mean over classes of F1, the harmonic mean of precision and recall; 0 to 1."""
    present = np.union1d(labels, predicted)
    hits = np.array([np.sum((labels == c) & (predicted == c)) for c in present])
    either = np.array([np.sum(labels == c) + np.sum(predicted == c) for c in present])
    return float(np.mean(2 * hits / either))


def log_loss(labels: NDArray[np.uint8], probabilities: NDArray[np.float32]) -> float:
    """The mean negative natural logarithm of the probability of the right class.

    As in scikit-learn, a probability counts as no less than the machine epsilon of its type.
    """
    of_right_class = probabilities[np.arange(len(labels)), labels].astype(np.float64)
    return float(-np.log(np.clip(of_right_class, np.finfo(np.float32).eps, 1)).mean())


if __name__ == "__main__":
    run(main, "arrays", "onnx", "statistics")
