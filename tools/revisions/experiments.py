"""The experiments on the last commit, and the trials that were made here."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.runtime.errors import InputError
from tools.engine.remember import remember_parsed
from tools.engine.repository import explain, require_commit
from tools.revisions.best import Checked, Result
from tools.revisions.definitions import read_definitions
from tools.revisions.experiment_rows import Row, Splits, State, compare, parameters, scores_of_runs
from tools.revisions.trial_rows import read_trials


class Found(NamedTuple):
    """The last commit, its `parameters` by dotted name, and what was tried from it.

    `before` are the scores of the commit, by run. `checked` are the answers of the trials.
    """

    name: str
    revision: str
    parameters: Mapping[str, Any]
    before: dict[str, Splits]
    rows: list[Row]
    checked: dict[Result, Checked]


def read_experiments(metric: str) -> Found:
    """The experiments on the last commit, and the trials; no scores if it has none.

    Raises:
        InputError: there is no repository or no commit here, or DVC cannot read it.
    """
    require_commit()
    remember_parsed()
    try:
        with Repo(_wait_for_lock=True) as repo:
            (commit,) = [state.dumpd() for state in repo.experiments.show(hide_workspace=True)]
            require_read(commit)
            before = scores_of_runs(commit)
            trials, checked = read_trials(repo, before, metric)
    except DvcException as error:
        raise InputError(explain(error)) from None
    rows = [row for one in commit["experiments"] or [] for row in compare(one, commit, metric)]
    name, revision = name_of(commit), commit["rev"]
    return Found(name, revision, parameters(commit), before, rows + trials, checked)


def name_of(commit: State) -> str:
    """The branch or tag of a commit, or its short hash."""
    return str(commit["name"] or commit["rev"][:7])


def require_read(commit: State) -> None:
    """Raises an InputError if DVC could not read the commit."""
    if commit["data"] is None:
        read_definitions("HEAD", commit["rev"], "correct and commit it")  # it knows the place
        raise InputError(f"HEAD cannot be read: {commit['error']['msg']}; correct and commit it")
