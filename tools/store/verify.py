"""Hashes all that dvc.lock names, whatever times and sizes say, and mends what is wrong."""

import os
from collections.abc import Iterable
from pathlib import Path

from dvc.repo import Repo
from dvc_data.hashfile.hash_info import HashInfo
from dvc_data.hashfile.tree import Tree
from tqdm import tqdm

from stages.runtime.files import remove
from tools.store.bring import complete_outputs
from tools.store.objects import hash_content, is_intact, read_folder
from tools.store.outputs import Output, require_no_links
from tools.store.remote import Wanted, look_at_cache


def find_changed(repo: Repo, outputs: Iterable[Output]) -> list[Output]:
    """The outputs in the workspace with other content than dvc.lock says; not those missing."""
    root = Path(repo.root_dir)
    there = [one for one in outputs if os.path.lexists(root / one.path)]
    total = sum(one.size for one in there)
    with tqdm(
        total=total, desc="checking", unit="B", unit_scale=True, leave=False, disable=None
    ) as bar:
        return [one for one in there if hash_output(root / one.path, bar) != one.oid]


def hash_output(path: Path, bar: tqdm) -> str:  # type: ignore[type-arg]
    """What dvc.lock would say of a file or folder with this content."""
    if not path.is_dir():
        return hash_content(path, bar.update)
    tree = Tree()  # type: ignore[no-untyped-call]
    for file in path.rglob("*"):
        if not file.is_dir():
            key = file.relative_to(path).parts
            tree.add(key, None, HashInfo("md5", hash_content(file, bar.update)))
    tree.digest()
    return str(tree.oid)


def find_damaged(repo: Repo, outputs: Iterable[Output]) -> list[Output]:
    """The outputs of which DVC's cache has an object with other content than its name says."""
    objects: dict[str, Output] = {}
    for one in outputs:
        path = Path(repo.cache.local.oid_to_path(one.oid))
        if one.in_cache and path.exists():
            objects[one.oid] = one
            if one.files is not None and is_intact(path, one.oid):
                files = read_folder(path, str(one.path)).values()
                objects |= dict.fromkeys(files, one)
    wanted = {oid: Wanted(str(one.path), one.size) for oid, one in objects.items()}
    _, damaged = look_at_cache(repo, wanted)
    return list(dict.fromkeys(objects[oid] for oid in damaged))


def mend(repo: Repo, outputs: list[Output], changed: list[Output]) -> list[Output]:
    """Mends the cache and the outputs that have `changed`; returns those that must be made again.

    What the cache lacks comes from the remote, or from the workspace if it is right there. What
    must be made again is removed.
    """
    root = Path(repo.root_dir)
    kept = [one for one in outputs if one.in_cache]
    for one in kept:
        require_no_links(repo, one)
    lost = find_lost(repo, kept)
    right = {str(root / one.path) for one in lost if one not in changed}
    for out in repo.index.outs:
        if out.fs_path in right and out.exists:
            out.save()
            out.commit()
    lost = find_lost(repo, lost)
    for one in changed:
        remove(root / one.path)
    again = [one for one in changed if one in lost or not one.in_cache]
    if whole := [str(one.path) for one in changed if one not in again]:
        repo.drop_data_index()
        repo.checkout(whole)
    return again


def find_lost(repo: Repo, outputs: list[Output]) -> list[Output]:
    """Those of the outputs whose content neither DVC's cache nor the remote has."""
    return [one for one, content in complete_outputs(repo, outputs).items() if content is None]
