"""Trials as rows beside experiments: the folds of the same values are one row."""

import json
from collections.abc import Mapping, Sequence
from itertools import groupby

import numpy as np
from dvc.repo import Repo

from stages.scoring.metrics import score
from tools.revisions.best import Checked, Result
from tools.revisions.experiment_rows import Row, Splits
from tools.trials.current import read_current
from tools.trials.rows import Row as Made
from tools.trials.rows import read_rows
from tools.trials.trial import Outcome
from tools.trials.values import show_values

Pair = tuple[Made, Outcome]


def read_trials(
    repo: Repo, before: Mapping[str, Splits], metric: str
) -> tuple[list[Row], dict[Result, Checked]]:
    """The rows of the trials that were made with what is in the workspace, and their answers.

    `before` are the scores that the runs have now. The trials that only vary the seed are left out,
    and those that are not complete.
    """
    made = [row for row in read_rows() if row.trial.chosen.keys() - {"seed"} or row.trial.folds]
    pairs = sorted(
        read_current(repo, made), key=lambda pair: (*identify(pair[0]), pair[0].trial.fold)
    )
    rows, checked = list[Row](), dict[Result, Checked]()
    for _, group in groupby(pairs, key=lambda pair: identify(pair[0])):
        of_trial = list(group)
        trial = of_trial[0][0].trial
        if len(of_trial) < trial.folds:
            continue
        scores, answers = join([outcome for _, outcome in of_trial])
        shown, values, change = show_values(trial.chosen, trial.run), trial.chosen, ""
        was = before.get(trial.run, {}).get("validation", {})
        if trial.folds:
            shown += f" ({trial.folds} folds)"
            values |= {"folds": trial.folds}
        elif metric in was.keys() & scores.keys():
            change = f"{scores[metric] - was[metric]:+.4f}"
        revision = f"trial {trial.name} {trial.folds}"
        splits = {"validation": scores}
        rows.append(Row(trial.run, trial.name, revision, shown, splits, change, values))
        checked[trial.run, revision] = answers
    return rows, checked


def identify(made: Made) -> tuple[str, int, str]:
    """What the folds of a trial have in common."""
    return made.run, made.trial.folds, json.dumps(made.trial.chosen, sort_keys=True)


def join(outcomes: Sequence[Outcome]) -> tuple[dict[str, float], Checked]:
    """The metrics on the validation images of all folds, and what identifies and answers these."""
    labels, predicted = (
        np.concatenate([getattr(one, name) for one in outcomes]) for name in ("labels", "predicted")
    )
    parts = [one.probabilities for one in outcomes if one.probabilities is not None]
    probabilities = np.concatenate(parts) if len(parts) == len(outcomes) else None
    images = " ".join(one.images for one in outcomes)
    return score(labels, predicted, probabilities), Checked(images, labels == predicted)
