"""What a machine of a cluster has: its files, and what came of the steps that it has run."""

import json
import shutil
import threading
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from stages.runtime.files import atomic_write
from tools.cluster.depot import Depot
from tools.cluster.shipment import Step, pack_all, unpack_all
from tools.store.objects import hash_content
from tools.trials.contents import File, Files, find_files, is_executable


class LackingError(Exception):
    """Files that are nowhere: their MD5s are the arguments."""


@dataclass
class Site:
    """A machine that runs shipments: its name and folders.

    `fetch` writes a file, by its MD5, to a path and returns false if nobody has it; `send` takes
    the MD5s of files here to the one who asked.
    """

    name: str
    folder: Path
    fetch: Callable[[str, Path], bool]
    send: Callable[[list[str]], None]
    guard: threading.Lock = field(default_factory=threading.Lock)
    locks: dict[str, threading.Lock] = field(default_factory=dict)

    @property
    def depot(self) -> Depot:
        """The files that are here."""
        return Depot(self.folder / "depot")

    def find_known(self, step: Step) -> Path:
        """Where is written what came of a step that has run here."""
        return self.folder / "ran" / f"{step.key}.json"

    def lock(self, key: str) -> threading.Lock:
        """The lock of a step or file: two shipments may need the same."""
        with self.guard:
            return self.locks.setdefault(key, threading.Lock())

    def sweep(self) -> None:
        """Removes what a killed process has left behind, and files that were not used for long."""
        shutil.rmtree(self.folder / "sandboxes", ignore_errors=True)
        self.depot.sweep()


def read_known(step: Step, site: Site) -> dict[str, Files] | None:
    """What came of a step when it ran here before, if all of it is still here."""
    try:
        found = unpack_all(json.loads(site.find_known(step).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError):
        return None
    names = [file.md5 for files in found.values() for file in files.values()]
    return None if site.depot.find_lacking(names) else found


def write_known(step: Step, site: Site, found: dict[str, Files]) -> None:
    """Remembers what came of a step."""
    path = site.find_known(step)
    path.parent.mkdir(parents=True, exist_ok=True)
    with atomic_write(path) as partial:
        partial.write_text(json.dumps(pack_all(found)), encoding="utf-8")


def bring(site: Site, md5: str) -> bool:
    """Fetches a file; false if nobody has it."""
    with site.lock(md5):
        if not site.depot.find_lacking([md5]):
            return True
        partial = site.depot.find_partial(md5, uuid.uuid4().hex)
        return site.fetch(md5, partial) and site.depot.take(partial, md5)


def copy(site: Site, file: File, target: Path) -> None:
    """Copies a file of the depot; one that is damaged there is fetched again, once."""
    for attempt in range(2):
        try:
            shutil.copyfile(site.depot.find(file.md5), target)
            if hash_content(target) == file.md5:
                break
        except FileNotFoundError:  # another shipment has found it to be damaged
            pass
        site.depot.drop_damaged(file.md5)
        if attempt or not bring(site, file.md5):
            raise LackingError(file.md5)
    if file.executable:
        target.chmod(target.stat().st_mode | 0o111)


def take(site: Site, path: Path, name: str) -> Files:
    """Moves an output into the depot.

    Raises:
        InputError: it is missing, or is a link or has one.
    """
    files = dict[str, File]()
    for inner, one in find_files(path, name):
        files[inner] = File(hash_content(one), one.stat().st_size, is_executable(one))
        site.depot.take(one, files[inner].md5)
    return files
