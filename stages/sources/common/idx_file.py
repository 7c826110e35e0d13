"""One array in an IDX file: a header of big-endian numbers, then the bytes."""

import gzip
import math
import struct
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError
from stages.runtime.inputs import LARGEST_SPLIT, reading, require_at_most, require_file

HEADER = 20  # bytes, with up to four axes
UINT8 = 8  # the header's code for this type
GZIP = b"\x1f\x8b"  # the first bytes of a compressed file


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
        if isinstance(file, gzip.GzipFile):
            content = np.frombuffer(file.read(size + 1), dtype=np.uint8)
        else:
            content = np.memmap(path, dtype=np.uint8, mode="r")[after:]
        if len(content) != size:
            more = "more" if len(content) > size else "fewer"
            expected = " x ".join(map(str, shape))
            raise InputError(f"{path}: {more} bytes than its header says, {expected}; {remedy}")
        return content.reshape(shape)


def open_file(path: Path) -> IO[bytes]:
    """A file to read, decompressed if it is compressed, whatever its name ends in."""
    with path.open("rb") as file:
        compressed = file.read(len(GZIP)) == GZIP
    return gzip.open(path) if compressed else path.open("rb")  # type: ignore[return-value]


def write_array(path: Path, array: NDArray[np.uint8]) -> None:
    """Writes an array as a file that `read_array` reads."""
    header = struct.pack(f">HBB{array.ndim}I", 0, UINT8, array.ndim, *array.shape)
    with path.open("wb") as file:
        file.write(header)
        file.write(np.ascontiguousarray(array).data)
