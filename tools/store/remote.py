"""Takes objects from a DVC remote, and believes it nothing."""

import os
import shutil
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.fs.callbacks import TqdmCallback
from dvc.repo import Repo
from dvc_objects.fs import generic
from tqdm import tqdm

from stages.runtime.errors import InputError
from tools.store.objects import is_intact

THREADS = 16  # that ask the remote at a time
BYTES_PER_FILE = 1000  # at most, in the list of a folder's files


@dataclass(frozen=True)
class Wanted:
    """What an object is for, in messages, and the bytes that it may have."""

    name: str
    size: int


def complete(repo: Repo, wanted: Mapping[str, Wanted], from_remote: bool = True) -> list[str]:
    """Makes DVC's cache have the objects that are `wanted`, by name; returns those that nobody has.

    All are hashed, also those that are there. What is damaged is removed, with a line that says so.

    Raises:
        InputError: the remote has an object with other content. Then no object of it is taken.
    """
    intact, damaged = look_at_cache(repo, wanted)
    for oid in damaged:
        Path(repo.cache.local.oid_to_path(oid)).unlink()
        tqdm.write(f"{wanted[oid].name}: {oid} in DVC's cache was damaged and is removed")
    lacking = {oid: one for oid, one in wanted.items() if oid not in intact}
    if not lacking or not from_remote or not has_remote(repo):
        return list(lacking)
    # In the cache's folder, so that a rename moves them; DVC's lock keeps a second call away.
    waiting = Path(repo.cache.legacy.path, "pull.partial")
    shutil.rmtree(waiting, ignore_errors=True)
    waiting.mkdir(parents=True)
    try:
        found = download(repo, lacking, waiting)
        for oid in tqdm(found, desc="checking", unit="file", leave=False, disable=None):
            if not is_intact(waiting / oid, oid):
                raise InputError(
                    f"{lacking[oid].name}: the remote's {oid} has other content than its name "
                    "says; nothing of it was taken. Somebody has changed it there, or it is "
                    "damaged: remove it there, and push it again from a clone that has it"
                )
        for oid in found:
            target = Path(repo.cache.local.oid_to_path(oid))
            target.parent.mkdir(parents=True, exist_ok=True)
            os.replace(waiting / oid, target)
            repo.cache.local.protect(str(target))
    finally:
        shutil.rmtree(waiting, ignore_errors=True)
    return [oid for oid in lacking if oid not in found]


def look_at_cache(repo: Repo, wanted: Mapping[str, Wanted]) -> tuple[set[str], set[str]]:
    """Those of the objects that DVC's cache has with the right content, and with other content."""
    intact, damaged = set[str](), set[str]()
    paths = {oid: Path(repo.cache.local.oid_to_path(oid)) for oid in wanted}
    total = sum(path.lstat().st_size for path in paths.values() if os.path.lexists(path))
    with tqdm(
        total=total, desc="checking the cache", unit="B", unit_scale=True, leave=False, disable=None
    ) as bar:
        for oid, path in paths.items():
            with suppress(FileNotFoundError):
                (intact if is_intact(path, oid, bar.update) else damaged).add(oid)
    return intact, damaged


def has_remote(repo: Repo) -> bool:
    """Whether a default remote is set."""
    return bool(repo.config["core"].get("remote"))


def open_remote(repo: Repo, hash_name: str = "md5") -> Any:
    """The objects of the default remote, which has answered if it is a bucket.

    Raises:
        InputError: it cannot be used.
    """
    with one_line_errors(repo.config):
        remote = repo.cloud.get_remote_odb(command="pull", hash_name=hash_name)
        require_bucket(remote.fs, remote.path)
    return remote


def require_bucket(fs: Any, path: str) -> None:
    """Asks S3 for the bucket of a path: in one that is missing, all objects seem to be missing.

    Raises:
        FileNotFoundError: it is missing.
    """
    if fs.protocol != "s3":
        return
    bucket = path.partition("/")[0]
    try:
        fs.fs.info(bucket)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no bucket {bucket}") from None


def download(repo: Repo, wanted: Mapping[str, Wanted], folder: Path) -> list[str]:
    """Copies the objects that the default remote has into a folder, and returns their names.

    Raises:
        InputError: one is bigger than it may be, or the remote cannot be read.
    """
    remote = open_remote(repo)

    def measure(oid: str) -> int | None:
        try:
            found: dict[str, Any] = remote.fs.info(remote.oid_to_path(oid))
        except FileNotFoundError:
            return None
        return int(found["size"]) if found["type"] == "file" else None

    with one_line_errors(repo.config):
        with ThreadPoolExecutor(THREADS) as pool:
            sizes = dict(zip(wanted, pool.map(measure, wanted), strict=True))
        found = [oid for oid, size in sizes.items() if size is not None]
        for oid in found:
            if (size := sizes[oid] or 0) > wanted[oid].size:
                raise InputError(
                    f"{wanted[oid].name}: the remote's {oid} has {size:,} bytes; dvc.lock allows "
                    f"{wanted[oid].size:,}; nothing was taken"
                )
        with TqdmCallback(size=len(found), desc="downloading", unit="file") as callback:
            sources = [remote.oid_to_path(oid) for oid in found]
            targets = [str(folder / oid) for oid in found]
            if found:
                generic.copy(remote.fs, sources, repo.cache.local.fs, targets, callback=callback)
    return found


@contextmanager
def one_line_errors(config: Mapping[str, Any]) -> Iterator[None]:
    """Makes an InputError of whatever goes wrong with the remote: each kind has its own errors.

    `config` is DVC's.
    """
    try:
        yield
    except (InputError, DvcException):
        raise
    except Exception as error:
        name = config["core"].get("remote")
        url = str(config["remote"].get(name, {}).get("url"))
        said = str(error) or type(error).__name__
        if url.startswith("s3://"):
            said += '; its settings are in docs/sharing.md, "S3"'
            if isinstance(error, ImportError):
                said = "it needs dvc-s3, which is not installed; run `make setup EXTRA=s3`"
        raise InputError(f"the remote {name} ({url}) cannot be used: {said}") from None
