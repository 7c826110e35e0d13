"""The Markdown of a review."""

from tools.revisions.change_tables import describe_data, describe_parameters, describe_stages
from tools.revisions.looks import list_looks
from tools.revisions.markdown import code
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


def render(
    before: Revision,
    after: Revision,
    verdicts: list[Verdict],
    regressions: list[str],
    warnings: list[str],
    pictures: str,
) -> str:
    """The report: verdict, runs, looks at their test images, what changed, given `pictures`."""
    sections = [
        conclude(before, after, verdicts, regressions, warnings),
        tabulate_runs(before, after, verdicts),
        list_looks(after, [one.run for one in verdicts if one.word not in (SAME, REMOVED)]),
        section("Parameters", describe_parameters(before, after)),
        section("Data", describe_data(before, after)),
        section("Stages", describe_stages(before, after)),
        section("Classes", describe_classes(verdicts)),
        section("Pictures", pictures),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def conclude(
    before: Revision,
    after: Revision,
    verdicts: list[Verdict],
    regressions: list[str],
    warnings: list[str],
) -> str:
    """The overall verdict, the revisions compared, warnings and regressions."""
    words = {verdict.word for verdict in verdicts}
    overall = next((word for word in ORDER if word in words), NO_CHANGE)
    runs = {
        word: ", ".join(code(verdict.run) for verdict in verdicts if verdict.word == word)
        for word in (*ORDER, SAME, ADDED, REMOVED)
    }
    details = [f"{word}: {names}" for word, names in runs.items() if names]
    if words == {SAME}:
        details = ["every run predicts the same as before"]
    lines = [
        f"**{overall.capitalize()}** ({'; '.join(details)})",
        f"Compared: {after.name} with {before.name}.",
        *(f"**{line}**" for line in (*warnings, *regressions)),
    ]
    return "\n\n".join(lines)


def section(title: str, text: str) -> str:
    """A heading and its text, or a note that nothing changed."""
    return f"### {title}\n\n{text or 'No changes.'}"
