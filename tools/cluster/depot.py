"""The files that a machine of a cluster has, each named by the MD5 of its content."""

import os
import re
import shutil
import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from stages.runtime.errors import InputError
from tools.store.objects import hash_content

BLOCK = 8 << 20  # bytes sent at a time
LIMIT = 50 << 30  # bytes; with more, those that were not used for the longest time go
PARTIAL = "partial"


@dataclass(frozen=True)
class Depot:
    """A folder of such files; no process but those of this machine writes to it."""

    folder: Path
    limit: int = LIMIT

    def find(self, md5: str) -> Path:
        """Where a file is, if it is here.

        Raises:
            InputError: it is not the name of a file.
        """
        if not re.fullmatch("[0-9a-f]{32}", md5):
            raise InputError(f"{md5!r:.50} is not an MD5")
        return self.folder / md5[:2] / md5[2:]

    def find_lacking(self, names: Iterable[str]) -> list[str]:
        """Those that are not here; the others now count as used."""
        lacking = []
        for md5 in names:
            try:
                os.utime(self.find(md5))
            except FileNotFoundError:
                lacking.append(md5)
        return lacking

    def read(self, md5: str, start: int) -> bytes:
        """The next BLOCK bytes of a file, fewer at its end.

        Raises:
            FileNotFoundError: it is not here.
        """
        with self.find(md5).open("rb") as file:
            file.seek(start)
            return file.read(BLOCK)

    def append(self, md5: str, token: str, block: bytes) -> None:
        """Adds a block to what a sender, known by its `token`, has sent of a file."""
        with self.find_partial(md5, token).open("ab") as file:
            file.write(block)

    def complete(self, md5: str, token: str) -> bool:
        """Takes what a sender has sent, if it has the content that the name promises."""
        return self.take(self.find_partial(md5, token), md5)

    def take(self, source: Path, md5: str) -> bool:
        """Moves a file here, if it has the content that the name promises; else removes it."""
        if hash_content(source) != md5:
            source.unlink()
            return False
        target = self.find(md5)
        target.parent.mkdir(parents=True, exist_ok=True)
        source.replace(target)
        return True

    def add(self, source: Path, md5: str) -> None:
        """Adds a copy of a file that was just hashed.

        Raises:
            InputError: it has other content now.
        """
        if not self.find_lacking([md5]):
            return
        partial = self.find_partial(md5, uuid.uuid4().hex)
        shutil.copyfile(source, partial)
        if not self.take(partial, md5):
            raise InputError(f"{source.name} changed while it was read; run again")

    def find_partial(self, md5: str, token: str) -> Path:
        """Where a file is while it comes."""
        if not re.fullmatch("[0-9a-f]{32}", token):
            raise InputError(f"{token!r:.50} is not a token")
        partial = self.folder / PARTIAL / f"{self.find(md5).name}-{token}"
        partial.parent.mkdir(parents=True, exist_ok=True)
        return partial

    def drop_damaged(self, md5: str) -> None:
        """Removes a file if its content is not what its name promises."""
        path = self.find(md5)
        try:
            if hash_content(path) != md5:
                path.unlink()
        except FileNotFoundError:
            pass

    def sweep(self) -> None:
        """Removes what killed senders have left behind, and what is too much."""
        shutil.rmtree(self.folder / PARTIAL, ignore_errors=True)
        self.shrink()

    def shrink(self) -> None:
        """Removes the files that were not used for the longest time, if there is too much."""
        files = [(path.stat(), path) for path in self.folder.glob("??/*")]
        excess = sum(found.st_size for found, _ in files) - self.limit
        for found, path in sorted(files, key=lambda one: one[0].st_mtime):
            if excess <= 0:
                return
            path.unlink(missing_ok=True)
            excess -= found.st_size
