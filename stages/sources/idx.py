"""IDX, the format of MNIST and its successors: a header of big-endian numbers, then the bytes."""

import gzip
import struct
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from stages.runtime.errors import InputError

MARKER = "train-images-idx?-ubyte*"
PREFIXES = {"train": "train", "test": "t10k"}
UINT8 = 8  # the header's code for this type


def read(
    folder: Path, split: str, classes: list[str]
) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The images, uint8 (n, h, w, c), and labels, int64 (n,), of a split: `train` or `test`.

    Files that end in `.gz` are decompressed, others memory-mapped.

    Raises:
        InputError: a file is missing, not in this format, or not of the length in its header.
    """
    images = read_array(find(folder, f"{PREFIXES[split]}-images-idx?-ubyte*"))
    labels = read_array(find(folder, f"{PREFIXES[split]}-labels-idx1-ubyte*"))
    return images.reshape(*images.shape[:3], -1), labels.astype(np.int64)


def find(folder: Path, pattern: str) -> Path:
    """The one file that matches the pattern."""
    found = sorted(folder.glob(pattern))
    if len(found) != 1:
        names = ", ".join(path.name for path in found) or "none"
        raise InputError(f"{folder / pattern}: expected one such file, found {names}")
    return found[0]


def read_array(path: Path) -> NDArray[np.uint8]:
    """The array of one file."""
    content: NDArray[np.uint8]
    if path.suffix == ".gz":
        try:
            content = np.frombuffer(gzip.decompress(path.read_bytes()), dtype=np.uint8)
        except (OSError, EOFError) as error:
            raise InputError(f"{path}: not a valid gzip file ({error}); replace it") from None
    else:
        content = np.memmap(path, dtype=np.uint8, mode="r")
    zeros, kind, axes = struct.unpack(">HBB", content[:4].tobytes().ljust(4, b"\xff"))
    start = 4 + 4 * axes
    if zeros or kind != UINT8 or len(content) < start:
        raise InputError(f"{path}: not an IDX file of bytes; replace it")
    shape = struct.unpack(f">{axes}I", content[4:start].tobytes())
    if len(content) - start != np.prod(shape):
        raise InputError(
            f"{path}: {len(content) - start} bytes after the header, which says "
            f"{' x '.join(map(str, shape))}; replace it"
        )
    return content[start:].reshape(shape)


def write_array(path: Path, array: NDArray[np.uint8]) -> None:
    """Writes an array as a file that `read_array` reads."""
    header = struct.pack(f">HBB{array.ndim}I", 0, UINT8, array.ndim, *array.shape)
    with path.open("wb") as file:
        file.write(header)
        file.write(np.ascontiguousarray(array).data)
