"""Classifies picture files with a trained model.

.venv/bin/python -m tools.predict data/models/RUN.onnx IMAGE... [--json] [--no-invert]
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from stages.model_file.classifier import classify, open_classifier, read_metadata
from stages.normalize import normalize
from stages.reshape import reshape
from stages.runtime.command import run
from stages.runtime.errors import InputError
from stages.runtime.parameters import read_parameter
from tools.engine.stages import read_lock
from tools.prediction.fit_picture import read_picture
from tools.store.objects import hash_content

TOP = 3
MODELS = Path("data/models")


def main(
    model: Annotated[Path, typer.Argument(help="data/models/RUN.onnx")],
    images: Annotated[
        list[Path],
        typer.Argument(metavar="IMAGE...", help="pictures, or folders that contain only pictures"),
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
    session = open_model(model)
    results = predict(session, images, invert)
    if as_json:
        typer.echo(json.dumps(results, indent=2))
    else:
        for result in results:
            typer.echo(describe(result), err="error" in result)
    if any("error" in result for result in results):
        raise typer.Exit(1)


def open_model(model: Path) -> InferenceSession:
    """Opens a model of this pipeline.

    Raises:
        InputError: it is missing, not a model of this pipeline, or not the one that dvc.lock names.
    """
    if not model.is_file():
        known = ", ".join(map(str, sorted(MODELS.glob("*.onnx"))))
        remedy = f"choose one of {known}" if known else "run `make repro` to train models"
        raise InputError(f"{model}: no such model file; {remedy}")
    require_locked(model)
    session = open_classifier(model, read_parameter("threads"))
    try:
        metadata = read_metadata(session)
        shape = reshape(np.empty((1, *metadata["image_shape"])), metadata["layout"]).shape[1:]
    except (InputError, ValueError, TypeError) as error:
        raise InputError(f"{model}: not a model of this pipeline: {error}") from None
    if list(shape) != session.get_inputs()[0].shape[1:] or metadata["image_shape"][2] not in (1, 3):
        raise InputError(
            f"{model}: its metadata gives images of {metadata['image_shape']}, layout "
            f"{metadata['layout']}, but its input is {session.get_inputs()[0].shape[1:]}; "
            "train it again"
        )
    return session


def require_locked(model: Path) -> None:
    """Raises InputError if dvc.lock names this file, but with other content."""
    lock = Path("dvc.lock")
    stages = read_lock(lock.read_text(encoding="utf-8")) if lock.exists() else {}
    locked = {out["path"]: out["md5"] for stage in stages.values() for out in stage.get("outs", [])}
    oid = locked.get(os.path.relpath(model).replace(os.sep, "/"))
    if oid is not None and hash_content(model) != oid:
        raise InputError(
            f"{model}: not the model that dvc.lock names; if it was trained after that was "
            "written, run `make repro`, else `make verify-files`"
        )


def predict(
    session: InferenceSession, images: list[Path], invert: bool | None
) -> list[dict[str, Any]]:
    """The model's predictions for each picture, in order; folders are read in order of names.

    `image` with `top`, a list of `class` and `probability` (None if the model has none), and
    `done`, what was done to the picture; or `image` with `error`. All are classified together, as
    in `evaluate`, so that the same images in the same order give the same bits.
    """
    metadata = read_metadata(session)
    results: list[dict[str, Any]] = []
    arrays = []
    for path in images:
        try:
            files = list_folder(path) if path.is_dir() else [path]
        except (InputError, OSError) as error:
            results.append({"image": show(path), "error": explain(path, error)})
            continue
        for file in files:
            try:
                pixels, done = read_picture(file, metadata["image_shape"], invert)
            except (InputError, OSError) as error:
                results.append({"image": show(file), "error": explain(file, error)})
            else:
                arrays.append(pixels)
                results.append({"image": show(file), "top": [], "done": done})
    if not arrays:
        return results
    laid_out = reshape(normalize(np.stack(arrays), metadata["normalization"]), metadata["layout"])
    labels, probabilities = classify(session, laid_out)
    classified = (result for result in results if "top" in result)
    for index, result in enumerate(classified):
        of_classes = None if probabilities is None else probabilities[index]
        result["top"] = list_top(metadata["classes"], int(labels[index]), of_classes)
    return results


def list_folder(folder: Path) -> list[Path]:
    """The files directly in a folder, by name, without hidden files and subfolders.

    Raises:
        InputError: there is no such file.
    """
    entries = sorted(path for path in folder.iterdir() if not path.name.startswith("."))
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
        return f"{show(path)}: {error.strerror or error}; check its name and permissions"
    return " ".join(show(error).split())


def show(name: object) -> str:
    """The name of a file, with \\x.. for bytes that are not UTF-8."""
    return str(name).encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


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
    return "\n".join([f"{result['image']}: {'; '.join(result['done'])}", *lines])


if __name__ == "__main__":
    run(main, "arrays", "onnx", "pictures")
