"""Trains one model, using only training and validation images, and writes it as an ONNX file."""

import functools
import os
import sys
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from stages.runtime.command import run

import numpy as np

from stages.datasets.arrays import FEATURES, IMAGES, read_split
from stages.frameworks.export import check_agreement, to_contract
from stages.frameworks.join import NETWORK, TAIL, join, read_network
from stages.frameworks.outputs import describe_end, write_answers, write_curve
from stages.model_file.classifier import Prediction, classify, open_classifier
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write, read_json
from stages.runtime.inputs import reading
from stages.runtime.parameters import read_parameter
from stages.runtime.pins import require_pins

COMPARED = 500  # images on which the file is compared with the fitted model
# Imported by a framework that has no use for it here, if it is installed: pandas takes 0.2 s, the
# others 0.6 s together. None of them is among the pins of the framework.
UNUSED = {"keras": ("matplotlib.pyplot", "pandas", "sklearn"), "sklearn": ("pandas",)}


def main(
    name: str,
    framework: str,
    model_name: str,
    arrays: Path,
    out: Path,
    learning_curve: Path,
    answers: Path,
) -> None:
    """Fits `models`.`name` of params.yaml; writes `out` (ONNX) and `learning_curve` (CSV).

    And the folder `answers`, what the file says of the validation images, so that models can be
    compared, and one chosen, where nobody has a test image.
    """
    params = read_parameter(f"models.{name}.params")
    seed, threads = read_parameter("seed"), read_parameter("threads")
    require_pins(framework)
    with quiet_imports(UNUSED.get(framework, ())):
        fitting = import_module(f"stages.frameworks.{framework}.fit")
        predicting = import_module(f"stages.frameworks.{framework}.predict")
        converting = import_module(f"stages.frameworks.{framework}.convert")
    build = import_module(f"stages.models.{model_name}").build
    metadata = read_json(arrays / "about.json", classes=list)
    params = number_classes(params, metadata["classes"])
    if hasattr(fitting, "check_values"):  # those that `check` cannot know
        try:
            fitting.check_values(build, params)
        except InputError as error:
            raise InputError(f"models.{name}.{error}") from None

    # Of a layout with features, a model is fitted on these, and put on the network to them.
    network, tail = (read_network(arrays / "train" / file) for file in (NETWORK, TAIL))
    build = functools.partial(build, tail=tail) if tail else build
    values = FEATURES if network else IMAGES
    train, validation = (read_split(arrays / split, values) for split in ("train", "validation"))
    held_out = len(validation[1])
    images, _ = read_split(arrays / ("validation" if held_out else "train"))
    print(f"{name}: {len(train[1])} training, {len(validation[1])} validation images", flush=True)
    fitting.limit_threads(threads, params)
    with (
        atomic_write(out) as model_file,
        atomic_write(learning_curve) as curve_file,
        atomic_write(answers) as answers_folder,
    ):
        with fitting_run(name):
            model, curve = fitting.fit(
                build,
                train,
                validation,
                len(metadata["classes"]),
                seed,
                **params,
            )
            exported = converting.convert(model, train[0].shape[1:])
            exported = join(network, exported) if network else exported
            content = to_contract(exported, metadata)
            classifier = open_classifier(content, threads)
            found = classify(classifier, images if held_out else images[:COMPARED])
            compared = (validation if held_out else train)[0][:COMPARED]
            check_agreement(predicting.predict(model, compared), first(found, COMPARED))
        model_file.write_bytes(content)
        predicted, probabilities = found if held_out else (np.empty(0, np.int64), None)
        write_answers(answers_folder, validation[1], predicted, probabilities)
        end = [describe_end(predicted, validation[1])]
        write_curve(curve_file, end if curve is None else curve)
    print(f"{name}: {len(content) / 1e6:.2f} MB")


def first(found: Prediction, count: int) -> Prediction:
    """The labels and probabilities of the first images."""
    labels, probabilities = found
    return labels[:count], None if probabilities is None else probabilities[:count]


def number_classes(value: Any, classes: list[str]) -> Any:
    """Parameters with labels in the place of the class names in `class_weight`, at any depth."""
    if isinstance(value, list):
        return [number_classes(one, classes) for one in value]
    if not isinstance(value, dict):
        return value
    found = {key: number_classes(one, classes) for key, one in value.items()}
    if isinstance(weights := found.get("class_weight"), dict):
        label_of = {name: label for label, name in enumerate(classes)}
        found["class_weight"] = {label_of.get(key, key): one for key, one in weights.items()}
    return found


@contextmanager
def fitting_run(name: str) -> Iterator[None]:
    """For a block that fits a run: what its parameters cause is an InputError that names it."""
    try:
        with reading("params", "choice for this model", "change them"):
            yield
    except InputError as error:
        raise InputError(f"models.{name}: {error}") from error.__cause__


@contextmanager
def quiet_imports(unused: Iterable[str]) -> Iterator[None]:
    """Hides the modules `unused`, and the messages of TensorFlow's C++ code.

    Its errors still raise exceptions.
    """
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # read only when TensorFlow is imported
    screen = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    hidden: dict[str, Any] = {name: None for name in unused if name not in sys.modules}
    sys.modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del sys.modules[name]
        os.dup2(screen, 2)
        os.close(screen)


if __name__ == "__main__":
    run(main, "arrays", "onnx")
