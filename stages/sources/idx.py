"""IDX, the format of MNIST and its successors: a header of big-endian numbers, then the bytes."""

import gzip
import math
import struct
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.runtime.inputs import LARGEST_SPLIT, MB, reading, require_at_most, require_file

MARKER = "train-images-idx?-ubyte*"
PREFIXES = {"train": "train", "test": "t10k"}
LABELS = 100 * MB  # bytes of a file of labels
HEADER = 20  # bytes, with up to four axes
UINT8 = 8  # the header's code for this type


def read(
    folder: Path, split: str, classes: list[str]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images, uint8 (n, h, w, c), and labels, int64 (n,), of a split: `train` or `test`.

    Files that end in `.gz` are decompressed, others memory-mapped.

    Raises:
        InputError: a file is missing, not in this format, or not of the length in its header.
    """
    path = find(folder, f"{PREFIXES[split]}-images-idx?-ubyte*")
    images = read_array(path, (3, 4), LARGEST_SPLIT)
    if images.ndim == 3:
        images = images[..., np.newaxis]
    labels = read_array(find(folder, f"{PREFIXES[split]}-labels-idx1-ubyte*"), (1,), LABELS)
    return images, labels.astype(np.int64)


def find(folder: Path, pattern: str) -> Path:
    """The one file that matches the pattern."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(f"{folder / pattern}: expected one such file, found {names}")
    return found[0]


def read_array(
    path: Path, axes: tuple[int, ...] = (1, 3, 4), largest: int = LARGEST_SPLIT
) -> NDArray[np.uint8]:
    """The array of one file, with one of these numbers of axes and at most `largest` bytes."""
    remedy = "replace it"
    require_file(path, largest + HEADER, remedy)
    with reading(path, "IDX file", remedy), open_file(path) as file:
        start = file.read(4)
        if len(start) < 4 or start[:3] != bytes((0, 0, UINT8)) or start[3] not in axes:
            raise InputError(
                f"{path}: not an IDX file of bytes with {' or '.join(map(str, axes))} axes; "
                f"{remedy}"
            )
        shape = struct.unpack(f">{start[3]}I", file.read(4 * start[3]))
        size, after = math.prod(shape), file.tell()
        require_at_most(largest, size, path, remedy)
        content: NDArray[np.uint8]
        if path.suffix == ".gz":
            content = np.frombuffer(file.read(size + 1), dtype=np.uint8)
        else:
            content = np.memmap(path, dtype=np.uint8, mode="r")[after:]
        if len(content) != size:
            more = "more" if len(content) > size else "fewer"
            expected = " x ".join(map(str, shape))
            raise InputError(f"{path}: {more} bytes than its header says, {expected}; {remedy}")
        return content.reshape(shape)


def open_file(path: Path) -> IO[bytes]:
    """A file to read, decompressed if its name ends in `.gz`."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def write_array(path: Path, array: NDArray[np.uint8]) -> None:
    """Writes an array as a file that `read_array` reads."""
    header = struct.pack(f">HBB{array.ndim}I", 0, UINT8, array.ndim, *array.shape)
    with path.open("wb") as file:
        file.write(header)
        file.write(np.ascontiguousarray(array).data)
