"""The trials that were made here with all that is in the workspace now, but for their values."""

from collections.abc import Iterable
from itertools import groupby

from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.runtime.errors import InputError
from tools.trials.lab import Lab, read_lab
from tools.trials.progress import Progress, advance, go_to_gates, open_gates, skip_check
from tools.trials.results import read_outcome
from tools.trials.rows import Row
from tools.trials.trial import Outcome
from tools.trials.values import with_values


def read_current(repo: Repo, rows: Iterable[Row]) -> list[tuple[Row, Outcome]]:
    """The rows of trials that would come from the cache now, and what came of them.

    Those that were made with other code, data or parameters are left out, as are those that failed.
    """
    found = list[tuple[Row, Outcome]]()
    for run, of_run in groupby(sorted(rows, key=lambda row: row.run), key=lambda row: row.run):
        try:
            lab = read_lab(repo, run)
            gates = go_to_gates(lab)
            skip_check(lab, gates)
            if advance(lab, gates) is not None:
                continue
            open_gates(lab, gates)
        except (InputError, DvcException):
            continue
        for row in of_run:
            outcome = find_outcome(lab, row)
            if outcome is not None:
                found.append((row, outcome))
    return found


def find_outcome(lab: Lab, row: Row) -> Outcome | None:
    """What came of a trial, if it would come from the cache now."""
    try:
        progress = Progress(row.trial, with_values(lab.parameters, row.values), dict(lab.gates))
        if advance(lab, progress) is None and progress.key == row.key:
            return read_outcome(lab, progress, row.seconds)
    except (InputError, DvcException):
        pass
    return None
