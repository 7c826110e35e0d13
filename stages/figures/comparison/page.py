"""The page that compares all runs and links to the pictures of each."""

from stages.figures.comparison import Datasets
from stages.figures.comparison.tradeoff import find_best_under

BUDGETS = (0.1, 1.0, 10.0)  # milliseconds for one image


def write_page(datasets: Datasets, processors: list[str]) -> str:
    """The Markdown of plots/README.md, from the metrics and profile of each run.

    `processors` are the ones on which the runs were profiled.
    """
    parts = [
        "# Pictures",
        "Written by `dvc repro`, again after every edit that changes a picture. Interactive plots: "
        "`dvc plots show`, or `dvc plots diff` for two revisions.",
        "## Which model?",
        "![Accuracy of all runs](accuracy.png)",
        "Accuracy on the test images with 95% intervals.",
        "![Accuracy against latency](tradeoff.png)",
        "Accuracy against the time per image; the area of a point shows the size of the model's "
        "file. No model beats those on the line in both. Times were measured on "
        f"{' and '.join(processors)}: compare them only with each other.",
        budget_table(datasets),
    ]
    for dataset, runs in datasets.items():
        parts += [
            f"## {dataset}",
            f"![Test images of {dataset} and their nearest training images](audit/{dataset}.png)",
            "Test images (above) and their nearest training images (below).",
            "All pictures of each run, and its accuracy:",
            "\n".join(
                f"- [{name}]({name}/pictures/README.md): {describe_accuracy(runs[name])}"
                for name in sorted(runs)
            ),
        ]
    return "\n\n".join(parts) + "\n"


def describe_accuracy(scores: dict[str, float]) -> str:
    """The accuracy of a run, and that without near duplicates, if there are any."""
    accuracy, count = f"{scores['accuracy']:.4f}", scores["near_duplicates"]
    others = scores.get("accuracy_without_near_duplicates")
    if not count or others is None:
        return accuracy
    return f"{accuracy}, {others:.4f} without the {count:,} near duplicates of training images"


def budget_table(datasets: Datasets) -> str:
    """The best model for each data set under each time limit, as a Markdown table."""
    lines = [
        f"| best model under | {' | '.join(f'{budget:g} ms' for budget in BUDGETS)} |",
        "| --- |" + " --- |" * len(BUDGETS),
    ]
    for dataset, runs in datasets.items():
        cells = []
        for budget in BUDGETS:
            best = find_best_under(runs, budget)
            cells.append(f"`{best}` {runs[best]['accuracy']:.4f}" if best else "none")
        lines.append(f"| {dataset} | {' | '.join(cells)} |")
    return "\n".join(lines)
