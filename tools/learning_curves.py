"""Shows how accurate each run is with more training images, from the trials that varied these.

.venv/bin/python -m tools.learning_curves DATASET
"""

import csv
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt
from pathlib import Path
from typing import Annotated, Any

from stages.runtime.command import run

import typer
from dvc.exceptions import DvcException
from dvc.repo import Repo
from tabulate import tabulate

from stages.figures.style import new_figure, save
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write
from stages.runtime.lock import read_lock_file
from stages.runtime.parameters import read_parameters
from tools.engine.repository import explain
from tools.trials.current import read_current
from tools.trials.rows import read_rows
from tools.trials.values import show_values

TABLE, PICTURE = "metrics/learning_curves/{dataset}.csv", "plots/learning_curves/{dataset}.png"


@dataclass(frozen=True)
class Point:
    """The most accurate of the trials of a run with as many training images, by `validation`.

    `accuracy` is that on so many validation images; `values` are those of its other parameters.
    """

    run: str
    training_images: int
    accuracy: float
    validation: int
    values: Mapping[str, Any]

    @property
    def error(self) -> float:
        """The standard error of the accuracy, of which the validation images are a sample."""
        return sqrt(self.accuracy * (1 - self.accuracy) / self.validation)


def main(dataset: Annotated[str, typer.Argument(help="a data set in params.yaml")]) -> None:
    """Writes a table and a picture of accuracy against the number of training images.

    Raises:
        InputError: there is no such data set, or no trial has varied the number of its images.
    """
    parameters = read_parameters()
    if dataset not in parameters["data"]:
        known = ", ".join(parameters["data"])
        raise InputError(f"params.yaml has no data set {dataset}; choose one of {known}")
    points = find_points(dataset)
    if not points:
        name = next(one for one, block in parameters["models"].items() if dataset in block.values())
        raise InputError(
            f"no trial that was made with what is here now has varied data.{dataset}."
            f"training_images; `make sweep RUN={name} SET='data.{dataset}.training_images="
            "100,500,2000'` makes some"
        )
    table, picture = (Path(one.format(dataset=dataset)) for one in (TABLE, PICTURE))
    write_table(
        table,
        {"data": find_data_hash(parameters["data"][dataset]["path"]), "seed": parameters["seed"]},
        points,
    )
    draw_curves(dataset, points, picture)
    typer.echo(f"{tabulate_points(points)}\n\n{table} has the parameters, {picture} shows it.")


def find_points(dataset: str) -> list[Point]:
    """The points of all curves: run by run, fewest images first.

    Raises:
        InputError: DVC cannot read the repository.
    """
    name = f"data.{dataset}.training_images"
    made = [row for row in read_rows() if row.values.get(name) and not row.trial.folds]
    try:
        with Repo(_wait_for_lock=True) as repo:
            current = read_current(repo, made)
    except DvcException as error:
        raise InputError(explain(error)) from None
    best = dict[tuple[str, int], Point]()
    for row, outcome in current:
        others = {key: value for key, value in row.values.items() if key != name}
        accuracy = float((outcome.labels == outcome.predicted).mean())
        point = Point(row.run, row.values[name], accuracy, len(outcome.labels), others)
        place = (point.run, point.training_images)
        if place not in best or best[place].accuracy < accuracy:
            best[place] = point
    return [best[place] for place in sorted(best)]


def find_data_hash(path: str) -> str:
    """The hash of the files of a data set, as dvc.lock has it: trials are made with no others."""
    deps = [dep for stage in read_lock_file().values() for dep in stage.get("deps", [])]
    return str(next(dep["md5"] for dep in deps if dep["path"] == path))


def write_table(path: Path, about: Mapping[str, Any], points: Sequence[Point]) -> None:
    """Writes the points as CSV, below lines with #, one for each key of `about`."""
    with atomic_write(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        for key, value in about.items():
            file.write(f"# {key}: {json.dumps(value)}\n")
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(
            ["run", "training_images", "accuracy", "standard_error", "images", "parameters"]
        )
        for point in points:
            shown = [f"{one:.6f}" for one in (point.accuracy, point.error)]
            values = show_values(point.values, point.run)
            writer.writerow([point.run, point.training_images, *shown, point.validation, values])


def tabulate_points(points: Sequence[Point]) -> str:
    """One line per number of training images, one column per run, and the most accurate."""
    runs = list(dict.fromkeys(point.run for point in points))
    lines = list[list[str]]()
    for size in sorted({point.training_images for point in points}):
        of_size = {point.run: point for point in points if point.training_images == size}
        shown = [f"{of_size[one].accuracy:.4f}" if one in of_size else "" for one in runs]
        best = max(of_size.values(), key=lambda point: point.accuracy)
        lines.append([f"{size:,}", *shown, best.run if len(of_size) > 1 else ""])
    names = ["training images", *(f"`{one}`" for one in runs), "most accurate"]
    return tabulate(lines, names, tablefmt="github", disable_numparse=True)


def draw_curves(dataset: str, points: Sequence[Point], out: Path) -> None:
    """One line per run, with 95% intervals: accuracy against the number of training images."""
    figure = new_figure(width=5.2, height=4.0)
    axes = figure.subplots()
    for name in dict.fromkeys(point.run for point in points):
        own = [point for point in points if point.run == name]
        axes.errorbar(
            [point.training_images for point in own],
            [point.accuracy for point in own],
            [1.96 * point.error for point in own],
            marker="o",
            markersize=4,
            elinewidth=1.2,
            label=name.removeprefix(f"{dataset}-"),
        )
    axes.set_xscale("log")
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.xaxis.set_minor_formatter("")
    axes.set_xlabel("training images")
    axes.set_ylabel("validation accuracy, 95% interval")
    axes.set_title(dataset)
    axes.grid()
    axes.legend(loc="lower right")
    save(figure, out)


if __name__ == "__main__":
    run(main, "pipeline")
