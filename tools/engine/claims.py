"""How DVC processes tell each other which files they use: `.dvc/tmp/rwlock`."""

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from dvc.lock import make_lock
from dvc.repo import Repo
from dvc.rwlock import RWLOCK_FILE, RWLOCK_LOCK, rwlock

from stages.runtime.recorded import is_alive


@contextmanager
def claimed(stage: Any) -> Iterator[None]:
    """Tells other DVC processes that `stage` reads its dependencies and writes its outputs.

    Raises:
        dvc.lock.LockError: another process writes or reads them.
    """
    reads, writes = ([one.fs_path for one in many] for many in (stage.deps, stage.outs))
    command = " ".join(sys.argv)  # by which DVC recognizes its own claims
    repo = stage.repo
    with rwlock(repo.tmp_dir, repo.fs, command, reads, writes, uses_hard_links(repo)):
        yield


def remove_dead_claims(repo: Repo) -> None:
    """Removes the claims of processes that have ended, even if they are zombies.

    DVC writes the file in place. If a kill has cut it off, nobody can read it: all claims go.
    """
    path = Path(repo.tmp_dir, RWLOCK_FILE)
    guard = str(path.with_name(RWLOCK_LOCK))
    with make_lock(guard, tmp_dir=repo.tmp_dir, hardlink_lock=uses_hard_links(repo), wait=True):
        if not path.exists():
            return
        try:
            claims = json.loads(path.read_text(encoding="utf-8"))
            writers = {p: one for p, one in claims.get("write", {}).items() if of_living(one)}
            readers = {
                p: living
                for p, many in claims.get("read", {}).items()
                if (living := [one for one in many if of_living(one)])
            }
        except (ValueError, AttributeError, KeyError, TypeError):
            path.unlink()
        else:
            path.write_text(json.dumps({"write": writers, "read": readers}), encoding="utf-8")


def of_living(claim: dict[str, Any]) -> bool:
    """Whether the process of a claim still runs."""
    try:
        return is_alive(psutil.Process(claim["pid"]))
    except psutil.NoSuchProcess:
        return False


def uses_hard_links(repo: Repo) -> bool:
    """Whether DVC is set to make its locks as hard links."""
    return bool(repo.config["core"].get("hardlink_lock", False))
