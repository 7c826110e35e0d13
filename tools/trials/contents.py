"""What files and folders contain: for each file its MD5 and bytes, as DVC names it in its cache."""

import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from dvc.repo import Repo

from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write
from tools.store.objects import hash_content, is_intact, list_folder, read_folder


@dataclass(frozen=True)
class File:
    """A file's MD5, which names its object in DVC's cache, and its bytes."""

    md5: str
    size: int
    executable: bool = False


Files = Mapping[str, File]  # of a folder, by their paths in it; a single file has the path ""


def is_here(repo: Repo, files: Files) -> bool:
    """Whether all objects of an output are in DVC's cache; those of trials elsewhere are not."""
    return all(size_of(repo, file.md5) >= 0 for file in files.values())


def select(contents: Mapping[str, Files], path: str) -> Files | None:
    """What `path` contains, which is an output in `contents` or lies in one; None if it is in none.

    Raises:
        InputError: it is in one, which lacks it.
    """
    for out, files in contents.items():
        if path == out:
            return files
        if PurePosixPath(path).is_relative_to(out):
            inner = str(PurePosixPath(path).relative_to(out))
            if inner in files:
                return {"": files[inner]}
            found = {
                name.removeprefix(f"{inner}/"): file
                for name, file in files.items()
                if name.startswith(f"{inner}/")
            }
            if not found:
                raise InputError(f"{out} has no {inner}; dvc.yaml declares it as a dependency")
            return found
    return None


def describe(path: str, files: Files) -> dict[str, Any]:
    """A dependency or output as dvc.lock has it."""
    entry: dict[str, Any] = {"path": path, "hash": "md5"}
    size = sum(file.size for file in files.values())
    if "" in files:
        executable = {"isexec": True} if files[""].executable else {}
        return entry | {"md5": files[""].md5, "size": size} | executable
    name = list_folder({inner: file.md5 for inner, file in files.items()})[0]
    return entry | {"md5": name, "size": size, "nfiles": len(files)}


def keep(repo: Repo, path: Path) -> Files:
    """Moves an output into DVC's cache.

    Raises:
        InputError: it is missing, or is a link or has one.
    """
    files = dict[str, File]()
    for inner, one in find_files(path, path.name):
        file = File(hash_content(one), one.stat().st_size, is_executable(one))
        target = Path(repo.cache.local.oid_to_path(file.md5))
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            move(one, target)
            repo.cache.local.protect(str(target))
        files[inner] = file
    keep_list(repo, files)
    return files


def adopt(repo: Repo, files: Files, folder: Path | None) -> None:
    """Moves the objects of an output into DVC's cache from a folder that has them by their MD5s.

    Without a folder they are elsewhere, and only their list is kept.
    """
    for file in files.values() if folder else ():
        target = Path(repo.cache.local.oid_to_path(file.md5))
        source = Path(folder or "", file.md5)
        if not target.exists() and source.exists():
            target.parent.mkdir(parents=True, exist_ok=True)
            move(source, target)
            repo.cache.local.protect(str(target))
    keep_list(repo, files)


def keep_list(repo: Repo, files: Files) -> None:
    """Writes the list of a folder's files, if it is one, to DVC's cache."""
    if "" in files:
        return
    name, content = list_folder({inner: file.md5 for inner, file in files.items()})
    target = Path(repo.cache.local.oid_to_path(name))
    if not target.exists():
        with atomic_write(target) as partial:
            partial.write_bytes(content)
        repo.cache.local.protect(str(target))


def is_executable(path: Path) -> bool:
    """Whether its owner may run a file."""
    return bool(path.stat().st_mode & 0o100)


def find_files(path: Path, name: str) -> list[tuple[str, Path]]:
    """The files of an output, `name` in messages, in order: their paths in it and where they are.

    Raises:
        InputError: it is missing, or is a link or has one.
    """
    found = sorted(one for one in path.rglob("*") if not one.is_dir()) if path.is_dir() else [path]
    for one in found:
        if one.is_symlink() or not one.is_file():
            raise InputError(f"its command has not written the output {name}")
    return [("" if one == path else one.relative_to(path).as_posix(), one) for one in found]


def move(source: Path, target: Path) -> None:
    """Moves a file, also to another file system, so that `target` is never half-written."""
    try:
        source.replace(target)
    except OSError:
        with atomic_write(target) as partial:
            shutil.copyfile(source, partial)


def read_outputs(repo: Repo, outs: list[dict[str, Any]]) -> dict[str, Files]:
    """What the outputs of an entry of dvc.lock contain, by path.

    Raises:
        InputError: the list of a folder's files is damaged.
    """
    contents = dict[str, Files]()
    for out in outs:
        path, oid = out["path"], out["md5"]
        if not oid.endswith(".dir"):
            contents[path] = {"": File(oid, out.get("size", 0))}
            continue
        listed = read_folder(Path(repo.cache.local.oid_to_path(oid)), path)
        contents[path] = {inner: File(md5, size_of(repo, md5)) for inner, md5 in listed.items()}
    return contents


def size_of(repo: Repo, md5: str) -> int:
    """The bytes of an object in DVC's cache; -1 if it is missing."""
    try:
        return os.stat(repo.cache.local.oid_to_path(md5)).st_size
    except FileNotFoundError:
        return -1


def require_intact(repo: Repo, file: File, name: str, checked: set[str]) -> Path:
    """The path of an object, if it has the content that its name promises; `checked` remembers.

    Raises:
        InputError: it is missing or damaged. A damaged one is removed.
    """
    path = Path(repo.cache.local.oid_to_path(file.md5))
    if file.md5 not in checked:
        if not path.exists():
            raise InputError(f"{name}: {file.md5} is not in DVC's cache; run `make repro`")
        if not is_intact(path, file.md5):
            path.unlink()
            raise InputError(
                f"{name}: {file.md5} in DVC's cache was damaged and is removed; run this again"
            )
        checked.add(file.md5)
    return path
