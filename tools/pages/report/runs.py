"""The section of runs: what is recorded of each, and its pictures."""

import re
from collections.abc import Mapping
from typing import NamedTuple

from dvc.utils.flatten import flatten

from stages.runtime.inputs import reading
from stages.scoring.metrics import METRICS
from tools.pages.picture import Figure, Picture
from tools.pages.report.recorded import Recorded
from tools.pages.report.results import OTHERS, show_accuracy
from tools.pages.table import Cell, Table, count_bytes, to_cell
from tools.revisions.recorded import COMMIT, NOISE, read_noise, read_text
from tools.revisions.revision import Revision, recipe_of
from tools.revisions.run_tables import describe_spread
from tools.trials.values import show

FIRST = ("learning_curve", "confusion", "reliability", "mistakes")  # of its pictures
SHOWN = re.compile(r"!\[.*?\]\((\w+)\.png\)\n\n(.+)")  # a picture in a run's README.md


class RunPart(NamedTuple):
    """What the page shows of a run; tables and texts are empty where nothing is recorded.

    `lacks` are the pictures that other runs have; `noise` is the spread over seeds.
    """

    name: str
    title: str
    edited: list[str]
    metrics: Table | None
    profile: Table | None
    parameters: Table
    figures: list[Figure]
    lacks: list[str]
    noise: str
    seeds: Table | None


def describe_runs(
    revision: Revision, runs: list[Recorded], pictures: Mapping[str, Picture]
) -> list[RunPart]:
    """All runs, in the order of params.yaml.

    Raises:
        InputError: a file is not valid.
    """
    figures = {run.name: list_figures(revision, run.name, pictures) for run in runs}
    known = sorted({figure.title for of_run in figures.values() for figure in of_run})
    parts = []
    for run in runs:
        titles = {figure.title for figure in figures[run.name]}
        noise, seeds = describe_noise(revision, run.name)
        parts.append(
            RunPart(
                name=run.name,
                title=show_accuracy(run.scores["test"]).text if run.scores else "",
                edited=run.edited,
                metrics=tabulate_metrics(run) if run.scores else None,
                profile=tabulate_profile(run) if run.profile else None,
                parameters=tabulate_parameters(revision, run.name),
                figures=figures[run.name],
                lacks=[title for title in known if titles and title not in titles],
                noise=noise,
                seeds=seeds,
            )
        )
    return parts


def tabulate_metrics(run: Recorded) -> Table:
    """The metrics on each split, a row per metric."""
    rows = [[Cell("accuracy (95% interval)"), *map(show_accuracy, run.scores.values())]]
    for key, title in (
        *((OTHERS, "accuracy without near duplicates"), ("near_duplicates", "near duplicates")),
        *((name, metric.title) for name, metric in METRICS.items() if name != "accuracy"),
        ("images", "images"),
    ):
        values = [scores.get(key) for scores in run.scores.values()]
        digits = 0 if key in ("images", "near_duplicates") else 4
        if any(value is not None for value in values):
            rows.append([Cell(title), *(to_cell(value, digits) for value in values)])
    return Table("metrics", ["metric", *run.scores], rows)


def tabulate_profile(run: Recorded) -> Table:
    """What the model costs."""
    profile = run.profile
    rows = [
        [Cell("one image, median"), to_cell(profile["latency_median_ms"], 4, " ms")],
        [Cell("one image, 95th percentile"), to_cell(profile["latency_p95_ms"], 4, " ms")],
        [Cell("images per second, in batches"), to_cell(profile["throughput_images_per_s"], 0)],
        [Cell("file"), Cell(count_bytes(profile["file_bytes"]), profile["file_bytes"])],
        *(
            [Cell(title), to_cell(profile[key], 0)]
            for key, title in (("parameters", "parameters"), ("tree_nodes", "nodes of trees"))
            if profile[key]
        ),
    ]
    return Table(f"cost, one thread of {profile['processor']}", ["cost", "value"], rows)


def tabulate_parameters(revision: Revision, run: str) -> Table:
    """The block of a run in params.yaml, without the space to search, and the seed."""
    block = {key: value for key, value in revision.runs[run].items() if key != "tune"}
    values = flatten(block) | {"seed": revision.parameters["seed"]}
    rows = [
        [Cell(name.removeprefix("params.")), Cell(show(value))] for name, value in values.items()
    ]
    return Table("parameters", ["parameter", "value"], rows)


def list_figures(revision: Revision, run: str, pictures: Mapping[str, Picture]) -> list[Figure]:
    """The pictures of a run with the captions of its README.md; none before it is drawn."""
    folder = f"plots/{run}/pictures"
    if not revision.files.isfile(f"{folder}/README.md"):
        return []
    with reading(f"{revision.name}: {folder}/README.md", "text file", COMMIT):
        captions = dict(SHOWN.findall(read_text(revision, f"{folder}/README.md")))
    drawn = [name for name in captions if f"{folder}/{name}.png" in pictures]
    order = [name for name in FIRST if name in drawn]
    order += [name for name in drawn if name not in FIRST]
    return [
        Figure(
            pictures[f"{folder}/{name}.png"],
            name.replace("_", " "),
            f"{run}: {captions[name]}",
            captions[name],
        )
        for name in order
    ]


def describe_noise(revision: Revision, run: str) -> tuple[str, Table | None]:
    """How much the accuracy of a run varies with the seed, if that was measured."""
    known = read_noise(revision, run)
    if known is None:
        return "", None
    path = NOISE.format(run=run)
    key = "validation_accuracy" if "validation_accuracy" in known else "accuracy"
    split = "validation" if key == "validation_accuracy" else "test"
    recipe = "this" if recipe_of(revision, run) == known["recipe"] else "another"
    with reading(f"{revision.name}: {path}", "file of seed noise", f"run `make noise RUN={run}`"):
        rows = [
            [Cell(str(seed), seed), to_cell(one)]
            for seed, one in zip(known["seeds"], known[key], strict=True)
        ]
        spread = describe_spread(split, known[key])
    said = f"{spread[0].upper()}{spread[1:]}, measured with {recipe} recipe."
    return said, Table("seeds", ["seed", f"{split} accuracy"], rows)
