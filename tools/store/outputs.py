"""The outputs that dvc.lock names."""

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from stages.runtime.errors import InputError


@dataclass(frozen=True)
class Output:
    """A file or folder that a stage writes.

    `oid` names its content, `size` is in bytes, and `files` their number, None for a single file.
    """

    path: Path
    stage: str
    oid: str
    size: int
    files: int | None
    in_cache: bool  # else in git


def read_outputs(repo: Repo, paths: Iterable[Path] = ()) -> list[Output]:
    """All outputs that the lock files name, or those at and below `paths`.

    Raises:
        InputError: there is none at one of `paths`.
    """
    known = (out for out in repo.index.outs if out.hash_info and out.is_in_repo)
    outputs = [describe(repo, out) for out in known]
    wanted = [Path(os.path.normpath(path)) for path in paths]
    for path in wanted:
        if not any(one.path.is_relative_to(path) for one in outputs):
            raise InputError(f"{path}: dvc.lock names no such output; `dvc dag --outs` lists them")
    return [one for one in outputs if not wanted or any(one.path.is_relative_to(p) for p in wanted)]


def describe(repo: Repo, out: Any) -> Output:
    """One of DVC's outputs."""
    return Output(
        path=Path(os.path.relpath(out.fs_path, repo.root_dir)),
        stage=out.stage.addressing,
        oid=out.hash_info.value,
        size=out.meta.size or 0,
        files=(out.meta.nfiles or 0) if out.hash_info.isdir else None,
        in_cache=out.use_cache,
    )


def require_no_links(repo: Repo, output: Output) -> None:
    """Raises InputError if writing an output would follow a link to elsewhere.

    DVC's own links lead into its cache.
    """
    root, cache = Path(repo.root_dir), Path(repo.cache.local.path).resolve()
    path = root / output.path
    below = path.rglob("*") if path.is_dir() else ()
    for one in (*path.parents, path, *below):
        if root in one.parents and one.is_symlink() and cache not in one.resolve().parents:
            raise InputError(
                f"{one.relative_to(root)} is a link to {os.readlink(one)}, outside of DVC's cache; "
                "remove it and run this again"
            )
