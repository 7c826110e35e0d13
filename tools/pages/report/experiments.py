"""The section of experiments: those on the last commit, and the trials that were made here."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from stages.runtime.files import NUMBER, require_values
from stages.runtime.inputs import reading
from tools.engine.programs import show_file
from tools.pages.charts import Chart, Tried, draw_parallel, draw_scatter
from tools.pages.report.recorded import Recorded
from tools.pages.report.results import show_accuracy
from tools.pages.table import Cell, Table, to_cell
from tools.revisions.experiment_rows import Row
from tools.revisions.experiments import Found
from tools.trials.values import show

COLUMNS = ("experiment", "parameters", "validation accuracy", "change", "ms per image")


class OfRun(NamedTuple):
    """The experiments that changed a run, in a table and as parallel coordinates."""

    run: str
    table: Table
    parallel: Chart | None


class Experiments(NamedTuple):
    """What was tried from the commit `name`, run by run; `times` has a chart for each data set.

    `unfinished` are the experiments without a result, and why they have none.
    """

    name: str
    of_runs: list[OfRun]
    times: list[Chart]
    unfinished: Table | None


def describe_experiments(found: Found, runs: list[Recorded]) -> Experiments:
    """The experiments that were found, beside the `runs` as they are now."""
    datasets = {run.name: run.dataset for run in runs}
    rows = [row for row in found.rows if row.run in datasets]
    changed = {datasets[row.run] for row in rows}
    in_times, of_runs = dict[str, list[Tried]](), list[OfRun]()
    for run in runs:
        own = [row for row in rows if row.run == run.name]
        if run.dataset not in changed:
            continue
        times = [time_of(found, row) for row in own]
        tried = try_all(found, run, own, times)
        in_times.setdefault(run.dataset, []).extend(tried)
        if own:
            parallel = draw_parallel(f"{run.name}: parameters and validation accuracy", tried)
            of_runs.append(OfRun(run.name, tabulate(run.name, own, times), parallel))
    charts = [
        draw_scatter(f"{dataset}: validation accuracy against time", tried)
        for dataset, tried in in_times.items()
    ]
    return Experiments(
        found.name, of_runs, [chart for chart in charts if chart], list_unfinished(found)
    )


def try_all(found: Found, run: Recorded, rows: list[Row], times: list[float | None]) -> list[Tried]:
    """The run as it is in the commit, and as each experiment has it, if images are held out."""
    prefix = f"models.{run.name}.params."
    names = {name for row in rows for name in row.values}
    names = {one for one in names if not one.startswith("models.") or one.startswith(prefix)}
    short = run.name.removeprefix(f"{run.dataset}-")
    base = Row(run.name, short, found.revision, "", found.before.get(run.name, {}), "")
    return [
        Tried(
            key_of(row),
            row.experiment,
            {
                name.removeprefix(prefix): show(row.values.get(name, found.parameters.get(name)))
                for name in sorted(names)
            },
            scores["accuracy"],
            (scores["accuracy_low"], scores["accuracy_high"]),
            milliseconds,
            "default" if row is base else "",
        )
        for row, milliseconds in [(base, time_of(found, base)), *zip(rows, times, strict=True)]
        if (scores := row.scores.get("validation"))
    ]


def key_of(row: Row) -> str:
    """What names a recipe in all tables and charts of the page."""
    return f"{row.run} {row.revision}"


def tabulate(run: str, rows: list[Row], times: list[float | None]) -> Table:
    """The experiments that changed a run, the most accurate first."""
    cells = [
        (
            key_of(row),
            [
                Cell(row.experiment),
                Cell(row.parameters),
                show_accuracy(row.scores.get("validation")),
                Cell(row.state, float(row.state)) if row.state else Cell(""),
                to_cell(milliseconds),
            ],
        )
        for row, milliseconds in zip(rows, times, strict=True)
    ]
    cells.sort(key=lambda pair: -(pair[1][2].value or 0))
    return Table(run, COLUMNS, [line for _, line in cells], [key for key, _ in cells])


def list_unfinished(found: Found) -> Table | None:
    """The experiments that have no result, with their state."""
    rows = [
        [Cell(row.experiment), Cell(row.state), Cell(row.parameters)]
        for row in found.rows
        if not row.run
    ]
    return Table("without a result", ("experiment", "state", "parameters"), rows) if rows else None


def time_of(found: Found, row: Row) -> float | None:
    """The milliseconds for one image that an experiment has measured.

    None for a trial, which measures none, and for an experiment that ended before `profile`: it has
    the profile of the commit.
    """
    if row.revision.startswith("trial "):
        return None
    path = f"metrics/profile/{row.run}.json"
    text, before = (show_file(Path.cwd(), one, path) for one in (row.revision, found.revision))
    if text is None or (row.revision != found.revision and text == before):
        return None
    name = f"{row.experiment}: {path}"
    with reading(name, "JSON file", "remove the experiment, or run it again"):
        profile: Mapping[str, float] = json.loads(text)
    require_values(name, profile, {"latency_median_ms": NUMBER}, "run it again")
    return profile["latency_median_ms"]
