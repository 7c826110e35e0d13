"""The Markdown of a review."""

import statistics
from typing import Any

from dvc.repo import Repo
from tabulate import tabulate

from tools.revisions.lock_changes import FEW, explain, show
from tools.revisions.revision import Revision, read_audit, read_noise, read_scores, recipe_of
from tools.revisions.significance import LEVEL, Difference
from tools.revisions.verdicts import (
    ADDED,
    BETTER,
    NO_REAL_CHANGE,
    NOT_COMPARABLE,
    REMOVED,
    SAME,
    WORSE,
    Verdict,
    judge_difference,
)

# Overall, the first of these that any run has.
ORDER = (WORSE, NOT_COMPARABLE, BETTER, NO_REAL_CHANGE)
SPLITS = ("train", "validation", "test")
LONG = 12  # rows; a longer table is folded


def render(
    before: Revision,
    after: Revision,
    verdicts: list[Verdict],
    objections: list[str],
    warnings: list[str],
    pictures: str,
) -> str:
    """The report: verdict, runs, parameters, data, stages, classes, and the given `pictures`."""
    sections = [
        conclude(before, after, verdicts, objections, warnings),
        tabulate_runs(before, after, verdicts),
        section("Parameters", describe_parameters(before, after)),
        section("Data", describe_data(before, after)),
        section("Stages", describe_stages(before, after)),
        section("Classes", describe_classes(verdicts)),
        section("Pictures", pictures),
    ]
    return "\n\n".join(sections) + "\n"


def conclude(
    before: Revision,
    after: Revision,
    verdicts: list[Verdict],
    objections: list[str],
    warnings: list[str],
) -> str:
    """The verdict line, what was compared with what, and what there is to object to."""
    words = {verdict.word for verdict in verdicts}
    overall = next((word for word in ORDER if word in words), NO_REAL_CHANGE)
    runs = {
        word: ", ".join(f"`{verdict.run}`" for verdict in verdicts if verdict.word == word)
        for word in (*ORDER, SAME, ADDED, REMOVED)
    }
    details = [f"{word}: {names}" for word, names in runs.items() if names]
    if words == {SAME}:
        details = ["every run predicts the same as before"]
    lines = [
        f"**{overall.capitalize()}** ({'; '.join(details)})",
        f"Compared: {after.name} with {before.name}.",
        *(f"**{line}**" for line in (*warnings, *objections)),
    ]
    return "\n\n".join(lines)


def tabulate_runs(before: Revision, after: Revision, verdicts: list[Verdict]) -> str:
    """A row a run and metric, with what the columns mean."""
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
            rows.append(
                [f"`{verdict.run}`", "accuracy", *scores, "", "", "", verdict.word + reason]
            )
        if verdict.metrics and verdict.reason:
            rows.append(
                [
                    f"`{verdict.run}`",
                    "by probability",
                    *[""] * 5,
                    f"{NOT_COMPARABLE}: {verdict.reason}",
                ]
            )
        for metric, difference in verdict.metrics.items():
            rows.append(
                [
                    f"`{verdict.run}`",
                    metric,
                    *row_of(difference),
                    judge_difference(metric, difference),
                ]
            )
    header = ["run", "metric", "before", "after", "difference (95% interval)", "discordant"]
    table = markdown(rows, [*header, "p", "verdict"])
    if not any(verdict.metrics for verdict in verdicts):
        return table
    notes = [
        "Discordant: test images right before and wrong after, and the other way round. p: the "
        "exact McNemar test for accuracy, a paired permutation test for other metrics, corrected "
        f"over the runs compared (Holm); below {LEVEL} a difference is real. The intervals are not "
        "corrected.",
        "This compares two trained models. Whether a recipe is better than another, whatever the "
        "seed, `make noise` tells.",
        *describe_noise(before, after, [verdict.run for verdict in verdicts if verdict.metrics]),
    ]
    return "\n\n".join([table, *notes])


def describe_noise(before: Revision, after: Revision, runs: list[str]) -> list[str]:
    """For each run whose spread over seeds is known, a sentence that quotes it."""
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
            f"Seed noise of `{run}`: {describe_spread(known['accuracy'])}, measured with "
            f"{f'the recipe {recipes[0]}' if recipes else 'another recipe'}."
        )
    return lines


