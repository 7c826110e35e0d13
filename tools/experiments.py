"""Prints the experiments on the last commit, ranked by the validation images.

.venv/bin/python -m tools.experiments [METRIC] [--test]

`dvc exp show` has one column for each parameter and each metric of each run. This table always has
the same few columns.
"""

from math import inf
from typing import Annotated

from stages.runtime.command import run

import typer
from dvc.exceptions import DvcException
from dvc.repo import Repo
from tabulate import tabulate

from stages.runtime.errors import InputError
from stages.scoring.metrics import METRICS
from tools.engine.readable import require_readable
from tools.engine.repository import explain, is_shallow, require_commit
from tools.revisions.best import OTHER_IMAGES, UNKNOWN, YES, Checked, Mark, Result, find_best
from tools.revisions.definitions import read_definitions
from tools.revisions.experiment_rows import Row, Splits, State, compare, scores_of_runs
from tools.revisions.held_out import MEANING, NONE
from tools.revisions.trial_rows import read_trials

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
    try:
        with Repo(_wait_for_lock=True) as repo:
            (commit,) = [state.dumpd() for state in repo.experiments.show(hide_workspace=True)]
            before = read_scores(commit, metric)
            trials, checked = read_trials(repo, before, metric)
    except DvcException as error:
        raise InputError(explain(error)) from None
    rows = [row for one in commit["experiments"] or [] for row in compare(one, commit, metric)]
    rows = [row for row in rows + trials if run in ("", row.run)]
    if not rows:
        lost = (
            "; DVC loses them in a shallow clone: `git fetch --unshallow`" if is_shallow() else ""
        )
        return (
            f"There are no experiments on {name_of(commit)}; docs/experiments.md shows how to run "
            f"some{lost}."
        )
    for one in before.keys() & {row.run for row in rows}:
        rows.append(Row(one, name_of(commit), commit["rev"], "", before[one], ""))
    return tabulate_rows(rows, commit["rev"], checked, metric, test)


def name_of(commit: State) -> str:
    """The branch or tag of a commit, or its short hash."""
    return str(commit["name"] or commit["rev"][:7])


def read_scores(commit: State, metric: str) -> dict[str, Splits]:
    """The scores of the runs of a commit.

    Raises:
        InputError: no run has this metric, or the commit cannot be read.
    """
    if commit["data"] is None:
        read_definitions("HEAD", commit["rev"], "correct and commit it")  # it knows the place
        raise InputError(f"HEAD cannot be read: {commit['error']['msg']}; correct and commit it")
    before = scores_of_runs(commit)
    if not before:
        raise InputError(
            f"{name_of(commit)} has no scores by split in metrics/; run `dvc repro` and commit"
        )
    known = {key for splits in before.values() for scores in splits.values() for key in scores}
    if metric not in known - {"images"}:
        raise InputError(f"no run has the metric {metric}; choose one of {sorted(known)}")
    return before


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
