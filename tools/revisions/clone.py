"""A temporary clone of a revision, in which its runs can be trained."""

import tempfile
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path

from dvc.repo import Repo

from tools.engine.programs import call
from tools.engine.repository import find_project
from tools.revisions.revision import find_commit


@contextmanager
def in_clone_of(revision: str) -> Iterator[Path]:
    """Works in a clone of a revision that shares DVC's cache; in the workspace without a revision.

    Yields the folder. What is not in git is missing there, but for what DVC's cache has.
    """
    if not revision:
        yield Path.cwd()
        return
    root, place = find_project()
    with Repo() as repo, tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        folder = Path(temporary) / "clone"
        clone = ["git", "clone", "--quiet", "--shared", "--no-checkout"]
        call(Path.cwd(), *clone, root, folder)
        call(folder, "git", "checkout", "--quiet", "--detach", find_commit(revision))
        call(folder / place, "dvc", "cache", "dir", "--local", repo.cache.local_cache_dir)
        with chdir(folder / place):
            yield folder / place
