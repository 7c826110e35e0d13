"""The page that compares all runs and links to the pictures of each."""

from stages.figures.comparison import Datasets
from stages.figures.comparison.tradeoff import find_best_under

NOTHING_HELD_OUT = (
    "None held out: the data set has no validation images, so there is no figure to choose by, and "
    "its picture shows the accuracy on the test images; set its `validation_fraction` in "
    "params.yaml, such as 0.1."
)
BUDGETS = (0.1, 1.0, 10.0, 100.0)  # milliseconds for one image


def write_page(tested: Datasets, held_out: Datasets, processors: list[str]) -> str:
    """The Markdown of plots/README.md, from the metrics and profile of each run.

    `tested` has the metrics on the test images, `held_out` those on the validation images, for the
    data sets that have some. `processors` are the ones on which the runs were profiled.
    """
    parts = [
        "# Pictures",
        "Written by `dvc repro`, again after every edit that changes a picture. Interactive plots: "
        "`dvc plots show`, or `dvc plots diff` for two revisions.",
        "## Which model?",
        "![Accuracy against latency](tradeoff.png)",
        "Accuracy on the validation images against the time per image; the area of a point shows "
        "the size of the model's file. No model beats those on the line in both. Times were "
        f"measured on {' and '.join(processors)}: compare them only with each other.",
        budget_table(tested, held_out),
        *([] if held_out.keys() == tested.keys() else [NOTHING_HELD_OUT]),
        "Whoever chooses by the test images reports a number that is too good.",
        "![Accuracy of all runs](accuracy.png)",
        "Accuracy on the test images with 95% intervals.",
    ]
    for dataset, runs in tested.items():
        parts += [
            f"## {dataset}",
            f"![Test images of {dataset} and their nearest training images](audit/{dataset}.png)",
            "Test images (above) and their nearest training images (below).",
            "All pictures of each run, and its accuracy on the test images:",
            "\n".join(
                f"- [{name}]({name}/pictures/README.md): {describe_accuracy(runs[name])}"
                for name in sorted(runs)
            ),
        ]
    return "\n\n".join(parts) + "\n"


def describe_accuracy(scores: dict[str, float]) -> str:
    """The test accuracy of a run, and that without near duplicates, if there are any."""
    accuracy, count = f"{scores['accuracy']:.4f}", scores["near_duplicates"]
    others = scores.get("accuracy_without_near_duplicates")
    if not count or others is None:
        return accuracy
    return f"{accuracy}, {others:.4f} without the {count:,} near duplicates of training images"


def budget_table(tested: Datasets, held_out: Datasets) -> str:
    """The best model for each data set under each time limit, as a Markdown table."""
    limits = " | ".join(f"{budget:g} ms" for budget in BUDGETS)
    lines = [
        f"| best on the validation images under | {limits} |",
        "| --- |" + " --- |" * len(BUDGETS),
    ]
    for dataset in tested:
        cells = []
        for budget in BUDGETS:
            runs = held_out.get(dataset, {})
            best = find_best_under(runs, budget)
            if best:
                scores = runs[best]["accuracy"], tested[dataset][best]["accuracy"]
                cells.append("`{}` validation {:.4f}, test {:.4f}".format(best, *scores))
            else:
                cells.append("none" if runs else "none held out")
        lines.append(f"| {dataset} | {' | '.join(cells)} |")
    return "\n".join(lines)
