"""The pictures that changed between two revisions: before and after, side by side."""

from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

from stages.runtime.inputs import reading
from tools.revisions.markdown import code_in_html, show_shapeless, write_text
from tools.revisions.recorded import COMMIT
from tools.revisions.revision import Revision


class ChangedPicture(NamedTuple):
    """The path of a picture and its bytes before and after, None where there is none."""

    path: str
    before: bytes | None
    after: bytes | None


def find_changed(before: Revision, after: Revision) -> list[ChangedPicture]:
    """Every picture under plots/ that changed."""
    old, new = (read_pictures(revision) for revision in (before, after))
    return [
        ChangedPicture(path, old.get(path), new.get(path))
        for path in sorted(old.keys() | new.keys())
        if old.get(path) != new.get(path)
    ]


def show_pictures(
    changed: list[ChangedPicture], before: Revision, after: Revision, folder: Path, url: str
) -> str:
    """A Markdown table for every picture that changed.

    Without `url`, the pictures are copied to `folder`/before and `folder`/after. With it, they are
    linked as `url`/COMMIT/PATH; those of the workspace, which has no commit, are still copied.
    """
    tables = []
    for path, old, new in changed:
        cells, title = [], write_text(show_shapeless(path)).replace("|", "\\|")
        for name, revision, content in (("before", before, old), ("after", after, new)):
            if content is None:
                cells.append("none")
                continue
            place = name
            if url and revision.commit:
                place = f"{url}/{revision.commit}"
            else:
                (folder / name / path).parent.mkdir(parents=True, exist_ok=True)
                (folder / name / path).write_bytes(content)
            cells.append(f"![{title} {name}]({place}/{quote(path)})")
        tables.append(
            f"<details><summary>{code_in_html(path)}</summary>\n\n"
            "| before | after |\n| --- | --- |\n"
            f"| {' | '.join(cells)} |\n\n</details>"
        )
    return "\n\n".join(tables)


def read_pictures(revision: Revision) -> dict[str, bytes]:
    """The bytes of every picture under plots/, by its path."""
    pictures = {}
    for path in revision.files.find("plots"):
        if path.endswith(".png") and revision.files.isfile(path):  # no pipe or device
            with reading(f"{revision.name}: {path}", "picture", COMMIT):
                pictures[path] = revision.files.read_bytes(path)
    return pictures
