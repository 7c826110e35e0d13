"""Classifies picture files with a trained model.

.venv/bin/python -m tools.predict data/models/RUN.onnx IMAGE... [--json] [--no-invert]
"""

import json
from pathlib import Path
from typing import Annotated, Any

from stages.runtime.command import run

import numpy as np
import typer
from numpy.typing import NDArray

from stages.model_file.classifier import Classifier, classify, open_classifier, read_metadata
from stages.normalize import normalize
from stages.reshape import LAYOUTS, reshape
from stages.runtime.errors import InputError
from stages.runtime.parameters import read_parameter
from stages.runtime.text import show
from stages.sources.common.splits import list_folder
from tools.prediction.fit_picture import read_picture

TOP = 3
MODELS = Path("data/models")


def main(
    model: Annotated[Path, typer.Argument(help="data/models/RUN.onnx", readable=False)],
    images: Annotated[
        list[Path],
        typer.Argument(
            metavar="IMAGE...",
            help="pictures, or folders that contain only pictures",
            readable=False,  # the others are classified if one is not
        ),
    ],
    as_json: Annotated[bool, typer.Option("--json", help="print JSON instead of text")] = False,
    invert: Annotated[
        bool | None,
        typer.Option(
            "--invert/--no-invert",
            help="whether to swap dark and light; default: only for a model of gray images and a "
            "picture with a light border that does not have the model's size and kind already",
            show_default=False,
        ),
    ] = None,
) -> None:
    """Prints the top three classes for each picture, and what was done to fit it to the model.

    The first is the class that the model predicts. A picture that cannot be used gives one line of
    error; the others are still classified, and the exit code is 1.
    """
    classifier = open_model(model)
    results = predict(classifier, images, invert)
    if as_json:
        typer.echo(json.dumps(results, indent=2))
    else:
        for result in results:
            typer.echo(describe(result), err="error" in result)
    if any("error" in result for result in results):
        raise typer.Exit(1)


def open_model(model: Path) -> Classifier:
    """Opens a model of this pipeline.

    Raises:
        InputError: it is missing, not a model of this pipeline, or not the one that dvc.lock names.
    """
    if not model.is_file():
        known = ", ".join(map(str, sorted(MODELS.glob("*.onnx"))))
        remedy = f"choose one of {known}" if known else "run `make repro` to train models"
        raise InputError(f"{model}: no such model file; {remedy}")
    classifier = open_classifier(model, read_parameter("threads"))
    metadata = read_metadata(classifier)
    image = np.empty((1, *metadata.image_shape))
    if (
        metadata.layout not in LAYOUTS
        or reshape(image, metadata.layout).shape[1:] != classifier.input_shape
    ):
        raise InputError(
            f"{model}: its metadata gives images of {metadata.image_shape}, layout "
            f"{metadata.layout}, but its input is {classifier.input_shape}; train it again"
        )
    return classifier


def predict(
    classifier: Classifier, images: list[Path], invert: bool | None
) -> list[dict[str, Any]]:
    """The model's predictions for each picture, in order; folders are read in order of names.

    `image` with `top`, a list of `class` and `probability` (None if the model has none), and
    `done`, what was done to the picture; or `image` with `error`. All are classified together, as
    in `evaluate`, so that the same images in the same order give the same bits.
    """
    metadata = read_metadata(classifier)
    results: list[dict[str, Any]] = []
    arrays = []
    for path in images:
        try:
            files = list_pictures(path) if path.is_dir() else [path]
        except (InputError, OSError) as error:
            results.append({"image": name_of(path), "error": explain(path, error)})
            continue
        for file in files:
            try:
                pixels, done = read_picture(file, metadata.image_shape, invert, metadata.fit)
            except InputError as error:
                results.append({"image": name_of(file), "error": str(error)})
            else:
                arrays.append(pixels)
                results.append({"image": name_of(file), "top": [], "done": done})
    if not arrays:
        return results
    laid_out = reshape(normalize(np.stack(arrays), metadata.normalization), metadata.layout)
    labels, probabilities = classify(classifier, laid_out)
    classified = (result for result in results if "top" in result)
    for index, result in enumerate(classified):
        of_classes = None if probabilities is None else probabilities[index]
        result["top"] = list_top(metadata.classes, int(labels[index]), of_classes)
    return results


def list_pictures(folder: Path) -> list[Path]:
    """The files directly in a folder, by name, without subfolders and what is no picture anyway.

    Raises:
        InputError: there is no such file.
    """
    entries = [*list_folder(folder)]
    files = [path for path in entries if not path.is_dir()]
    if not files:
        subfolders = ", ".join(show(path) for path in entries)
        raise InputError(
            f"{folder}: no pictures in this folder; "
            + (f"name its subfolders: {subfolders}" if subfolders else "name one with pictures")
        )
    return files


def list_top(
    classes: list[str], label: int, probabilities: NDArray[np.float32] | None
) -> list[dict[str, Any]]:
    """The predicted class, then the most probable others, three in all.

    For a model without probabilities, only the predicted class.
    """
    if probabilities is None:
        return [{"class": classes[label], "probability": None}]
    order = np.argsort(-probabilities, kind="stable").tolist()
    # The predicted class is first even if the probabilities disagree with it.
    first = [label, *(other for other in order if other != label)][:TOP]
    return [{"class": classes[c], "probability": float(probabilities[c])} for c in first]


def explain(path: Path, error: Exception) -> str:
    """One line that says what is wrong with a file."""
    if isinstance(error, OSError):
        return str(InputError(f"{path}: {error.strerror}; check its name and permissions"))
    return str(error)


def name_of(path: Path) -> str:
    """The name of a file, with \\x.. for bytes that are not UTF-8."""
    return str(path).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def describe(result: dict[str, Any]) -> str:
    """A result as text: one line for the picture, and one per class."""
    if "error" in result:
        return f"predict: error: {result['error']}"
    width = max(len(one["class"]) for one in result["top"])
    lines = [
        f"  {one['class']:{width}}  "
        + ("no probability" if one["probability"] is None else f"{one['probability']:.4f}")
        for one in result["top"]
    ]
    return "\n".join([f"{show(result['image'])}: {'; '.join(result['done'])}", *lines])


if __name__ == "__main__":
    run(main, "arrays", "onnx", "pictures")
