"""The page that shows every picture of a run of the pipeline."""

from dataclasses import dataclass
from typing import Any

from stages.figures.tradeoff import find_best_under

BUDGETS = (0.1, 1.0, 10.0)  # milliseconds for one image

PICTURES = {  # file: caption
    "confusion.png": "What it takes for what, in percent of each actual class.",
    "confused_pairs.png": "The pairs of classes that it confuses most.",
    "examples.png": "Random test images: what they are, and what it says.",
    "mistakes.png": "Mistakes: those it was surest of, or random ones where it gives no "
    "probabilities.",
    "reliability.png": "Whether it is right as often as it says: on the dashed line it is.",
    "learning_curve.png": "How it learned: where validation loss rises while training loss falls, "
    "it learns its training images by heart.",
    "filters.png": "The filters of its first convolution. The numbers are the weights that "
    "training found.",
    "feature_maps.png": "What each filter makes of a test image: the filter is laid over every "
    "place of the image, multiplied number by number and summed.",
}


@dataclass(frozen=True)
class Run:
    """A run: its block in params.yaml, and its metrics and profile in one dictionary."""

    settings: dict[str, Any]
    scores: dict[str, float]


def pictures_of(run: Run) -> list[str]:
    """The pictures that `plot` draws of a run of this kind."""
    absent = set()
    if "log_loss" not in run.scores:
        absent |= {"reliability.png"}
    if run.settings["framework"] != "keras":
        absent |= {"learning_curve.png"}
    if not run.scores["convolutions"]:
        absent |= {"filters.png", "feature_maps.png"}
    return [name for name in PICTURES if name not in absent]


def write_gallery(runs: dict[str, Run], datasets: dict[str, dict[str, dict[str, float]]]) -> str:
    """The Markdown of plots/README.md."""
    parts = [
        "# Pictures",
        "Made by `dvc repro`; each edit that changes a picture changes it here. Interactive ones: "
        "`dvc plots show`, and `dvc plots diff` for two revisions.",
        "## Which model?",
        "![Accuracy of all runs](accuracy.png)",
        "Accuracy on the test images with 95% intervals.",
        "![Accuracy against latency](tradeoff.png)",
        "Accuracy against the time for one image; the area of a point is the size of the model's "
        "file. No model is better in both than those on the line. Times are of the machine that "
        "ran `profile` last: compare them with each other.",
        budget_table(datasets),
    ]
    for dataset in datasets:
        parts += [
            f"## {dataset}",
            f"![Test images of {dataset} and their nearest training images](audit/{dataset}.png)",
            "Test images (above) and the training images that are nearest to them (below).",
        ]
        for name in sorted(datasets[dataset]):
            parts.append(f"### {name}")
            for file in pictures_of(runs[name]):
                parts += [f"![{name}: {file.removesuffix('.png')}]({name}/pictures/{file})"]
                parts += [PICTURES[file]]
    return "\n\n".join(parts) + "\n"


def budget_table(datasets: dict[str, dict[str, dict[str, float]]]) -> str:
    """The best model of each data set under each limit of time, as Markdown."""
    lines = [
        f"| the best model under | {' | '.join(f'{budget:g} ms' for budget in BUDGETS)} |",
        "| --- |" + " --- |" * len(BUDGETS),
    ]
    for dataset, runs in datasets.items():
        cells = []
        for budget in BUDGETS:
            best = find_best_under(runs, budget)
            cells.append(f"`{best}` {runs[best]['accuracy']:.4f}" if best else "none")
        lines.append(f"| {dataset} | {' | '.join(cells)} |")
    return "\n".join(lines)
