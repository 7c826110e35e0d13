"""The table of all trials that were made here: one row each, in a file of JSON lines."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tools.engine.processes import LOGS
from tools.trials.trial import FROM_CACHE, Outcome, Trial

TABLE = LOGS / "trials.jsonl"


@dataclass(frozen=True)
class Row:
    """A trial that was made, and what came of it; `key` is that of the record of its training."""

    run: str
    values: Mapping[str, Any]
    state: str
    key: str
    accuracy: float | None
    images: int
    seconds: float
    reason: str

    @property
    def trial(self) -> Trial:
        """The trial that was made."""
        return Trial(self.run, self.values)


def write_row(trial: Trial, outcome: Outcome) -> None:
    """Adds the row of a trial, in one write: several processes may add theirs."""
    images = len(outcome.labels)
    row = Row(
        trial.run,
        dict(trial.values),
        outcome.state,
        outcome.key,
        float((outcome.labels == outcome.predicted).mean()) if images else None,
        images,
        round(outcome.seconds, 2),
        outcome.reason,
    )
    if outcome.state == FROM_CACHE and any(
        one.key == row.key and one.values == row.values for one in read_rows()
    ):
        return
    TABLE.parent.mkdir(exist_ok=True)
    with TABLE.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row.__dict__) + "\n")


def read_rows() -> list[Row]:
    """The rows, in the order in which they were added; of a trial that was repeated, the last.

    A line that a killed process has left unfinished is not one.
    """
    rows = dict[str, Row]()
    if not TABLE.exists():
        return []
    for line in TABLE.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = Row(**json.loads(line))
        except (ValueError, TypeError):
            continue
        rows[json.dumps([row.run, row.values, row.key])] = row
    return list(rows.values())
