"""Searches the space under `tune` of a run for better parameters, by validation images alone.

.venv/bin/python -m tools.tune RUN --trials 30 [--folds 5] [--jobs 2] [--apply]
"""

from pathlib import Path
from typing import Annotated, Any

from stages.runtime.command import run

import typer

from stages.check import check
from stages.runtime.errors import InputError
from stages.runtime.files import read_json
from stages.runtime.parameters import PARAMETERS, PINS, read_parameter, read_parameters
from stages.schema.source import read_fields
from stages.schema.space import EXAMPLE, read_space
from tools.cluster.options import AnyProcessor, ClusterAddress, open_bench
from tools.engine.processes import count_cores
from tools.parameters.edit import set_values, write_text
from tools.revisions.looks import describe_looks
from tools.trials.bench import Bench
from tools.trials.lab import Lab, open_lab
from tools.trials.results import identify_images
from tools.trials.run import run_trials
from tools.tuning.batch import Make
from tools.tuning.comparison import Comparison, compare_with_default
from tools.tuning.data import find_data_hash
from tools.tuning.importance import find_importances
from tools.tuning.picture import draw_search
from tools.tuning.plan import Plan
from tools.tuning.report import (
    NO_BETTER,
    describe_best,
    describe_comparison,
    describe_importances,
    describe_trial,
)
from tools.tuning.rows import REPEATED, Row, find_best
from tools.tuning.search import search
from tools.tuning.space import to_settings
from tools.tuning.table import TABLE, write_table

PICTURE = "plots/tune/{run}.png"
FAILED, INTERRUPTED = 1, 130  # exit statuses


def main(
    name: Annotated[str, typer.Argument(metavar="RUN", help="a run in params.yaml")],
    trials: Annotated[int, typer.Option(min=1, help="recipes to try, with the default")] = 30,
    folds: Annotated[
        int,
        typer.Option(
            min=0, max=20, help="of cross-validation; 0: the images that the run holds out"
        ),
    ] = 5,
    jobs: Annotated[int, typer.Option(min=1, help="trainings at a time")] = count_cores(),
    apply: Annotated[bool, typer.Option("--apply", help="write the best to params.yaml")] = False,
    cluster: ClusterAddress = "",
    any_cpu: AnyProcessor = False,
) -> None:
    """Searches for better parameters of RUN, and says whether the best are better than its own.

    Raises:
        InputError: there is nothing to search, the default cannot be trained, or the best recipe is
            no better than it and was to be written to params.yaml.
    """
    plan = make_plan(name, folds)
    try:
        with open_lab(name) as lab, open_bench(cluster, any_cpu, follows=plan.stops) as bench:
            best, comparison = tune(plan, lab, trials, jobs, bench)
    except KeyboardInterrupt:
        typer.echo("interrupted; the same command goes on from here", err=True)
        raise typer.Exit(INTERRUPTED) from None
    typer.echo(f"\n{describe_looks(name)}")
    if not apply:
        return
    if comparison is None or not comparison.is_better:
        raise InputError(
            f"APPLY=1: {PARAMETERS} stays as it is: trial {best.number} is {NO_BETTER}"
        )
    settings = to_settings(name, plan.params, best.values)
    write_text(set_values(PARAMETERS.read_bytes().decode(), settings))
    written = ", ".join(f"{key}: {value}" for key, value in settings.items())
    typer.echo(f"{PARAMETERS}: {written}. Now `make repro` scores the test images, once.")


