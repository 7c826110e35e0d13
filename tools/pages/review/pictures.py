"""The section of pictures that changed: before and after, as many as the page has room for."""

from collections.abc import Sequence
from pathlib import PurePosixPath
from typing import NamedTuple

from tools.pages.picture import Picture, embed_valid
from tools.revisions.changed_pictures import ChangedPicture
from tools.revisions.revision import Revision

FIRST = ("accuracy", "tradeoff", "confusion", "reliability", "learning_curve")  # to get room


class Pair(NamedTuple):
    """A picture before and after, None where there is none, with what it is in words."""

    path: str
    title: str
    of: str
    before: Picture | None
    after: Picture | None


def pair_pictures(
    changed: Sequence[ChangedPicture], before: Revision, after: Revision, room: int
) -> tuple[list[Pair], list[str]]:
    """The pictures that take at most `room` bytes, and the paths of those that are left out.

    One that is not a PNG file before or after is left out: nobody can mend a commit.
    """
    pictures = embed_valid(
        {
            f"{revision.name}: {one.path}": content
            for one in changed
            for revision, content in ((before, one.before), (after, one.after))
            if content is not None
        }
    )
    pairs = []
    for one in sorted(changed, key=rank):
        old, new = (pictures.get(f"{revision.name}: {one.path}") for revision in (before, after))
        if (one.before is None, one.after is None) != (old is None, new is None):
            continue
        size = sum(len(picture.uri) for picture in (old, new) if picture)
        if size <= room:
            room -= size
            pairs.append(Pair(one.path, *name_picture(one.path), old, new))
    shown = {pair.path for pair in pairs}
    pairs.sort(key=lambda pair: (pair.of, pair.path))
    return pairs, [one.path for one in changed if one.path not in shown]


def rank(picture: ChangedPicture) -> tuple[int, str]:
    """The place of a picture in the order in which pictures get room."""
    name = PurePosixPath(picture.path).stem
    return (FIRST.index(name) if name in FIRST else len(FIRST), picture.path)


def name_picture(path: str) -> tuple[str, str]:
    """What a picture shows, and of what: `plots/RUN/pictures/NAME.png`, `plots/NAME.png`."""
    pure = PurePosixPath(path)
    title = pure.stem.replace("_", " ")
    return title, "all runs" if len(pure.parts) == 2 else pure.parts[1]
