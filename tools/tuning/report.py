"""What a search says: a line for each recipe, and at its end the tables and the verdict."""

from collections.abc import Mapping, Sequence
from statistics import fmean

from tabulate import tabulate

from tools.revisions.significance import find_not_worse, show_p
from tools.tuning.comparison import Comparison
from tools.tuning.rows import COMPLETE, Row, describe_values, find_best, show_values

MOST = 10  # rows of the table of the best

NO_BETTER = "no better than the default"


def describe_trial(row: Row, before: Sequence[Row]) -> str:
    """A line for a recipe that was tried after others: its accuracy, the best so far, its values.

    The accuracy has its standard error.
    """
    best = find_best([*before, row])
    so_far = f"best {best.accuracy:.4f} (trial {best.number})" if best else ""
    result = row.reason if row.accuracy is None else f"{row.accuracy:.4f} ± {row.error:.4f}"
    state = "" if row.state == COMPLETE else row.state
    if row.accuracy is None:
        return f"{row.number:5}  {state}: {describe_values(row.values)}: {result}"
    line = f"{row.number:5}  {result}  {so_far:<25} {describe_values(row.values)}"
    return f"{line} ({row.reason})" if row.reason else line


def describe_best(rows: Sequence[Row]) -> str:
    """A table of the recipes that are not significantly worse than the best, the best first."""
    complete = {row.number: row for row in rows if row.state == COMPLETE}
    as_good = find_not_worse({number: row.right for number, row in complete.items()})
    chosen = [complete[number] for number, is_good in as_good.items() if is_good]
    chosen.sort(key=lambda row: (-(row.accuracy or 0), row.number))
    cells = [
        [row.number, f"{row.accuracy:.4f}", f"{row.error:.4f}", *show_values(row.values).values()]
        for row in chosen[:MOST]
    ]
    header = ["trial", "accuracy", "standard error", *show_values(chosen[0].values)]
    table = tabulate(cells, header, tablefmt="github", disable_numparse=True)
    more = f"\n\nand {len(chosen) - MOST} more" if len(chosen) > MOST else ""
    return (
        f"{len(chosen)} of {len(complete)} recipes are not significantly worse than the best on "
        f"the same {len(chosen[0].right):,} validation images (exact McNemar test, Holm's "
        f"correction):\n\n{table}{more}"
    )


def describe_importances(importances: Mapping[str, float]) -> str:
    """How much of the variance of accuracy each parameter explains."""
    if not importances:
        return "Importance: too few recipes, or all are equally accurate."
    shares = ", ".join(f"{name} {share:.0%}" for name, share in importances.items())
    return f"Importance, of what the parameters explain one by one: {shares}."


def describe_comparison(comparison: Comparison, best: Row) -> str:
    """The default and the best with fresh seeds, and the verdict."""
    cells = [
        [seed, f"{before:.4f}", f"{after:.4f}"]
        for seed, before, after in zip(
            comparison.seeds, comparison.before, comparison.after, strict=True
        )
    ]
    header = ["seed", "default", f"trial {best.number}"]
    table = tabulate(cells, header, tablefmt="github", disable_numparse=True)
    gain = fmean(comparison.after) - fmean(comparison.before)
    verdict = "better than the default" if comparison.is_better else NO_BETTER
    return (
        f"Trained again with fresh seeds, validation accuracy:\n\n{table}\n\n"
        f"Difference {gain:+.4f}; of {comparison.images:,} validation images {comparison.gained} "
        f"are more often right, {comparison.lost} less often; p {show_p(comparison.p)}, "
        f"corrected for the best of {comparison.candidates}: {verdict}."
    )
