"""What each experiment changed, from what `dvc exp show` says."""

import re
from collections.abc import Mapping
from math import inf
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from dvc.utils.flatten import flatten

BROKEN = "broken"  # the state of an experiment that cannot be read
State = dict[str, Any]  # as in `dvc exp show --json`
Splits = dict[str, dict[str, float]]  # the metrics of a run, by split


class Row(NamedTuple):
    """A run that an experiment changed; `run` is empty if it changed none or has not finished.

    `state` is the change of the metric on the validation images, or why there is none. `values` are
    those that differ from the commit's, by dotted name in params.yaml; `parameters` shows them.
    """

    run: str
    experiment: str
    revision: str
    parameters: str
    scores: Splits
    state: str
    values: Mapping[str, Any] = MappingProxyType({})


def compare(experiment: State, commit: State, metric: str) -> list[Row]:
    """The rows of an experiment, one for each run whose scores differ from those of the commit."""
    (now,) = experiment["revs"]
    name = now["name"] or now["rev"][:7]
    if now["data"] is None:
        return [Row("", name, "", "", {}, BROKEN)]
    old, new = parameters(commit), parameters(now)
    values = {key: value for key, value in new.items() if value != old.get(key)}
    edits = " ".join(f"{key}={value}" for key, value in values.items())
    edited = re.sub(r"models\.([^ ]+?)\.params\.", r"\1.", edits)
    state = (experiment["executor"] or {"state": "success"})["state"]
    if state != "success":
        return [Row("", name, "", edited, {}, state)]
    before = scores_of_runs(commit)
    rows = []
    for changed, scores in scores_of_runs(now).items():
        was = before.get(changed, {})
        if not is_measured(scores):
            return [Row("", name, "", edited, {}, BROKEN)]
        if scores == was or metric not in scores.get("validation", scores["test"]):
            continue
        change = ""
        if metric in was.get("validation", {}) and "validation" in scores:
            change = f"{scores['validation'][metric] - was['validation'][metric]:+.4f}"
        own = re.sub(rf"(?<!\S){re.escape(changed)}\.", "", edited)  # without the name of the run
        rows.append(Row(changed, name, now["rev"], own, scores, change, values))
    return rows or [Row("", name, "", edited, {}, "none")]


def is_measured(splits: Splits) -> bool:
    """Whether metrics are finite numbers, which can be compared."""
    return all(
        isinstance(scores, dict)
        and all(isinstance(one, int | float) and -inf < one < inf for one in scores.values())
        for scores in splits.values()
    )


def scores_of_runs(state: State) -> dict[str, Splits]:
    """The metrics of each run on the splits `validation`, if images were held out, and `test`.

    Those of before November 2026, which have no splits, are left out.
    """
    contents = {Path(path): file.get("data") for path, file in state["data"]["metrics"].items()}
    return {
        path.stem: splits
        for path, splits in contents.items()
        if isinstance(splits, dict) and "test" in splits
    }


def parameters(state: State) -> dict[str, Any]:
    """The parameters of params.yaml, by dotted name."""
    return flatten(state["data"]["params"]["params.yaml"]["data"])
