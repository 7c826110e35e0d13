"""Draws what a run gets wrong, how sure it is, how it learned, and what it sees."""

import csv
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from stages.arrays import read_split
from stages.classifier import open_classifier, read_about
from stages.command import InputError, run
from stages.figures.confusion import count, draw_confused_pairs, draw_confusion
from stages.figures.examples import caption, choose_examples, choose_mistakes, draw_images
from stages.figures.filters import compute_maps, draw_filters, draw_maps, find_convolution
from stages.figures.learning_curve import draw_learning_curve, read_curve
from stages.figures.reliability import draw_reliability
from stages.files import written_whole
from stages.normalize import normalize
from stages.parameters import read_parameter


def main(
    model: Path, test: Path, predictions: Path, probabilities: Path, curve: Path, out: Path
) -> None:
    """Draws what there is to draw of a run into the folder `out`.

    `test` holds the raw test images; `probabilities` and `curve` may be empty of what a run of
    another kind has, and then their pictures are left out.
    """
    seed, threads = read_parameter("seed"), read_parameter("threads")
    about = read_about(open_classifier(model, threads))
    classes, name = about["classes"], model.stem
    images, _ = read_split(test)
    labels, predicted = read_predictions(predictions, classes)
    likely = np.load(probabilities, allow_pickle=False)
    if not len(images) == len(labels) == len(likely):
        raise InputError(
            f"{len(images)} images, {len(labels)} predictions and {len(likely)} probabilities of "
            f"{name}; run `dvc repro` to make them anew"
        )
    with written_whole(out) as folder:
        folder.mkdir()
        counts = count(labels, predicted, len(classes))
        draw_confusion(counts, classes, name, folder / "confusion.png")
        draw_confused_pairs(counts, classes, name, folder / "confused_pairs.png")
        examples = choose_examples(len(images), read_parameter("plot.examples"), seed)
        number = read_parameter("plot.mistakes")
        mistakes = choose_mistakes(labels, predicted, likely, number, seed)
        kind = "the mistakes it was surest of" if likely.size else "random mistakes"
        for file, chosen, title in (
            ("examples.png", examples, "random test images"),
            ("mistakes.png", mistakes, kind if len(mistakes) else "no mistake"),
        ):
            captions = [caption(i, labels, predicted, likely, classes) for i in chosen]
            draw_images(images[chosen], captions, f"{name}: {title}", folder / file)
        if likely.size:
            draw_reliability(predicted == labels, likely, name, folder / "reliability.png")
        columns = read_curve(curve)
        if "loss" in columns:
            draw_learning_curve(columns, name, folder / "learning_curve.png")
        graph = onnx.load(model)
        convolution = find_convolution(graph)
        if convolution is not None:
            draw_filters(convolution, name, folder / "filters.png")
            first = examples[:1]
            taken = normalize(images[first], about["normalization"])
            maps = compute_maps(graph, convolution, taken, threads)
            label = f"test image {first[0]}:\n{classes[labels[first[0]]]}"
            draw_maps(images[first[0]], maps, label, name, folder / "feature_maps.png")
    print(f"{out}: {len(list(out.iterdir()))} pictures")


def read_predictions(path: Path, classes: list[str]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Labels and predicted labels, both (n,), from a CSV of actual and predicted class names."""
    number = {name: label for label, name in enumerate(classes)}
    with path.open(encoding="utf-8", newline="") as file:
        pairs = [(number[row["actual"]], number[row["predicted"]]) for row in csv.DictReader(file)]
    labels, predicted = np.array(pairs, dtype=np.int64).reshape(-1, 2).T
    return labels, predicted


if __name__ == "__main__":
    run(main, "arrays", "onnx", "plots")
