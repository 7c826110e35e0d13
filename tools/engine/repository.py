"""The git repository around the project: what DVC needs of it, and what it may lack."""

from pathlib import Path

from stages.runtime.errors import InputError
from tools.engine.programs import attempt, call

HERE = Path()
NO_GIT = "is not a git repository"  # as DVC says it
START = (
    "run `git init && git add -A && git commit -m start` here, e.g. after a download without git"
)


def require_git() -> None:
    """Raises an InputError if this folder is in no git repository."""
    here = Path.cwd()
    if not any((folder / ".git").exists() for folder in (here, *here.parents)):
        raise InputError(f"{here} {NO_GIT}; {START}")


def require_commit() -> None:
    """Raises an InputError if nothing has been committed."""
    require_git()
    if attempt(HERE, "git", "rev-parse", "--verify", "--quiet", "HEAD").returncode:
        raise InputError(
            "there is no commit in this git repository; run `git add -A && git commit -m start`"
        )


def require_all_commits() -> None:
    """Raises an InputError in a shallow clone: DVC loses what an experiment in it gives."""
    require_commit()
    if is_shallow():
        raise InputError(
            "this clone is shallow, and DVC loses the result of an experiment in it; "
            "run `git fetch --unshallow`"
        )


def is_shallow() -> bool:
    """Whether commits are missing: `git clone --depth` leaves them out."""
    return attempt(HERE, "git", "rev-parse", "--is-shallow-repository").stdout.strip() == "true"


def list_edited() -> list[str]:
    """The files in this folder that are not as in the last commit, by paths from git's root."""
    status = ["status", "--porcelain", "-z", "--no-renames", "--", "."]
    return [line[3:] for line in call(HERE, "git", *status).split("\0") if line]


def find_project() -> tuple[Path, Path]:
    """The root of the git repository, and this folder's path in it: it may be a subfolder."""
    require_commit()
    root, place = call(HERE, "git", "rev-parse", "--show-toplevel", "--show-prefix").split("\n")[:2]
    return Path(root), Path(place)


def explain(error: Exception) -> str:
    """What DVC says, with the remedy if there is no git repository."""
    return f"{error}; {START}" if str(error).endswith(NO_GIT) else str(error)
