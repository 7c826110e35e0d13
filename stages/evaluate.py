"""Scores a trained model on the whole test split, with ONNX Runtime."""

import csv
import io
from pathlib import Path

from stages.runtime.command import run

import numpy as np
from numpy.typing import NDArray

from stages.datasets.arrays import read_split
from stages.model_file.classifier import classify, open_classifier, read_metadata
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write, read_text, write_json
from stages.runtime.inputs import reading
from stages.runtime.parameters import read_parameter
from stages.scoring.metrics import METRICS, score
from stages.scoring.predictions import read_answers, write_predictions, write_probabilities


def main(
    model: Path,
    test: Path,
    validation: Path,
    duplicates: Path,
    metrics: Path,
    predictions: Path,
    probabilities: Path,
) -> None:
    """Writes `metrics` (JSON), `predictions` (CSV of actual and predicted class names), and
    `probabilities` (float32, (n, classes), or (n, 0) if the model has none).

    `metrics` has those on the test images, and on the validation images if any were held out.
    `validation` is what `train` has written of these.
    """
    classifier = open_classifier(model, read_parameter("threads"))
    images, labels = read_split(test)
    expected = classifier.input_shape
    if images.shape[1:] != expected:
        raise InputError(
            f"{test}: an image has shape {images.shape[1:]}, but {model} takes {expected}; "
            "run `dvc repro` to train it on these images"
        )
    predicted, probability = classify(classifier, images)
    classes = read_metadata(classifier).classes
    of_test = score(labels, predicted, probability)
    of_test |= score_others(labels, predicted, read_duplicates(duplicates, len(labels)))
    of_validation = read_answers(validation)
    scores = {"validation": score(*of_validation)} if len(of_validation[0]) else {}
    scores |= {"test": of_test}

    with (
        atomic_write(metrics) as metrics_file,
        atomic_write(predictions) as predictions_file,
        atomic_write(probabilities) as probabilities_file,
    ):
        write_json(metrics_file, scores)
        write_predictions(predictions_file, labels, predicted, classes)
        write_probabilities(probabilities_file, probability, len(labels))
    print(f"{model.stem}: accuracy {of_test['accuracy']} on {len(labels)} test images")


def score_others(
    labels: NDArray[np.uint8], predicted: NDArray[np.int64], duplicates: NDArray[np.bool_]
) -> dict[str, float]:
    """How many images are `duplicates`, bool (n,), and the accuracy on all others, if any."""
    scores: dict[str, float] = {"near_duplicates": int(duplicates.sum())}
    if not duplicates.all():
        others = METRICS["accuracy"].function(labels[~duplicates], predicted[~duplicates], None)
        scores["accuracy_without_near_duplicates"] = round(others, 6)
    return scores


def read_duplicates(path: Path, images: int) -> NDArray[np.bool_]:
    """Which of the test images are in the audit's list of duplicates; (images,)."""
    duplicates = np.zeros(images, dtype=bool)
    text = read_text(path)
    with reading(path, "list of duplicates", "run `dvc repro` to recreate it"):
        for row in csv.DictReader(io.StringIO(text, newline="")):
            index = int(row["test_index"])
            if not 0 <= index < images:
                raise ValueError(f"test image {index} of {images}")
            duplicates[index] = True
    return duplicates


if __name__ == "__main__":
    run(main, "arrays", "onnx")
