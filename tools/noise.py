"""Measures how much the accuracy of a run varies when only the seed changes.

.venv/bin/python -m tools.noise RUN --seeds 5 [--base BASE [--head HEAD]]
"""

import json
import os
from pathlib import Path
from typing import Annotated, Any

from stages.runtime.command import run

import numpy as np
import typer
from scipy.stats import ttest_rel
from tabulate import tabulate

from stages.runtime.errors import InputError
from stages.runtime.files import NUMBER, atomic_write, require_values, write_json
from stages.runtime.inputs import reading
from tools.engine.programs import show_file
from tools.engine.repository import require_all_commits
from tools.revisions.experiment_queue import clone_of, queue, require_in_git, run_queue
from tools.revisions.recorded import NOISE
from tools.revisions.revision import find_commit, open_revision, recipe_of
from tools.revisions.run_tables import describe_spread


def main(
    name: Annotated[str, typer.Argument(metavar="RUN", help="a run in params.yaml")],
    seeds: Annotated[
        int, typer.Option(min=2, help="number of seeds: that of params.yaml and the next ones")
    ] = 5,
    base: Annotated[str, typer.Option(help="a revision whose recipe to compare")] = "",
    head: Annotated[str, typer.Option(help="with that of this one; default: the workspace")] = "",
    jobs: Annotated[int, typer.Option(min=1, help="experiments in parallel")] = os.cpu_count() or 1,
) -> None:
    """Trains RUN once per seed, as experiments in DVC's queue, and prints mean and spread.

    With BASE, the recipes of two revisions are compared, paired by seed. The results for HEAD are
    written to docs/noise/RUN.json, which `make review` quotes.
    """
    require_all_commits()
    measured = [
        measure(revision, name, seeds, jobs) for revision in ([base] if base else []) + [head]
    ]
    with atomic_write(Path(NOISE.format(run=name))) as path:
        write_json(path, measured[-1])
    titles = [base, head or "the workspace"] if base else ["validation accuracy"]
    columns = {"seed": measured[0]["seeds"]} | {
        title: [f"{accuracy:.4f}" for accuracy in one["accuracy"]]
        for title, one in zip(titles, measured, strict=True)
    }
    typer.echo(tabulate(columns, headers="keys", tablefmt="github", disable_numparse=True))
    for title, one in zip(titles, measured, strict=True):
        typer.echo(f"\n{f'{title}: ' if base else ''}{describe_spread(one['accuracy'])}")
    if base:
        typer.echo(f"\n{compare(*(one['accuracy'] for one in measured))}")


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
        f"p {test.pvalue:.4f}: {word}"
    )


def measure(revision: str, name: str, seeds: int, jobs: int) -> dict[str, Any]:
    """The recipe of a run at a revision, and its accuracies, one per seed.

    Raises:
        InputError: the revision has no such run, or an experiment failed.
    """
    with open_revision(revision) as opened:
        if name not in opened.runs:
            raise InputError(
                f"{opened.name} has no run {name}; choose one of {', '.join(opened.runs)}"
            )
        recipe = recipe_of(opened, name)
        first = opened.parameters["seed"]
    numbers = list(range(first, first + seeds))
    with clone_of(revision) as folder:
        require_in_git(folder, recipe["data"]["path"])
        tasks = queue(folder, name, numbers)
        run_queue(folder, tasks, jobs)
        commits = [find_commit(experiment, folder) for experiment in tasks.values()]
        accuracies = [read_accuracy(folder, commit, name) for commit in commits]
    return {"recipe": recipe, "seeds": numbers, "accuracy": accuracies}


def read_accuracy(folder: Path, commit: str, name: str) -> float:
    """The accuracy of a run on the validation images, at a commit.

    Raises:
        InputError: its metrics are missing, or no images were held out.
    """
    text = show_file(folder, commit, f"metrics/{name}.json")
    if text is None:
        raise InputError(f"{commit[:7]} has no metrics/{name}.json; run `make noise` again")
    name, remedy = f"{commit[:7]}: metrics/{name}.json", "run `make noise` again"
    with reading(name, "JSON file", remedy):
        scores = json.loads(text)
    require_values(name, scores, {"test": dict}, remedy)
    if "validation" not in scores:
        raise InputError(
            f"{name}: no validation images; set validation_fraction of its data set, such as 0.1: "
            "recipes are compared without the test images"
        )
    require_values(name, scores["validation"], {"accuracy": NUMBER}, remedy)
    return float(scores["validation"]["accuracy"])


if __name__ == "__main__":
    run(main, "pipeline")