def make_plan(name: str, folds: int) -> Plan:
    """What is searched, from params.yaml.

    Raises:
        InputError: params.yaml is not valid, or there is nothing to search.
    """
    parameters = read_parameters()
    try:
        check(parameters)
    except InputError as error:
        raise InputError(f"{PARAMETERS}: {error}") from None
    if name not in parameters["models"]:
        known = ", ".join(parameters["models"])
        raise InputError(f"{PARAMETERS} has no run {name}; choose one of {known}")
    block = parameters["models"][name]
    if not block.get("tune"):
        some = next(iter(block["params"]))
        raise InputError(
            f"models.{name} has no space to search; add e.g. `tune: {{{some}: {EXAMPLE}}}` beside "
            "`params` (docs/tune.md)"
        )
    if folds == 1:
        raise InputError("FOLDS is 1; choose 2 or more, or 0 for the images that the run holds out")
    return Plan(
        run=name,
        dataset=block["dataset"],
        params=block["params"],
        space=read_space(block["tune"], block["params"]),
        seed=parameters["seed"],
        folds=folds,
        stops="epochs" in read_fields(f"stages.frameworks.{block['framework']}.fit", "fit"),
    )


def tune(
    plan: Plan, lab: Lab, trials: int, jobs: int, cluster: Bench | None
) -> tuple[Row, Comparison | None]:
    """Searches, reports, and compares the best recipe with the default; None if it is that."""

    def make(trials: Any, report: Any, stop: Any) -> Any:
        return run_trials(lab, trials, jobs, report, stop, cluster)

    require_held_out(plan.dataset)
    per = f"on {folds} folds" if (folds := plan.folds) else "on the images that the run holds out"
    at_a_time = cluster.jobs if cluster else jobs
    typer.echo(
        f"{plan.run}: {trials} recipes {per}, {at_a_time} trainings at a time; 0 is the default"
    )
    rows = find_rows(plan, trials, make)
    best = find_best(rows)
    if best is None:
        typer.echo(f"all {len(rows)} trials failed: {rows[0].reason}", err=True)
        raise typer.Exit(FAILED)
    table, picture = (Path(one.format(run=plan.run)) for one in (TABLE, PICTURE))
    write_table(table, describe(plan, lab), rows)
    draw_search(plan, rows, picture)
    typer.echo(f"\n{describe_best(rows)}\n\n{describe_importances(find_importances(plan, rows))}")
    comparison = None
    if best.number:
        different = sum(row.state != REPEATED for row in rows)
        comparison = compare_with_default(
            plan, rows[0], best, different - 1, make, lambda trial: identify_images(lab, trial)
        )
        typer.echo(f"\n{describe_comparison(comparison, best)}")
    else:
        typer.echo(f"\nThe best is the default: {NO_BETTER}.")
    typer.echo(f"\n{table} has all trials, {picture} shows them.")
    return best, comparison


def require_held_out(dataset: str) -> None:
    """Refuses data that hold nothing out: on this the best is at last compared with the default.

    Raises:
        InputError: there are no validation images, or no audit that counted them.
    """
    audit = read_json(Path(f"data/audit/{dataset}.json"), validation=dict)
    if not audit["validation"].get("images"):
        raise InputError(
            f"data.{dataset} holds no validation images out, on which the best recipe is at last "
            "compared with the default; set validation_fraction, such as 0.1, and `make repro`"
        )


def find_rows(plan: Plan, trials: int, make: Make) -> list[Row]:
    """The rows of the search, each of which is reported when it is known."""
    so_far = list[Row]()

    def report(row: Row) -> None:
        typer.echo(describe_trial(row, so_far))
        so_far.append(row)

    return search(plan, trials, make, report)


def describe(plan: Plan, lab: Lab) -> dict[str, Any]:
    """What a table of trials says of the search: all that its rows depend on, but for code."""
    block = lab.parameters["models"][plan.run]
    groups = ["arrays", "onnx", block["framework"], "search"]
    return {
        "run": plan.run,
        "space": block["tune"],
        "seed": plan.seed,
        "folds": plan.folds,
        "data": {plan.dataset: find_data_hash(lab)},
        "pins": [pin for one in groups for pin in read_parameter(f"dependency-groups.{one}", PINS)],
    }


if __name__ == "__main__":
    run(main, "pipeline", "search")
