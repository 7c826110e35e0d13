"""The section of searches: what `make tune` found, from the tables in git."""

from collections.abc import Mapping
from typing import NamedTuple

from stages.runtime.inputs import reading
from stages.scoring.metrics import QUANTILE
from tools.pages.charts import Chart, Tried, draw_parallel
from tools.pages.picture import Figure, Picture
from tools.pages.table import Cell, Table, to_cell
from tools.revisions.recorded import read_text
from tools.revisions.revision import Revision
from tools.trials.table import read_csv
from tools.tuning.rows import COMPLETE
from tools.tuning.table import FIRST, LAST, TABLE

PICTURE = "plots/tune/{run}.png"
CAPTION = "A point is a recipe, with one standard error; gray: the default, orange: the best."
MOST = 10  # rows of the table of the best


class Search(NamedTuple):
    """A search of a run: in words, its best recipes, as parallel coordinates, and its picture."""

    run: str
    said: str
    best: Table
    parallel: Chart | None
    figures: list[Figure]


def describe_searches(revision: Revision, pictures: Mapping[str, Picture]) -> list[Search]:
    """The searches of the runs that have one.

    Raises:
        InputError: a table is not valid.
    """
    return [
        describe_search(revision, run, pictures)
        for run in revision.runs
        if revision.files.isfile(TABLE.format(run=run))
    ]


def describe_search(revision: Revision, run: str, pictures: Mapping[str, Picture]) -> Search:
    """The search of a run."""
    path = TABLE.format(run=run)
    with reading(f"{revision.name}: {path}", "table of a search", f"run `make tune RUN={run}`"):
        about, rows = read_csv(read_text(revision, path))
        tried = to_tried(run, rows)
        images, folds = int(rows[0]["images"]), int(about["folds"])
        title = f"{run}: parameters and validation accuracy of each trial"
        parallel = draw_parallel(title, tried)
    on = f"{folds} folds" if folds else "the images that the run holds out"
    shown = f"; shown are the {len(tried)} that ran to their end" if len(tried) < len(rows) else ""
    said = (
        f"{len(rows)} recipes, trial 0 being the default, on {on}: {images:,} validation images"
        f"{shown}."
    )
    figures = []
    if picture := pictures.get(PICTURE.format(run=run)):
        alt = f"Search of {run}: {CAPTION}"
        figures.append(Figure(picture, "each parameter", alt, CAPTION))
    return Search(
        run,
        said,
        tabulate_best(run, tried),
        parallel,
        figures,
    )


def to_tried(run: str, rows: list[dict[str, str]]) -> list[Tried]:
    """The recipes that were trained to their end."""
    complete = [row for row in rows if row["state"] == COMPLETE]
    best = max(complete, key=lambda row: float(row["accuracy"]), default={})
    tried = []
    for row in complete:
        accuracy, half = float(row["accuracy"]), QUANTILE * float(row["standard_error"])
        is_best = row["trial"] == best["trial"]
        tried.append(
            Tried(
                f"search {run} {row['trial']}",
                f"trial {row['trial']}",
                {name: row[name] for name in row if name not in FIRST + LAST},
                accuracy,
                (accuracy - half, accuracy + half),
                kind="default" if row["trial"] == "0" else "best" if is_best else "",
            )
        )
    return tried


def tabulate_best(run: str, tried: list[Tried]) -> Table:
    """The most accurate recipes, and the default."""
    ranked = sorted(tried, key=lambda one: -one.accuracy)
    shown = [one for place, one in enumerate(ranked) if place < MOST or one.kind == "default"]
    rows = [
        [
            Cell(f"{one.name}, the default" if one.kind == "default" else one.name),
            to_cell(one.accuracy),
            *map(Cell, one.values.values()),
        ]
        for one in shown
    ]
    names = list(tried[0].values) if tried else []
    columns = ["trial", "validation accuracy", *names]
    return Table(f"the best trials of {run}", columns, rows, [one.key for one in shown])