def describe_spread(accuracy: list[float]) -> str:
    """Mean and spread of the accuracies of one recipe, a seed each."""
    return (
        f"accuracy {statistics.mean(accuracy):.4f} on average, standard deviation "
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


def describe_parameters(before: Revision, after: Revision) -> str:
    """What DVC's own diff of parameters finds, a row a value."""
    with Repo() as repo:
        diff = repo.params.diff(
            a_rev=before.commit, b_rev=after.commit or "workspace", deps_only=False
        ).get("diff", {})
    rows = [
        [f"`{path}`", f"`{name}`", show(change, "old"), show(change, "new")]
        for path, changes in sorted(diff.items())
        for name, change in sorted(changes.items())
    ]
    return fold(markdown(rows, ["file", "parameter", "before", "after"]), len(rows))


def describe_data(before: Revision, after: Revision) -> str:
    """Class names, counts and hashes of the splits that changed."""
    old, new = (revision.parameters["data"] for revision in (before, after))
    lines, rows = [], []
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            lines.append(f"`{name}` is {'new' if name in new else 'removed'}.")
            continue
        pairs = zip(old[name]["classes"], new[name]["classes"], strict=False)
        renamed = [f"{a} → {b}" for a, b in pairs if a != b]
        if renamed:
            lines.append(f"Classes of `{name}` renamed: {', '.join(renamed)}.")
        audits = [read_audit(revision, name) for revision in (before, after)]
        for split in SPLITS:
            counts = [audit[split] for audit in audits]
            hashes = [count.get("sha256", "")[:8] for count in counts]
            if hashes[0] != hashes[1] or counts[0]["images"] != counts[1]["images"]:
                numbers = [f"{count['images']:,}" for count in counts]
                rows.append([f"`{name}`", split, *numbers, *(h and f"`{h}`" for h in hashes)])
    header = ["data set", "split", "images before", "after", "SHA-256 before", "after"]
    if rows:
        lines.append(markdown(rows, header))
    return "\n\n".join(lines)


def describe_stages(before: Revision, after: Revision) -> str:
    """Which stages ran again, why, and whether something else came out."""
    alike: dict[tuple[str, str], list[str]] = {}
    for name, reasons in explain(before.stages, after.stages).items():
        upstream = [f"`{stage}`" for stage in dict.fromkeys(reasons.upstream)]
        if len(upstream) > FEW:
            upstream = [f"{len(upstream)} stages before it"]
        why = ", ".join(reasons.edits + upstream) or "nothing that it declares"
        outputs = "other" if reasons.other_outputs else "the same"
        alike.setdefault((why, outputs), []).append(f"`{name}`")
    lines = [
        f"- {', '.join(names)}: {outputs} outputs, because of {why}"
        for (why, outputs), names in alike.items()
    ]
    gone = [f"`{name}`" for name in before.stages if name not in after.stages]
    if gone:
        lines.append(f"- {', '.join(gone)}: no more there")
    return "\n".join(lines)


def describe_classes(verdicts: list[Verdict]) -> str:
    """The classes on whose test images the accuracy really changed."""
    rows = [
        [f"`{verdict.run}`", name, *row_of(difference)]
        for verdict in verdicts
        for name, difference in verdict.classes.items()
        if difference.p < LEVEL
    ]
    if not rows:
        return "None stands out." if any(verdict.classes for verdict in verdicts) else ""
    header = ["run", "class", "accuracy before", "after", "difference (95% interval)", "discordant"]
    return fold(markdown(rows, [*header, "p"]), len(rows)) + (
        "\n\np is corrected over all classes of the runs compared."
    )


def section(title: str, text: str) -> str:
    """A heading and its text, or that there is nothing to say."""
    return f"### {title}\n\n{text or 'No change.'}"


def fold(table: str, rows: int) -> str:
    """A long table, to be opened by a click."""
    if rows <= LONG:
        return table
    return f"<details><summary>{rows} rows</summary>\n\n{table}\n\n</details>"


def markdown(rows: list[list[Any]], header: list[str]) -> str:
    """A Markdown table, its values as they are; nothing where there are no rows."""
    if not rows:
        return ""
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in row] for row in rows]
    return tabulate(cells, header, tablefmt="github", disable_numparse=True)
