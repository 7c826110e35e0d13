"""The tables of a review that show runs and classes: before, after, and the test's result."""

import statistics

from tools.revisions.markdown import code
from tools.revisions.parts import Part, Rows
from tools.revisions.recorded import read_noise, read_scores
from tools.revisions.revision import Revision, recipe_of
from tools.revisions.significance import LEVEL, Difference, show_p
from tools.revisions.verdicts import NOT_COMPARABLE, Verdict, judge_difference

VALIDATION = (
    "Validation: the metric on the images held out, before → after: the one to choose by. It is "
    "none where no images are held out, so there is no figure to choose by, or the revision did "
    "not score them. All other columns are about the test images."
)

Splits = dict[str, dict[str, float]]  # the metrics of a run, by split


def tabulate_runs(before: Revision, after: Revision, verdicts: list[Verdict]) -> list[Part]:
    """One row per run and metric, and notes on the columns."""
    rows = []
    for verdict in verdicts:
        name, said = code(verdict.run), f"{verdict.word}: {verdict.reason}"
        scores = [
            read_scores(revision, verdict.run) if verdict.run in revision.runs else None
            for revision in (before, after)
        ]
        if not verdict.metrics:
            test = [f"{one['test']['accuracy']:.4f}" if one else "" for one in scores]
            cells = [describe_validation(scores, "accuracy"), *test, "", "", ""]
            rows.append([name, "accuracy", *cells, said if verdict.reason else verdict.word])
        elif verdict.reason:
            said = f"{NOT_COMPARABLE}: {verdict.reason}"
            rows.append([name, "probability metrics", *[""] * 6, said])
        for metric, difference in verdict.metrics.items():
            cells = [describe_validation(scores, metric), *row_of(difference)]
            rows.append([name, metric, *cells, judge_difference(metric, difference)])
    header = ["run", "metric", "validation", "test before", "test after"]
    header += ["difference (95% interval)", "discordant", "p", "verdict"]
    table: list[Part] = [Rows(header, rows), VALIDATION]
    if not any(verdict.metrics for verdict in verdicts):
        return table
    return [
        *table,
        "Discordant: test images that only one model classifies correctly; lost: right before, "
        "wrong after; gained: the reverse. p: exact McNemar test for accuracy, paired permutation "
        "test for other metrics, with Holm's correction for the number of runs compared; below "
        f"{LEVEL} a difference is significant. The intervals are not corrected.",
        "This compares two trained models. To compare two recipes over several seeds, use "
        "`make noise`.",
        *describe_noise(before, after, [verdict.run for verdict in verdicts if verdict.metrics]),
    ]


def describe_validation(scores: list[Splits | None], metric: str) -> str:
    """A metric on the validation images, before → after; only one if the run is new or removed."""
    values = [one.get("validation", {}).get(metric) for one in scores if one is not None]
    return " → ".join("none" if value is None else f"{value:.4f}" for value in values)


def describe_noise(before: Revision, after: Revision, runs: list[str]) -> list[str]:
    """One sentence for each run whose spread over seeds was measured."""
    lines = []
    for run in runs:
        known = read_noise(after, run) or read_noise(before, run)
        if known is None:
            continue
        recipes = [
            word
            for word, revision in (("before", before), ("after", after))
            if recipe_of(revision, run) == known["recipe"]
        ]
        split = "validation" if "validation_accuracy" in known else "test"
        spread = describe_spread(split, known.get("validation_accuracy") or known["accuracy"])
        lines.append(
            f"Seed noise of {code(run)}: {spread}, measured with "
            f"{f'the recipe {recipes[0]} the change' if recipes else 'another recipe'}."
        )
    return lines


def describe_spread(split: str, accuracy: list[float]) -> str:
    """Mean and spread of the accuracies of one recipe on a split, one per seed."""
    return (
        f"mean {split} accuracy {statistics.mean(accuracy):.4f}, standard deviation "
        f"{statistics.stdev(accuracy):.4f} over {len(accuracy)} seeds "
        f"({min(accuracy):.4f} to {max(accuracy):.4f})"
    )


def row_of(difference: Difference) -> list[str]:
    """Before, after, difference with interval, discordant images, p."""
    gain = difference.after - difference.before
    return [
        f"{difference.before:.4f}",
        f"{difference.after:.4f}",
        f"{gain:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})",
        f"{difference.lost} lost, {difference.gained} gained",
        show_p(difference.p),
    ]


def describe_classes(verdicts: list[Verdict]) -> list[Part]:
    """The classes on whose test images the accuracy changed significantly."""
    rows = [
        [code(verdict.run), code(name), *row_of(difference)]
        for verdict in verdicts
        for name, difference in verdict.classes.items()
        if difference.p < LEVEL
    ]
    if not rows:
        return ["No class changed significantly."] if any(v.classes for v in verdicts) else []
    header = [
        "run",
        "class",
        "test accuracy before",
        "after",
        "difference (95% interval)",
        "discordant",
    ]
    return [
        Rows([*header, "p"], rows, folds=True),
        "p has Holm's correction for the number of classes in all runs compared.",
    ]
