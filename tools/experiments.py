"""Prints the experiments on the last commit, ranked by the validation images.

.venv/bin/python -m tools.experiments [METRIC] [--test]

`dvc exp show` has one column for each parameter and each metric of each run. This table always has
the same few columns.
"""

from math import inf
from typing import Annotated

from stages.runtime.command import run

import typer
from tabulate import tabulate

from stages.runtime.errors import InputError
from stages.scoring.metrics import METRICS
from tools.engine.readable import require_readable
from tools.engine.repository import is_shallow, require_commit
from tools.revisions.best import OTHER_IMAGES, UNKNOWN, YES, Checked, Mark, Result, find_best
from tools.revisions.experiment_rows import Row, Splits
from tools.revisions.experiments import Found, read_experiments
from tools.revisions.held_out import MEANING, NONE

WIDTHS = [27, 14, 28, 23, 8, 7, 23]  # of the columns; with the gaps 120 characters up to `best`
NOTES = {  # by a word in the table
    YES: "best: the most accurate of a run, and all not significantly worse on the same validation "
    "images\n(exact McNemar test, Holm's correction).",
    OTHER_IMAGES: "other: scored on other validation images than the commit, so not comparable.",
    UNKNOWN: "?: its predictions for the validation images are not in DVC's cache.",
    NONE: MEANING,
}


def main(
    metric: Annotated[
        str, typer.Argument(help="a key of metrics/RUN.json, of its splits")
    ] = "accuracy",
    test: Annotated[
        bool, typer.Option("--test", help="show the test images too: not to choose by")
    ] = False,
) -> None:
    """Prints a table of the runs that experiments changed, for each run the best first.

    On the validation images: whoever picks the best of many by the test images reports a number
    that is too good. Those that are not significantly worse than the best are marked.

    Raises:
        InputError: there is no repository here, or DVC cannot read it.
    """
    require_readable()
    require_commit()
    typer.echo(show_experiments(metric, test))


def show_experiments(metric: str = "accuracy", test: bool = False, run: str = "") -> str:
    """A table of the experiments on the last commit, and of trials; only of `run`, if one is given.

    Raises:
        InputError: there is no repository here, or DVC cannot read it; or no run has this metric.
    """
    found = read_experiments(metric)
    require_metric(metric, found)
    rows = [row for row in found.rows if run in ("", row.run)]
    if not rows:
        lost = (
            "; DVC loses them in a shallow clone: `git fetch --unshallow`" if is_shallow() else ""
        )
        return (
            f"There are no experiments on {found.name}; docs/experiments.md shows how to run "
            f"some{lost}."
        )
    for one in found.before.keys() & {row.run for row in rows}:
        rows.append(Row(one, found.name, found.revision, "", found.before[one], ""))
    return tabulate_rows(rows, found.revision, found.checked, metric, test)


def require_metric(metric: str, found: Found) -> None:
    """Raises an InputError unless the runs of the commit have scores, with this metric."""
    if not found.before:
        raise InputError(
            f"{found.name} has no scores by split in metrics/; run `dvc repro` and commit"
        )
    of_runs = found.before.values()
    known = {key for splits in of_runs for scores in splits.values() for key in scores}
    if metric not in known - {"images"}:
        raise InputError(f"no run has the metric {metric}; choose one of {sorted(known)}")


def tabulate_rows(
    rows: list[Row], reference: str, trials: dict[Result, Checked], metric: str, test: bool
) -> str:
    """The table of the rows, the best of each run first, and notes on its words.

    `reference` is the commit whose validation images count; those of other images come last.
    """
    held_out = [(row.run, row.revision) for row in rows if "validation" in row.scores]
    shown = {key: one for key, one in trials.items() if key in held_out}
    best = find_best([key for key in held_out if key not in shown], reference, shown)
    marked = [(row, best.get((row.run, row.revision), Mark(0, ""))) for row in rows]
    sign = 1 if metric in METRICS and METRICS[metric].lower_is_better else -1

    def rank(item: tuple[Row, Mark]) -> tuple[str, int, float]:
        row, mark = item
        value = row.scores.get("validation", {}).get(metric, sign * inf)
        return row.run, mark.group, sign * value

    cells = [
        [
            row.run,
            row.experiment,
            row.parameters,
            describe(row.scores, "validation", metric),
            "" if mark.group else row.state,
            mark.word,
            describe(row.scores, "test", metric),
        ]
        for row, mark in sorted(marked, key=rank)
    ]
    header = ["run", "experiment", "parameters", f"validation {metric}", "change", "best"]
    header += [f"test {metric}"] if test else []
    columns = slice(len(header))
    table = tabulate(
        [line[columns] for line in cells],
        header,
        disable_numparse=True,
        maxcolwidths=WIDTHS[columns],
        break_on_hyphens=False,
    )
    said = {cell for line in cells for cell in (line[3], line[5])}
    notes = [note for word, note in NOTES.items() if word in said]
    notes += [
        f"`dvc queue logs {row.experiment}` says why {row.experiment} failed."
        for row in rows
        if row.state == "failed"
    ]
    return "\n".join([table, *([""] if notes else []), *notes])


def describe(scores: Splits, split: str, metric: str) -> str:
    """The value of a metric on a split, with the interval of accuracy."""
    if scores and split not in scores:
        return NONE
    found = scores.get(split, {})
    if metric not in found:
        return ""
    value = f"{found[metric]:.4f}"
    if metric != "accuracy":
        return value
    return f"{value} ({found['accuracy_low']:.3f} to {found['accuracy_high']:.3f})"


if __name__ == "__main__":
    run(main)
