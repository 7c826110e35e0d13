"""How DVC processes tell each other which files they use: `.dvc/tmp/rwlock`."""

import json
import os
import sys
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import psutil
from dvc.dependency import RepoDependency
from dvc.dependency.db import AbstractDependency
from dvc.lock import make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK, _check_blockers

from stages.runtime.files import atomic_write, write_json
from stages.runtime.starter import is_alive

CLOCKS_APART = 2.0  # seconds, by which the times of a process and of a file may differ


def claim(repo: Repo, stages: Iterable[Any]) -> None:
    """Tells other DVC processes what this one reads and writes: what `stages` declare, no more.

    Removes the claims of processes that have ended, even if they are zombies. If a kill has cut the
    file off, which DVC writes in place, nobody can read it: all claims in it go.

    Raises:
        dvc.lock.LockError: another process writes or reads them; then nothing changes.
    """
    stages = list(stages)
    reads, writes = find_paths(stages, "deps"), find_paths(stages, "outs")
    own = {"pid": os.getpid(), "cmd": " ".join(sys.argv)}  # by which DVC knows its own claims
    path = Path(repo.tmp_dir, RWLOCK_FILE)
    hard_link = bool(repo.config["core"].get("hardlink_lock", False))
    guard = make_lock(
        str(path.with_name(RWLOCK_LOCK)), tmp_dir=repo.tmp_dir, hardlink_lock=hard_link, wait=True
    )
    with guard:
        claims = read_claims(path, own)
        _check_blockers(repo.tmp_dir, claims, own, mode="write", waiters=[*reads, *writes])
        _check_blockers(repo.tmp_dir, claims, own, mode="read", waiters=writes)
        for file in writes:
            claims["write"][file] = own
        for file in reads:
            claims["read"][file].append(own)
        with atomic_write(path) as partial:
            write_json(partial, claims)


def find_paths(stages: list[Any], kind: str) -> list[str]:
    """The paths of the `deps` or `outs` of `stages`, but for those that are not local files."""
    remote = (RepoDependency, AbstractDependency)  # as in DVC's own `rwlocked`
    found = (one for stage in stages for one in getattr(stage, kind))
    return list(dict.fromkeys(one.fs_path for one in found if not isinstance(one, remote)))


def read_claims(path: Path, own: dict[str, Any]) -> dict[str, Any]:
    """The claims of other processes that still run: one per path to write, a list per path to read.

    `own` is the claim of this process.
    """
    claims: dict[str, Any] = {"write": defaultdict(dict), "read": defaultdict(list)}
    try:
        written = path.stat().st_mtime
        content = json.loads(path.read_text(encoding="utf-8"))
        for file, one in content.get("write", {}).items():
            if one != own and is_of_living(one, written):
                claims["write"][file] = one
        for file, many in content.get("read", {}).items():
            if left := [one for one in many if one != own and is_of_living(one, written)]:
                claims["read"][file] = left
    except FileNotFoundError:
        pass
    except (OSError, ValueError, AttributeError, KeyError, TypeError):
        print(f"{RWLOCK_FILE} was damaged: the claims in it are removed")
    return claims


def is_of_living(claim: dict[str, Any], written: float) -> bool:
    """Whether the process of a claim, in a file that was `written` at a time, still runs."""
    try:
        process = psutil.Process(claim["pid"])
        return is_alive(process) and process.create_time() < written + CLOCKS_APART
    except psutil.NoSuchProcess:
        return False
