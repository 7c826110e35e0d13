"""Puts all runs side by side: accuracy, what it costs in time, and a page of all pictures."""

import json
from pathlib import Path

from stages.command import run
from stages.figures.accuracy import draw_accuracies
from stages.figures.tradeoff import draw_tradeoff
from stages.files import written_whole
from stages.gallery import Run, write_gallery
from stages.parameters import read_parameter


def main(metrics: Path, accuracy: Path, tradeoff: Path, gallery: Path) -> None:
    """Draws `accuracy` and `tradeoff`, a panel a data set, and writes the page `gallery`.

    From `metrics`/RUN.json of every run in params.yaml and `metrics`/profile.json.
    """
    profile = json.loads((metrics / "profile.json").read_text(encoding="utf-8"))
    runs: dict[str, Run] = {}
    datasets: dict[str, dict[str, dict[str, float]]] = {}
    for name, settings in sorted(read_parameter("models").items()):
        scores = json.loads((metrics / f"{name}.json").read_text(encoding="utf-8"))
        runs[name] = Run(settings, scores | profile[name])
        datasets.setdefault(settings["dataset"], {})[name] = runs[name].scores
    draw_accuracies(datasets, accuracy)
    draw_tradeoff(datasets, tradeoff)
    with written_whole(gallery) as path:
        path.write_text(write_gallery(runs, datasets), encoding="utf-8")
    print(f"{gallery}: {len(runs)} runs")


if __name__ == "__main__":
    run(main, "plots")
