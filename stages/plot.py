"""Draws the pictures of a run: mistakes, confidence, learning curve, filters, what it looks at."""

import csv
from importlib import import_module
from pathlib import Path

from stages.runtime.command import run

from stages.datasets.arrays import read_split
from stages.figures.run import Run
from stages.figures.style import make_legible, save
from stages.model_file.classifier import read_model
from stages.model_file.metadata import parse_model
from stages.runtime.errors import InputError
from stages.runtime.files import REMEDY, atomic_write, read_bytes, read_text
from stages.runtime.inputs import reading
from stages.runtime.parameters import read_parameter
from stages.scoring.predictions import read_predictions, read_probabilities

PICTURES = Path(__file__).with_name("figures") / "run"


def main(
    model: Path, test: Path, predictions: Path, probabilities: Path, curve: Path, out: Path
) -> None:
    """Draws the pictures of a run into the folder `out`, with a page that shows them all.

    `test` contains the raw test images. Pictures that need probabilities or epochs are left out for
    a run without them.
    """
    of_run = read_run(model, test, predictions, probabilities, curve)
    with atomic_write(out) as folder:
        folder.mkdir()
        page = [f"# {of_run.name}"]
        for path in sorted(PICTURES.glob("[!_]*.py")):
            picture = import_module(f"stages.figures.run.{path.stem}")
            figure = picture.draw(of_run)
            if figure is not None:
                save(figure, folder / f"{path.stem}.png")
                page += [f"![{of_run.name}: {path.stem}]({path.stem}.png)", picture.CAPTION]
        (folder / "README.md").write_text("\n\n".join(page) + "\n", encoding="utf-8")
    print(f"{out}: {len(page) // 2} pictures")


def read_run(model: Path, test: Path, predictions: Path, probabilities: Path, curve: Path) -> Run:
    """Reads what other stages wrote for a run.

    Raises:
        InputError: the files differ in their number of images.
    """
    content = read_model(model)
    with reading(model, "ONNX model", REMEDY):
        network, metadata = parse_model(content)
    images, _ = read_split(test)
    labels, predicted = read_predictions(predictions, read_text(predictions), metadata.classes)
    probability = read_probabilities(probabilities, read_bytes(probabilities), len(images))
    if len(images) != len(labels):
        raise InputError(
            f"{predictions}: {len(labels)} predictions, but {test} has {len(images)} images; run "
            "`dvc repro` to recreate them"
        )
    return Run(
        model.stem,
        make_legible(metadata.classes),
        images,
        labels,
        predicted,
        probability,
        read_curve(curve),
        network,
        metadata.normalization,
        metadata.backbone.backbone if metadata.backbone else None,
        read_parameter("plot.examples"),
        read_parameter("plot.mistakes"),
        read_parameter("seed"),
    )


def read_curve(path: Path) -> dict[str, list[float]]:
    """The columns of a learning curve."""
    text = read_text(path)
    with reading(path, "learning curve", REMEDY):
        rows = list(csv.DictReader(text.splitlines()))
        return {name: [float(row[name]) for row in rows] for name in rows[0]}


if __name__ == "__main__":
    run(main, "arrays", "onnx", "plots")
