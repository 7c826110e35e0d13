"""Reviews what a change did to every run, and whether it is more than noise.

.venv/bin/python -m tools.review BASE [HEAD]
"""

import os
from pathlib import Path
from typing import Annotated

from stages.runtime.command import run

import typer

from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write
from stages.runtime.text import cut
from tools.engine.plan import open_repository
from tools.pages.review.page import write_review
from tools.revisions.changed_pictures import find_changed, show_pictures
from tools.revisions.markdown import code
from tools.revisions.regressions import find_regressions, judge_revisions
from tools.revisions.report import describe_review, to_markdown
from tools.revisions.revision import open_revision

GOT_WORSE = 3  # the exit code
WRITTEN = {"report.md", "report.html", "before", "after"}  # into OUT


def main(
    base: Annotated[str, typer.Argument(help="branch, tag, commit or experiment to compare with")],
    head: Annotated[
        str, typer.Argument(help="the revision to review, same kinds; default: the workspace")
    ] = "",
    out: Annotated[Path, typer.Option(help="folder for the report and its pictures")] = Path(
        "review"
    ),
    pictures_url: Annotated[
        str, typer.Option(help="link pictures as URL/COMMIT/PATH; default: copy them to OUT")
    ] = "",
    html: Annotated[bool, typer.Option(help="also write OUT/report.html, one page")] = False,
) -> None:
    """Prints a Markdown report that compares HEAD with BASE, and writes it to OUT/report.md.

    With `html` also as a page that needs no other file, and shows the test images that changed.

    Exits with 3 if a run got significantly worse by more than `review.tolerance` in params.yaml
    allows, and with 2 if BASE or HEAD cannot be read.

    Raises:
        InputError: OUT has files that no review has written: it replaces the folder.
    """
    require_replaceable(out)
    with open_revision(base) as before, open_revision(head) as after:
        verdicts, tolerance = judge_revisions(before, after)
        regressions = list(find_regressions(verdicts, tolerance))
        warnings = [] if head else find_stale()
        with atomic_write(out) as folder:
            folder.mkdir()
            report = describe_review(before, after, verdicts, [*warnings, *regressions])
            changed = find_changed(before, after)
            pictures = show_pictures(changed, before, after, folder, pictures_url)
            text = to_markdown(report, pictures)
            (folder / "report.md").write_text(text, encoding="utf-8")
            if html:
                write_review(folder / "report.html", report, before, after, verdicts, changed)
    typer.echo(text)
    page = f"; as one page: {out}/report.html" if html else ""
    typer.echo(f"With pictures: {out}/report.md{page}", err=True)
    if regressions:
        typer.echo("\n".join(f"review: {line}" for line in regressions), err=True)
        raise typer.Exit(GOT_WORSE)


def require_replaceable(out: Path) -> None:
    """Raises an InputError if there is something that is not the folder of an earlier review."""
    names = {path.name for path in out.iterdir()} if out.is_dir() else {out.name}
    if os.path.lexists(out) and (others := sorted(names - WRITTEN)):
        raise InputError(
            f"{out}: it has {cut(others, 3)}, which no review has written, and would be replaced; "
            "choose a new folder as --out"
        )


def find_stale() -> list[str]:
    """A warning if an edit in the workspace has not been reproduced; a missing file is no edit."""
    with open_repository() as repo:
        status = repo.status(targets=["dvc.yaml"])
    stale = [
        name
        for name, changes in status.items()
        for change in changes
        if isinstance(change, str)
        or any(
            state != "deleted"
            for states in change.values()
            for state in (states.values() if isinstance(states, dict) else [states])
        )
    ]
    if not stale:
        return []
    names = ", ".join(code(name) for name in dict.fromkeys(stale))
    return [f"`dvc repro` has not run since the inputs of {names} changed"]


if __name__ == "__main__":
    run(main, "pipeline", "pictures")
