"""What is recorded of each run: its scores, its profile, and whether it has been edited since."""

from typing import Any, NamedTuple

from stages.runtime.files import NUMBER, require_values
from stages.runtime.parameters import name_change
from tools.revisions.experiment_rows import Splits
from tools.revisions.recorded import COMMIT, read_json, read_scores
from tools.revisions.revision import Revision
from tools.trials.values import get_value

INTERVAL = ("accuracy_low", "accuracy_high")
TIMES = ("latency_median_ms", "latency_p95_ms", "throughput_images_per_s")
SIZES = ("file_bytes", "parameters", "tree_nodes")


class Recorded(NamedTuple):
    """A run of params.yaml: its metrics by split, and its profile; both empty before it has run.

    `edited` are the parameters that now have other values than those it was trained with.
    """

    name: str
    dataset: str
    scores: Splits
    profile: dict[str, Any]
    edited: list[str]


def read_recorded(revision: Revision) -> list[Recorded]:
    """All runs, in the order of params.yaml.

    Raises:
        InputError: a file of metrics is not valid.
    """
    return [
        Recorded(
            name,
            block["dataset"],
            read_splits(revision, name),
            read_profile(revision, name),
            find_edited(revision, f"train@{name}"),
        )
        for name, block in revision.runs.items()
    ]


def read_splits(revision: Revision, run: str) -> Splits:
    """The metrics of a run, with the interval of each accuracy."""
    path = f"metrics/{run}.json"
    if not revision.files.isfile(path):
        return {}
    splits = read_scores(revision, run)
    for scores in splits.values():
        kinds = dict.fromkeys([*INTERVAL, *scores], NUMBER)
        require_values(f"{revision.name}: {path}", scores, kinds, COMMIT)
    return splits


def read_profile(revision: Revision, run: str) -> dict[str, Any]:
    """The times, sizes and processor of a run."""
    path = f"metrics/profile/{run}.json"
    if not revision.files.isfile(path):
        return {}
    return read_json(revision, path, processor=str, **dict.fromkeys(TIMES + SIZES, NUMBER))


def find_edited(revision: Revision, stage: str) -> list[str]:
    """The parameters whose values differ from those that dvc.lock records of a stage."""
    recorded = revision.stages.get(stage, {}).get("params", {}).get("params.yaml", {})
    now = {name: get_value(revision.parameters, name) for name in recorded}
    return [
        name_change(name, recorded[name], now[name]) for name in now if recorded[name] != now[name]
    ]
