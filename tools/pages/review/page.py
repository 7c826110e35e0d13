"""A review as one page that loads nothing."""

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from markupsafe import Markup

from tools.pages.page import write_page
from tools.pages.review.images import describe_images
from tools.pages.review.pictures import pair_pictures
from tools.pages.table import Cell, Table, show_code
from tools.revisions.changed_pictures import ChangedPicture
from tools.revisions.markdown import LONG, code
from tools.revisions.parts import Lines, Part, Rows
from tools.revisions.report import UNCHANGED, Report
from tools.revisions.revision import Revision
from tools.revisions.verdicts import BETTER, NOT_COMPARABLE, WORSE, Verdict

LARGEST = 5_000_000  # bytes of the page
TEXT = 500_000  # bytes of it for tables and texts
KINDS = {WORSE: "worse", BETTER: "better", NOT_COMPARABLE: "unknown"}  # of a verdict, for its color


def write_review(
    out: Path,
    report: Report,
    before: Revision,
    after: Revision,
    verdicts: Sequence[Verdict],
    changed: Sequence[ChangedPicture],
) -> None:
    """Writes the report with the test images and the pictures that changed."""
    runs = describe_images(before, after, verdicts)
    shown = [one.picture for run in runs for group in run.groups for one in group.images]
    room = LARGEST - TEXT - sum(len(picture.uri) for picture in shown if picture)
    pairs, left_out = pair_pictures(changed, before, after, room)
    links = {code(run.run): f"images-{run.run}" for run in runs}
    write_page(
        "review/review.html.j2",
        out,
        report=report,
        kind=KINDS.get(report.overall, ""),
        runs=[to_content("Runs", part, links) for part in (*report.runs, *report.looks)],
        changes={
            title: [to_content(title, part, {}) for part in parts]
            for title, parts in report.changes.items()
        },
        unchanged=UNCHANGED,
        long=LONG,
        images=runs,
        pictures={of: list(group) for of, group in groupby(pairs, lambda pair: pair.of)},
        left_out=left_out,
    )


def to_content(title: str, part: Part, links: dict[str, str]) -> str | Lines | Table:
    """What the templates show: a table has a title, the runs in it links, and verdicts a color."""
    if not isinstance(part, Rows):
        return part
    rows = [
        [
            Cell(
                mark_verdict(text) if column == "verdict" else show_code(text),
                link=links.get(text, ""),
            )
            for column, text in zip(part.header, row, strict=True)
        ]
        for row in part.rows
    ]
    return Table(title, part.header, rows)


def mark_verdict(text: str) -> Markup:
    """A verdict, perhaps with a reason, in its color."""
    kind = KINDS.get(text.partition(":")[0], "")
    return Markup('<span class="mark {}">{}</span>').format(kind, show_code(text))
