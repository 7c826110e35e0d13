"""What the stages of a revision wrote, as far as it is here or in DVC's cache, not in a remote."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from dvc.repo import Repo
from numpy.typing import NDArray

from stages.datasets.arrays import IMAGES, LARGEST, hash_split
from stages.runtime.errors import InputError
from stages.runtime.files import REMEDY, read_bytes
from stages.runtime.inputs import reading, require_file
from tools.revisions.recorded import read_audit
from tools.revisions.revision import Revision
from tools.store.objects import hash_bytes, read_folder

RAW = "data/raw/{dataset}"
FILES = (f"test/{IMAGES}", "test/labels.npy")


def find_test_images(revision: Revision, dataset: str) -> NDArray[np.uint8] | None:
    """The test images of a data set, (n, height, width, channels), memory-mapped.

    Those here may be of another revision, so they are taken only if, with their labels, they have
    the SHA-256 that the audit of the revision recorded. None if there are none that have it.
    """
    wanted = read_audit(revision, dataset)["test"].get("sha256", "")
    for paths in find_splits(revision, RAW.format(dataset=dataset)):
        with suppress(InputError):
            images, labels = map(read_array, paths)
            if images.ndim == 4 and hash_split(images, labels) == wanted:
                return images
    return None


def find_splits(revision: Revision, folder: str) -> Iterator[list[Path]]:
    """Where `FILES` of a folder may be."""
    yield [Path(folder, name) for name in FILES]
    for oid in list_hashes(revision, folder):
        with suppress(InputError, KeyError):
            listed = read_folder(find_object(oid), folder)
            yield [find_object(listed[file]) for file in FILES]


def read_kept(revision: Revision, path: str) -> bytes | None:
    """The content of a file that has the MD5 that dvc.lock names; None if there is none."""
    for oid in list_hashes(revision, path):
        for place in (Path(path), find_object(oid)):
            with suppress(InputError):
                content = read_bytes(place)
                if hash_bytes(content) == oid:
                    return content
    return None


def list_hashes(revision: Revision, path: str) -> list[str]:
    """The MD5 of an output, if a stage has written it."""
    outs = [out for stage in revision.stages.values() for out in stage.get("outs", [])]
    return [out["md5"] for out in outs if out["path"] == path]


def find_object(oid: str) -> Path:
    """Where DVC's cache has an object, if it has it."""
    with Repo() as repo:
        return Path(repo.cache.local.oid_to_path(oid))


def read_array(path: Path) -> NDArray[np.uint8]:
    """An array of bytes, memory-mapped.

    Raises:
        InputError: the file is missing or has none.
    """
    require_file(path, LARGEST, REMEDY)
    with reading(path, "array file", REMEDY):
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.dtype != np.uint8:
            raise ValueError(f"{array.dtype}, expected uint8")
        return array
