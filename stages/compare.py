"""Compares all runs: their accuracy, its cost in time, and a page that links to every picture."""

from pathlib import Path
from typing import Any

from stages.runtime.command import run

from stages.figures.comparison import Datasets
from stages.figures.comparison.accuracy import draw_accuracies
from stages.figures.comparison.page import write_page
from stages.figures.comparison.tradeoff import draw_tradeoff
from stages.runtime.errors import InputError
from stages.runtime.files import NUMBER, REMEDY, atomic_write, read_json, require_values

SCORES = ("accuracy", "accuracy_low", "accuracy_high")
TIMES = ("latency_median_ms", "file_bytes")


def main(metrics: Path, accuracy: Path, tradeoff: Path, page: Path) -> None:
    """Draws `accuracy` and `tradeoff` and writes `page`.

    Reads `metrics`/RUN.json and `metrics`/profile/RUN.json of every run.
    """
    tested: Datasets = {}
    held_out: Datasets = {}
    processors: set[str] = set()
    for path in sorted(metrics.glob("*.json")):
        profile = read(
            metrics / "profile" / path.name,
            **(dict.fromkeys(("dataset", "processor"), str) | dict.fromkeys(TIMES, NUMBER)),
        )
        processors.add(profile.pop("processor"))
        dataset = profile.pop("dataset")
        for split, datasets in (("test", tested), ("validation", held_out)):
            if scores := read_scores(path, split):
                datasets.setdefault(dataset, {})[path.stem] = scores | profile
    if not tested:
        raise InputError(f"{metrics}: no run has metrics; run `dvc repro`")
    draw_accuracies(tested, accuracy)
    draw_tradeoff(tested, held_out, tradeoff)
    with atomic_write(page) as path:
        path.write_text(write_page(tested, held_out, sorted(processors)), encoding="utf-8")
    print(f"{page}: {sum(map(len, tested.values()))} runs")


def read_scores(path: Path, split: str) -> Any:
    """The metrics of a run on a split; empty if no validation images were held out."""
    splits = read(path, test=dict)
    if split not in splits:
        return {}
    require_values(path, splits, {split: dict}, REMEDY)
    require_values(path, splits[split], dict.fromkeys(SCORES, NUMBER), REMEDY)
    return splits[split]


def read(path: Path, **kinds: Any) -> Any:
    """The values of a JSON file, among them some of these kinds."""
    if not path.exists():
        raise InputError(
            f"{path}: missing; run `dvc repro`, or `git rm` the files of a removed run in metrics/"
        )
    return read_json(path, **kinds)


if __name__ == "__main__":
    run(main, "plots")
