"""The tables of a review that show runs and classes: before, after, and the test's result."""

import statistics

from tools.revisions.markdown import code, fold, tabulate_cells
from tools.revisions.recorded import read_noise, read_scores
from tools.revisions.revision import Revision, recipe_of
from tools.revisions.significance import LEVEL, Difference
from tools.revisions.verdicts import ADDED, NOT_COMPARABLE, REMOVED, Verdict, judge_difference


def tabulate_runs(before: Revision, after: Revision, verdicts: list[Verdict]) -> str:
    """One row per run and metric, and notes on the columns."""
    rows = []
    for verdict in verdicts:
        if not verdict.metrics:
            scores = [
                f"{read_scores(revision, verdict.run)['accuracy']:.4f}" if there else ""
                for revision, there in (
                    (before, verdict.word != ADDED),
                    (after, verdict.word != REMOVED),
                )
            ]
            reason = f": {verdict.reason}" if verdict.reason else ""
            rows.append([code(verdict.run), "accuracy", *scores, "", "", "", verdict.word + reason])
        if verdict.metrics and verdict.reason:
            rows.append(
                [
                    code(verdict.run),
                    "probability metrics",
                    *[""] * 5,
                    f"{NOT_COMPARABLE}: {verdict.reason}",
                ]
            )
        for metric, difference in verdict.metrics.items():
            rows.append(
                [
                    code(verdict.run),
                    metric,
                    *row_of(difference),
                    judge_difference(metric, difference),
                ]
            )
    header = ["run", "metric", "before", "after", "difference (95% interval)", "discordant"]
    table = tabulate_cells(rows, [*header, "p", "verdict"])
    if not any(verdict.metrics for verdict in verdicts):
        return table
    notes = [
        "Discordant: test images that only one model classifies correctly; lost: right before, "
        "wrong after; gained: the reverse. p: exact McNemar test for accuracy, paired permutation "
        "test for other metrics, with Holm's correction for the number of runs compared; below "
        f"{LEVEL} a difference is significant. The intervals are not corrected.",
        "This compares two trained models. To compare two recipes over several seeds, use "
        "`make noise`.",
        *describe_noise(before, after, [verdict.run for verdict in verdicts if verdict.metrics]),
    ]
    return "\n\n".join([table, *notes])


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
        lines.append(
            f"Seed noise of {code(run)}: {describe_spread(known['accuracy'])}, measured with "
            f"{f'the recipe {recipes[0]} the change' if recipes else 'another recipe'}."
        )
    return lines


def describe_spread(accuracy: list[float]) -> str:
    """Mean and spread of the accuracies of one recipe, one per seed."""
    return (
        f"mean validation accuracy {statistics.mean(accuracy):.4f}, standard deviation "
        f"{statistics.stdev(accuracy):.4f} over {len(accuracy)} seeds "
        f"({min(accuracy):.4f} to {max(accuracy):.4f})"
    )


def row_of(difference: Difference) -> list[str]:
    """Before, after, difference with interval, discordant images, p."""
    gain = difference.after - difference.before
    p = "<0.0001" if difference.p < 0.0001 else f"{difference.p:.4f}"
    return [
        f"{difference.before:.4f}",
        f"{difference.after:.4f}",
        f"{gain:+.4f} ({difference.low:+.4f} to {difference.high:+.4f})",
        f"{difference.lost} lost, {difference.gained} gained",
        p,
    ]


def describe_classes(verdicts: list[Verdict]) -> str:
    """The classes on whose test images the accuracy changed significantly."""
    rows = [
        [code(verdict.run), code(name), *row_of(difference)]
        for verdict in verdicts
        for name, difference in verdict.classes.items()
        if difference.p < LEVEL
    ]
    if not rows:
        return "No class changed significantly." if any(v.classes for v in verdicts) else ""
    header = ["run", "class", "accuracy before", "after", "difference (95% interval)", "discordant"]
    return fold(tabulate_cells(rows, [*header, "p"]), len(rows)) + (
        "\n\np has Holm's correction for the number of classes in all runs compared."
    )
