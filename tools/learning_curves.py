"""Shows how accurate each run is with more training images, from the trials that varied these.

.venv/bin/python -m tools.learning_curves DATASET
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from stages.runtime.command import run

import typer
from dvc.exceptions import DvcException
from dvc.repo import Repo
from tabulate import tabulate

from stages.figures.style import new_figure, save
from stages.runtime.errors import InputError
from stages.runtime.lock import read_lock_file
from stages.runtime.parameters import read_parameters
from stages.scoring.metrics import find_interval
from tools.engine.repository import explain
from tools.trials.current import read_current
from tools.trials.rows import read_rows
from tools.trials.table import write_csv
from tools.trials.values import show_values

TABLE, PICTURE = "metrics/learning_curves/{dataset}.csv", "plots/learning_curves/{dataset}.png"

COLUMNS = ("run", "training_images", "accuracy", "low", "high", "images", "parameters")


@dataclass(frozen=True)
class Point:
    """The most accurate of the trials of a run with as many training images.

    `accuracy` is that on `validation` images; `values` are those of its other parameters.
    """

    run: str
    training_images: int
    accuracy: float
    validation: int
    values: Mapping[str, Any]

    @property
    def interval(self) -> tuple[float, float]:
        """The 95% interval of the accuracy, of which the validation images are a sample."""
        return find_interval(self.accuracy, self.validation)


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
        blocks = parameters["models"].items()
        name = next((one for one, block in blocks if block["dataset"] == dataset), "...")
        raise InputError(
            f"no trial that was made with what is here now has varied data.{dataset}."
            f"training_images; `make sweep RUN={name} SET='data.{dataset}.training_images="
            "100,500,2000'` makes some"
        )
    table, picture = (Path(one.format(dataset=dataset)) for one in (TABLE, PICTURE))
    data = find_data_hash(parameters["data"][dataset]["path"])
    rows = [to_row(point) for point in points]
    write_csv(table, {"data": data, "seed": parameters["seed"]}, COLUMNS, rows)
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


def to_row(point: Point) -> list[Any]:
    """The values of `COLUMNS`."""
    shown = [f"{one:.6f}" for one in (point.accuracy, *point.interval)]
    values = show_values(point.values, point.run)
    return [point.run, point.training_images, *shown, point.validation, values]


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
            [
                [point.accuracy - point.interval[0] for point in own],
                [point.interval[1] - point.accuracy for point in own],
            ],
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
