"""Measures how much the accuracy of a run varies when only the seed changes.

.venv/bin/python -m tools.noise RUN --seeds 5 [--base BASE [--head HEAD]]
"""

from pathlib import Path
from typing import Annotated, Any

from stages.runtime.command import run

import numpy as np
import typer
from scipy.stats import ttest_rel
from tabulate import tabulate
from tqdm import tqdm

from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write, write_json
from tools.cluster.options import AnyProcessor, ClusterAddress, open_bench
from tools.engine import processes
from tools.revisions.clone import in_clone_of
from tools.revisions.recorded import NOISE
from tools.revisions.revision import open_revision, recipe_of
from tools.revisions.run_tables import describe_spread
from tools.revisions.significance import show_p
from tools.trials.bench import Bench
from tools.trials.lab import open_lab
from tools.trials.run import run_trials
from tools.trials.trial import FAILED, Trial


def main(
    name: Annotated[str, typer.Argument(metavar="RUN", help="a run in params.yaml")],
    seeds: Annotated[
        int, typer.Option(min=2, help="number of seeds: that of params.yaml and the next ones")
    ] = 5,
    base: Annotated[str, typer.Option(help="a revision whose recipe to compare")] = "",
    head: Annotated[str, typer.Option(help="with that of this one; default: the workspace")] = "",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="seeds in parallel; default: one per core")
    ] = None,
    cluster: ClusterAddress = "",
    any_cpu: AnyProcessor = False,
) -> None:
    """Trains RUN once per seed, and prints mean and spread of its accuracy on validation images.

    With BASE, the recipes of two revisions are compared, paired by seed. The results for HEAD are
    written to docs/noise/RUN.json, which `make review` quotes. Nobody looks at a test image.
    """
    with open_bench(cluster, any_cpu) as bench:
        measured = [
            measure(revision, name, seeds, jobs, bench)
            for revision in ([base] if base else []) + [head]
        ]
    with atomic_write(Path(NOISE.format(run=name))) as path:
        write_json(path, measured[-1])
    titles = [base, head or "the workspace"] if base else ["validation accuracy"]
    columns = {"seed": measured[0]["seeds"]} | {
        title: [f"{accuracy:.4f}" for accuracy in one["validation_accuracy"]]
        for title, one in zip(titles, measured, strict=True)
    }
    typer.echo(tabulate(columns, headers="keys", tablefmt="github", disable_numparse=True))
    for title, one in zip(titles, measured, strict=True):
        spread = describe_spread("validation", one["validation_accuracy"])
        typer.echo(f"\n{f'{title}: ' if base else ''}{spread}")
    if base:
        typer.echo(f"\n{compare(*(one['validation_accuracy'] for one in measured))}")


def compare(before: list[float], after: list[float]) -> str:
    """Whether one recipe is better, by Student's t test on accuracies paired by seed."""
    gains = np.subtract(after, before)
    if np.ptp(gains) == 0:
        return f"The difference is {gains[0]:+.4f} with every seed."
    test = ttest_rel(after, before)
    low, high = test.confidence_interval(0.95)
    better = "better" if gains.mean() > 0 else "worse"
    word = better if test.pvalue < 0.05 else "no significant change"
    return (
        f"Paired by seed: difference {gains.mean():+.4f} (95% interval {low:+.4f} to {high:+.4f}), "
        f"p {show_p(test.pvalue)}: {word}"
    )


def measure(
    revision: str, name: str, seeds: int, jobs: int | None, cluster: Bench | None
) -> dict[str, Any]:
    """The recipe of a run at a revision, and its validation accuracies, one per seed.

    Raises:
        InputError: the revision has no such run, or a trial failed.
    """
    with open_revision(revision) as opened:
        if name not in opened.runs:
            raise InputError(
                f"{opened.name} has no run {name}; choose one of {', '.join(opened.runs)}"
            )
        title, recipe = opened.name, recipe_of(opened, name)
        first = opened.parameters["seed"]
    processes.preload(recipe["model"]["framework"])  # here: in a clone, of that one's engine
    numbers = list(range(first, first + seeds))
    trials = [Trial(name, {"seed": seed}) for seed in numbers]
    with (
        in_clone_of(revision),
        open_lab(name) as lab,
        tqdm(total=seeds, desc=title, unit="seed") as bar,
    ):
        outcomes = run_trials(
            lab, trials, jobs, lambda number, outcome: bar.update(), cluster=cluster
        )
    for seed, outcome in zip(numbers, outcomes, strict=True):
        if outcome.state == FAILED:
            raise InputError(f"{title}: seed {seed} failed: {outcome.reason}")
    accuracy = [float(np.mean(one.labels == one.predicted)) for one in outcomes]
    return {"recipe": recipe, "seeds": numbers, "validation_accuracy": accuracy}


if __name__ == "__main__":
    run(main, "pipeline")
