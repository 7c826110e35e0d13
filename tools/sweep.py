"""Trains a run with all combinations of some values of its parameters, and compares them.

.venv/bin/python -m tools.sweep RUN 'C=0.3,3,10 gamma=scale,0.01' [--folds 5]
"""

from itertools import count
from typing import Annotated

from stages.runtime.command import run

import numpy as np
import typer

from stages.runtime.errors import InputError
from tools.cluster.options import AnyProcessor, ClusterAddress, open_bench
from tools.experiments import show_experiments
from tools.trials.assignments import in_folds, read_assignments
from tools.trials.lab import open_lab
from tools.trials.run import run_trials
from tools.trials.trial import FAILED, Outcome, Trial
from tools.trials.values import show_values


def main(
    name: Annotated[str, typer.Argument(metavar="RUN", help="a run in params.yaml")],
    assignments: Annotated[
        str, typer.Argument(metavar="SET", help="values of parameters, e.g. 'C=0.3,3,10'")
    ],
    folds: Annotated[
        int, typer.Option(min=0, max=20, help="of cross-validation; 0: the held-out images")
    ] = 0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="trials in parallel; default: one per core")
    ] = None,
    cluster: ClusterAddress = "",
    any_cpu: AnyProcessor = False,
) -> None:
    """Makes one trial per combination of values, or per fold of each, and prints all results.

    Trials are scored on validation images alone. One that was ever made is not made again. Exits
    with 1 if one failed.
    """
    chosen = read_assignments(assignments, name)
    ended = count(1)
    with open_lab(name) as lab, open_bench(cluster, any_cpu) as bench:
        trials = [
            one for values in chosen for one in in_folds(Trial(name, values), lab.dataset, folds)
        ]

        def report(number: int, outcome: Outcome) -> None:
            trial = trials[number]
            fold = f" (fold {trial.fold} of {trial.folds})" if trial.folds else ""
            shown = show_values(trial.chosen, name) + fold
            place = f"{next(ended):{len(str(len(trials)))}} of {len(trials)}"
            typer.echo(f"{place}  {shown:40}  {describe(outcome)}")

        outcomes = run_trials(lab, trials, jobs, report, cluster=bench)
    try:
        typer.echo(f"\n{show_experiments(run=name)}")
    except InputError as error:  # e.g. nothing has been committed
        typer.echo(f"\nThere is no table of experiments: {error}")
    if any(outcome.state == FAILED for outcome in outcomes):
        raise typer.Exit(1)


def describe(outcome: Outcome) -> str:
    """What came of a trial, in words."""
    if not len(outcome.labels):
        return f"{outcome.state}: {outcome.reason}"
    accuracy = np.mean(outcome.labels == outcome.predicted)
    time_taken = f"  {outcome.seconds:8.1f} s" if outcome.seconds else ""
    said = f"validation accuracy {accuracy:.4f}  {outcome.state}{time_taken}  {outcome.where}"
    return said.rstrip()


if __name__ == "__main__":
    run(main, "pipeline")
