"""What a review reports, and its Markdown."""

from collections.abc import Sequence
from typing import NamedTuple

from tools.revisions.change_tables import describe_data, describe_parameters, describe_stages
from tools.revisions.looks import list_looks
from tools.revisions.markdown import code, write_part, write_text
from tools.revisions.parts import Part
from tools.revisions.revision import Revision
from tools.revisions.run_tables import describe_classes, tabulate_runs
from tools.revisions.verdicts import (
    ADDED,
    BETTER,
    NO_CHANGE,
    NOT_COMPARABLE,
    REMOVED,
    SAME,
    WORSE,
    Verdict,
)

# The overall verdict is the first of these that any run has.
ORDER = (WORSE, NOT_COMPARABLE, BETTER, NO_CHANGE)
UNCHANGED = "No changes."


class Report(NamedTuple):
    """What a review says but for its pictures.

    `overall` is the verdict on all runs, one of the words of `verdicts`, and `details` has the runs
    of each; `alerts` are warnings and regressions. `changes` are sections, empty where nothing
    changed, by their titles.
    """

    compared: str
    overall: str
    details: list[str]
    alerts: list[str]
    runs: list[Part]
    looks: list[Part]
    changes: dict[str, list[Part]]


def describe_review(
    before: Revision, after: Revision, verdicts: list[Verdict], alerts: list[str]
) -> Report:
    """The verdict on all runs, their table, the looks at their test images, and what changed."""
    words = {verdict.word for verdict in verdicts}
    runs = {
        word: ", ".join(code(verdict.run) for verdict in verdicts if verdict.word == word)
        for word in (*ORDER, SAME, ADDED, REMOVED)
    }
    details = [f"{word}: {names}" for word, names in runs.items() if names]
    return Report(
        compared=f"Compared: {after.name} with {before.name}.",
        overall=next((word for word in ORDER if word in words), NO_CHANGE),
        details=["every run predicts the same as before"] if words == {SAME} else details,
        alerts=alerts,
        runs=tabulate_runs(before, after, verdicts),
        looks=list_looks(after, [one.run for one in verdicts if one.word not in (SAME, REMOVED)]),
        changes={
            "Parameters": describe_parameters(before, after),
            "Data": describe_data(before, after),
            "Stages": describe_stages(before, after),
            "Classes": describe_classes(verdicts),
        },
    )


def to_markdown(report: Report, pictures: str) -> str:
    """The report in Markdown, with the given tables of `pictures`."""
    paragraphs = [
        f"**{report.overall.capitalize()}** ({write_text('; '.join(report.details))})",
        write_text(report.compared),
        *(f"**{write_text(line)}**" for line in report.alerts),
        *map(write_part, report.runs),
        *map(write_part, report.looks),
    ]
    for title, parts in report.changes.items():
        paragraphs += write_section(title, [write_part(part) for part in parts])
    paragraphs += write_section("Pictures", [pictures] if pictures else [])
    return "\n\n".join(paragraphs) + "\n"


def write_section(title: str, paragraphs: Sequence[str]) -> list[str]:
    """A heading and its paragraphs, or a note that nothing changed."""
    return [f"### {title}", *(paragraphs or [UNCHANGED])]
