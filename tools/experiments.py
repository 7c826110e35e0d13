"""Prints the experiments on the last commit, ranked by the validation images.

.venv/bin/python -m tools.experiments [METRIC] [--test]

`dvc exp show` has one column for each parameter and each metric of each run. This table always has
the same few columns.
"""

import re
from pathlib import Path
from typing import Annotated, Any, NamedTuple

from stages.runtime.command import run

import typer
from dvc.exceptions import DvcException
from dvc.repo import Repo
from dvc.utils.flatten import flatten
from tabulate import tabulate

from stages.runtime.errors import InputError
from tools.engine.readable import require_readable
from tools.engine.repository import explain, is_shallow, require_commit
from tools.revisions.best import find_best
from tools.revisions.definitions import read_definitions

WIDTHS = (27, 14, 28, 23, 8, 7)  # of the columns; with the gaps at most 120 characters

State = dict[str, Any]  # as in `dvc exp show --json`
Scores = dict[str, float]  # of a run on a split


class Row(NamedTuple):
    """A run that an experiment changed; `run` is empty if it changed none or has not finished.

    `scores` are those on the validation images, `test` those on the test images. `state` is the
    change of the metric, or why there is none.
    """

    run: str
    experiment: str
    revision: str
    parameters: str
    scores: Scores
    test: Scores
    state: str


def main(
    metric: Annotated[str, typer.Argument(help="any key of metrics/RUN.json")] = "accuracy",
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
    try:
        with Repo() as repo:
            (commit,) = [state.dumpd() for state in repo.experiments.show(hide_workspace=True)]
    except DvcException as error:
        raise InputError(explain(error)) from None
    typer.echo(experiments_table(commit, metric, test))


def experiments_table(commit: State, metric: str, test: bool) -> str:
    """A table of the experiments on a commit, with the values of the commit for comparison.

    Raises:
        InputError: no run has this metric, or the commit cannot be read.
    """
    if commit["data"] is None:
        read_definitions("HEAD", commit["rev"], "correct and commit it")  # it knows the place
        raise InputError(f"HEAD cannot be read: {commit['error']['msg']}; correct and commit it")
    before = scores_of_runs(commit, "validation")
    if not before:
        raise InputError(
            "no run has validation images; set validation_fraction of its data set, such as 0.1: "
            "experiments are compared without the test images"
        )
    known = {key for scores in before.values() for key in scores if key != "images"}
    if metric not in known:
        raise InputError(f"no run has the metric {metric}; choose one of {sorted(known)}")
    name = commit["name"] or commit["rev"][:7]
    rows = [row for exp in commit["experiments"] or [] for row in compare(exp, commit, metric)]
    if not rows:
        lost = (
            "; DVC loses them in a shallow clone: `git fetch --unshallow`" if is_shallow() else ""
        )
        return (
            f"There are no experiments on {name}; docs/experiments.md shows how to run some{lost}."
        )
    changed = {row.run for row in rows}
    of_test = scores_of_runs(commit, "test")
    rows += [
        Row(run, name, commit["rev"], "", scores, of_test.get(run, {}), "")
        for run, scores in before.items()
        if run in changed and metric in scores
    ]
    rows.sort(key=lambda row: (row.run, -row.scores.get(metric, 0)))
    best = find_best([(row.run, row.revision) for row in rows if row.run])
    cells = []
    for row in rows:
        mark = best.get((row.run, row.revision), "")
        value = [describe(row.scores, metric), row.state, mark]
        cells.append([row.run, row.experiment, row.parameters, *value, describe(row.test, metric)])
    header = ["run", "experiment", "parameters", f"validation {metric}", "change", "best", "test"]
    shown = len(header) if test else len(header) - 1
    table = tabulate(
        [line[:shown] for line in cells],
        header[:shown],
        disable_numparse=True,
        maxcolwidths=[*WIDTHS, 23][:shown],
    )
    notes = [
        f"`dvc queue logs {row.experiment}` says why {row.experiment} failed."
        for row in rows
        if row.state == "failed"
    ]
    if best:
        notes.insert(
            0,
            "best: the best of a run, and what is not significantly worse on the same validation "
            "images (exact McNemar test, Holm's correction).",
        )
    return "\n".join([table, *notes])


def describe(scores: Scores, metric: str) -> str:
    """The value of a metric, with the interval of accuracy."""
    if metric not in scores:
        return ""
    value = f"{scores[metric]:.4f}"
    if metric != "accuracy":
        return value
    return f"{value} ({scores['accuracy_low']:.3f} to {scores['accuracy_high']:.3f})"


def compare(experiment: State, commit: State, metric: str) -> list[Row]:
    """The rows of an experiment, one for each run whose metric differs from that of the commit."""
    (now,) = experiment["revs"]
    name = now["name"] or now["rev"][:7]
    if now["data"] is None:
        return [Row("", name, "", "", {}, {}, "broken")]
    old, new = parameters(commit), parameters(now)
    edits = [f"{key}={new[key]}" for key in new if new[key] != old.get(key)]
    edited = re.sub(r"models\.([^ ]+?)\.params\.", r"\1.", " ".join(edits))
    state = (experiment["executor"] or {"state": "success"})["state"]
    if state != "success":
        return [Row("", name, "", edited, {}, {}, state)]
    before, after = scores_of_runs(commit, "validation"), scores_of_runs(now, "validation")
    of_test = scores_of_runs(now, "test")
    rows = []
    for changed, scores in after.items():
        was = before.get(changed, {})
        if scores != was and metric in scores:
            change = f"{scores[metric] - was[metric]:+.4f}" if metric in was else ""
            of_run = scores, of_test.get(changed, {})
            rows.append(Row(changed, name, now["rev"], edited, *of_run, change))
    return rows or [Row("", name, "", edited, {}, {}, "none")]


def scores_of_runs(state: State, split: str) -> dict[str, Scores]:
    """The metrics of each run on a split, if it has any."""
    files = state["data"]["metrics"].items()
    return {Path(path).stem: file["data"][split] for path, file in files if split in file["data"]}


def parameters(state: State) -> dict[str, Any]:
    """The parameters of params.yaml, by dotted name."""
    return flatten(state["data"]["params"]["params.yaml"]["data"])


if __name__ == "__main__":
    run(main)
