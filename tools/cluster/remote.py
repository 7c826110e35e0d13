"""DVC's default remote as a place to take big files from, which then pass no scheduler."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.config import Config
from dvc.exceptions import DvcException
from dvc.fs import get_cloud_fs

from stages.runtime.errors import InputError
from tools.cluster.shipment import Shipment
from tools.store.objects import hash_content
from tools.store.remote import one_line_errors, require_bucket

SMALLEST = 1_000_000  # bytes; to send less takes no longer than to ask
PAUSE = 1800.0  # seconds in which a remote that could not be used is not asked again
# Of a bucket, unless set: with 25 tries of 60 s each, a stage would wait 25 minutes for its files.
TIMEOUTS = {"connect_timeout": 5, "read_timeout": 5}


@dataclass(frozen=True)
class Objects:
    """What a remote has: its file system, and the folder of its objects."""

    fs: Any
    folder: str

    def locate(self, md5: str) -> str:
        """The path of an object."""
        return str(self.fs.join(self.folder, md5[:2], md5[2:]))

    def measure(self, md5: str) -> int | None:
        """The bytes of an object; None if it is missing."""
        try:
            found: dict[str, Any] = self.fs.info(self.locate(md5))
        except FileNotFoundError:
            return None
        return int(found["size"])


@dataclass
class Remote:
    """The default remote of the project in the current folder, if it has one.

    Nothing fails because of it, and what it has is hashed: `say` gets a line for what is wrong.
    """

    say: Callable[[str], None]
    objects: Objects | None = None  # once it was asked
    paused: float = 0.0  # until when, on the monotonic clock
    sizes: dict[str, int] = field(default_factory=dict)  # of big files that are needed, by MD5
    held: set[str] = field(default_factory=set)
    damaged: set[str] = field(default_factory=set)
    said: set[str] = field(default_factory=set)
    guard: threading.Lock = field(default_factory=threading.Lock)

    def expect(self, shipment: Shipment) -> None:
        """Learns which files are big enough to ask for, and their sizes."""
        deps = (files for step in shipment.steps for files in step.deps.values())
        for file in (file for files in deps for file in (files or {}).values()):
            if file.size >= SMALLEST:
                self.sizes[file.md5] = file.size

    def fetch(self, md5: str, target: Path) -> bool:
        """Writes a file to a path; false if it is not expected, or is missing or damaged there."""
        if md5 not in self.sizes or md5 in self.damaged:
            return False
        return self.ask(lambda objects: self.copy(objects, md5, target))

    def copy(self, objects: Objects, md5: str, target: Path) -> bool:
        """Writes an object to a path, unless it is missing or damaged."""
        size = objects.measure(md5)
        if size is None:
            return False
        if size == self.sizes[md5]:
            objects.fs.get_file(objects.locate(md5), str(target))
            if hash_content(target) == md5:
                return True
        self.damaged.add(md5)
        self.tell(
            f"the remote's {md5} has other content than its name says; it goes through the "
            "scheduler"
        )
        return False

    def holds(self, md5: str, path: Path) -> bool:
        """Whether the remote has a file that is at `path` and big, by its name and size alone."""
        size = path.stat().st_size
        if (
            size >= SMALLEST
            and md5 not in self.held
            and self.ask(lambda objects: objects.measure(md5) == size)
        ):
            self.held.add(md5)
        return md5 in self.held

    def ask(self, question: Callable[[Objects], bool]) -> bool:
        """The answer to a question; false if no remote is set, or it cannot be used."""
        with self.guard:
            if self.objects is None and not self.attempt(self.connect):
                return False
            objects = self.objects
        return objects is not None and self.attempt(lambda _: question(objects))

    def connect(self, config: Config) -> bool:
        """Finds the default remote, which has answered if it is a bucket; false if none is set."""
        if (name := config["core"].get("remote")) is None:
            return False
        kind, settings, path = get_cloud_fs(config, name=name)
        fs = kind(**(TIMEOUTS | settings if kind.protocol == "s3" else settings))
        require_bucket(fs, path)
        self.objects = Objects(fs, fs.join(path, "files", "md5"))
        return True

    def attempt(self, what: Callable[[Config], bool]) -> bool:
        """What a function returns; false if it fails, and then for some time without a call."""
        if time.monotonic() < self.paused:
            return False
        try:
            config = Config.from_cwd()
            with one_line_errors(config):
                return what(config)
        except (DvcException, InputError) as error:
            self.paused = time.monotonic() + PAUSE
            self.tell(f"{error}; files go through the scheduler")
            return False

    def tell(self, line: str) -> None:
        """Says what is wrong, once."""
        if line not in self.said:
            self.said.add(line)
            self.say(line)
