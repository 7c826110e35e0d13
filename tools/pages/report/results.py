"""The section of results: one table for each data set, a row per run."""

from collections.abc import Mapping

from markupsafe import Markup

from stages.scoring.metrics import METRICS
from tools.pages.picture import Figure, Picture
from tools.pages.report.recorded import Recorded
from tools.pages.table import Cell, Table, count_bytes, to_cell

OTHERS = "accuracy_without_near_duplicates"
SECONDARY = {name: metric for name, metric in METRICS.items() if name != "accuracy"}
COLUMNS = (
    *("run", "validation accuracy", "test accuracy", "without near duplicates"),
    *(f"test {metric.title}" for metric in SECONDARY.values()),
    *("ms per image", "size of file", "test images"),
)

COMPARISON = {  # pictures of all runs
    "plots/tradeoff.png": (
        "Which model?",
        "Accuracy on the validation images against the time for one image; the area of a point is "
        "the size of the model's file. No model beats those on the line in both. Compare the times "
        "only with each other.",
    ),
    "plots/accuracy.png": ("All runs", "Accuracy on the test images with 95% intervals."),
}


def show_comparison(pictures: Mapping[str, Picture]) -> list[Figure]:
    """The pictures of all runs, as far as they are drawn."""
    return [
        Figure(pictures[path], title, f"All runs: {caption}", caption)
        for path, (title, caption) in COMPARISON.items()
        if path in pictures
    ]


def tabulate_results(runs: list[Recorded]) -> list[Table]:
    """A table of the runs that have scores, for each data set."""
    datasets = dict.fromkeys(run.dataset for run in runs if run.scores)
    return [
        Table(
            dataset,
            COLUMNS,
            [to_row(run) for run in runs if run.scores and run.dataset == dataset],
        )
        for dataset in datasets
    ]


def to_row(run: Recorded) -> list[Cell]:
    """The cells of a run."""
    test, size = run.scores["test"], run.profile.get("file_bytes")
    return [
        Cell(run.name.removeprefix(f"{run.dataset}-"), link=f"run-{run.name}"),
        show_accuracy(run.scores.get("validation")),
        show_accuracy(test),
        to_cell(test.get(OTHERS)),
        *(to_cell(test.get(metric), 3) for metric in SECONDARY),
        to_cell(run.profile.get("latency_median_ms")),
        Cell("") if size is None else Cell(count_bytes(size), size),
        to_cell(test["images"], 0),
    ]


def show_accuracy(scores: dict[str, float] | None) -> Cell:
    """The accuracy on a split, with its interval, which is on a second line if there is no room."""
    if scores is None:
        return Cell("none held out")
    accuracy, low, high = (scores[f"accuracy{end}"] for end in ("", "_low", "_high"))
    text = Markup('{:.4f} <span class="interval">({:.3f} to {:.3f})</span>').format(
        accuracy, low, high
    )
    return Cell(text, accuracy)
