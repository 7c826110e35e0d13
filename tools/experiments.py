"""Prints the experiments on the last commit: what each changed, and its effect on a metric.

.venv/bin/python -m tools.experiments [METRIC]

`dvc exp show` has one column for each parameter and each metric of each run. This table always has
the same five columns.
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
from tools.revisions.definitions import read_definitions

COLUMNS = {  # title: maximum width; with the gaps at most 120 characters
    "run": 30,
    "experiment": 18,
    "parameters": 42,
    "metric": 10,
    "change": 8,
}

State = dict[str, Any]  # as in `dvc exp show --json`


class Row(NamedTuple):
    """A run that an experiment changed; `run` is empty if it changed none or has not finished."""

    run: str
    experiment: str
    parameters: str
    value: float
    change: str


def main(
    metric: Annotated[str, typer.Argument(help="any key of metrics/RUN.json")] = "accuracy",
) -> None:
    """Prints a table of the runs that experiments changed, for each run the highest value first.

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
    typer.echo(experiments_table(commit, metric))


def experiments_table(commit: State, metric: str) -> str:
    """A table of the experiments on a commit, with the values of the commit for comparison.

    Raises:
        InputError: no run has this metric, or the commit cannot be read.
    """
    if commit["data"] is None:
        read_definitions("HEAD", commit["rev"], "correct and commit it")  # it knows the place
        raise InputError(f"HEAD cannot be read: {commit['error']['msg']}; correct and commit it")
    before = metric_of_runs(commit, metric)
    if not before:
        known = {key for file in commit["data"]["metrics"].values() for key in file["data"]}
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
    rows += [Row(key, name, "", value, "") for key, value in before.items() if key in changed]
    rows.sort(key=lambda row: (row.run, -row.value))
    cells = [[*row[:3], f"{row.value:.4f}" if row.run else "", row.change] for row in rows]
    table = tabulate(
        cells,
        [metric if title == "metric" else title for title in COLUMNS],
        disable_numparse=True,
        maxcolwidths=list(COLUMNS.values()),
    )
    failed = [row.experiment for row in rows if row.change == "failed"]
    return "\n".join(
        [table, *(f"`dvc queue logs {name}` says why {name} failed." for name in failed)]
    )


def compare(experiment: State, commit: State, metric: str) -> list[Row]:
    """The rows of an experiment, one for each run whose metric differs from that of the commit."""
    (now,) = experiment["revs"]
    if now["data"] is None:
        return [Row("", now["name"] or now["rev"][:7], "", 0, "broken")]
    old, new = parameters(commit), parameters(now)
    edits = [f"{key}={new[key]}" for key in new if new[key] != old.get(key)]
    edited = re.sub(r"models\.([^ ]+?)\.params\.", r"\1.", " ".join(edits))
    state = (experiment["executor"] or {"state": "success"})["state"]
    if state != "success":
        return [Row("", now["name"], edited, 0, state)]
    before, after = metric_of_runs(commit, metric), metric_of_runs(now, metric)
    return [
        Row(key, now["name"], edited, value, f"{value - before[key]:+.4f}" if key in before else "")
        for key, value in after.items()
        if value != before.get(key)
    ] or [Row("", now["name"], edited, 0, "none")]


def metric_of_runs(state: State, metric: str) -> dict[str, float]:
    """The value of a metric for each run that has it."""
    files = state["data"]["metrics"].items()
    return {Path(path).stem: file["data"][metric] for path, file in files if metric in file["data"]}


def parameters(state: State) -> dict[str, Any]:
    """The parameters of params.yaml, by dotted name."""
    return flatten(state["data"]["params"]["params.yaml"]["data"])


if __name__ == "__main__":
    run(main)
