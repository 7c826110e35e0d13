"""The test images of a revision, as the stage `load` wrote them."""

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import numpy as np
from dvc.repo import Repo
from numpy.typing import NDArray

from stages.datasets.arrays import IMAGES, LARGEST, hash_split
from stages.runtime.errors import InputError
from stages.runtime.files import REMEDY
from stages.runtime.inputs import reading, require_file
from tools.revisions.recorded import read_audit
from tools.revisions.revision import Revision
from tools.store.objects import read_folder

RAW = "data/raw/{dataset}"
FILES = (f"test/{IMAGES}", "test/labels.npy")


def find_test_images(revision: Revision, dataset: str) -> NDArray[np.uint8] | None:
    """The test images of a data set, (n, height, width, channels), memory-mapped.

    From this folder, which may have those of another revision, or from DVC's cache: with their
    labels they have the SHA-256 that the audit of the revision recorded. None if they are in
    neither, are damaged, or the audit is older than its hashes; a remote is not asked.
    """
    wanted = read_audit(revision, dataset)["test"].get("sha256", "")
    for paths in find_files(revision, RAW.format(dataset=dataset)):
        with suppress(InputError):
            images, labels = map(read_array, paths)
            if images.ndim == 4 and hash_split(images, labels) == wanted:
                return images
    return None


def find_files(revision: Revision, folder: str) -> Iterator[list[Path]]:
    """Where `FILES` of a folder may be: in the workspace, or in DVC's cache as dvc.lock says."""
    yield [Path(folder, name) for name in FILES]
    outs = [out for stage in revision.stages.values() for out in stage.get("outs", [])]
    with Repo() as repo:
        objects = Path(repo.cache.local.path)
    for name in [out["md5"] for out in outs if out["path"] == folder]:
        with suppress(InputError, KeyError):
            listed = read_folder(objects / name[:2] / name[2:], folder)
            yield [objects / listed[file][:2] / listed[file][2:] for file in FILES]


def read_array(path: Path) -> NDArray[np.uint8]:
    """An array file of bytes.

    Raises:
        InputError: it is missing or not one.
    """
    require_file(path, LARGEST, REMEDY)
    with reading(path, "array file", REMEDY):
        array: NDArray[np.uint8] = np.load(path, mmap_mode="r", allow_pickle=False)
        if array.dtype != np.uint8:
            raise ValueError(f"{array.dtype}, expected uint8")
        return array
