"""Reads the arrays of a PyTorch file of before version 1.6, without unpickling it.

Such a file is five pickles, then the numbers. Unpickling calls whatever functions a file names.
Here `pickletools.genops` lists the instructions, which calls nothing, and `read_pickle` follows
those that such files have: they put texts, numbers and tuples together. What would be a call
becomes a `Call`, which is data, and only the functions of such files may be named.
"""

import math
import pickletools
from collections.abc import Iterable
from io import BytesIO
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

# The first two pickles: the magic number, and 1001, the version of the format.
HEADER = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19." + b"\x80\x02M\xe9\x03."
DICTIONARY, ARRAY = "collections OrderedDict", "torch._utils _rebuild_tensor_v2"
DTYPES: dict[str, np.dtype[Any]] = {
    "torch FloatStorage": np.dtype("<f4"),
    "torch LongStorage": np.dtype("<i8"),
}
NAMED = {DICTIONARY, ARRAY, *DTYPES}
VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = {"BINUNICODE", "BININT", "BININT1", "BININT2"}
EMPTY = {"EMPTY_DICT": dict, "EMPTY_LIST": list, "EMPTY_TUPLE": tuple}
AXES = 8  # of an array, at most
LENGTHS = {"TUPLE1": 1, "TUPLE2": 2}
MARK = object()  # in the stack, before the items of a tuple, list or dictionary


class Call(NamedTuple):
    """What a pickle says to call, which nobody does."""

    function: Any
    arguments: Any


class Placement(NamedTuple):
    """Of an array: the storage that has its numbers, and how it lies there."""

    storage: str
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    strides: tuple[int, ...]  # in numbers, not bytes


def read_arrays(file: BytesIO) -> dict[str, NDArray[Any]]:
    """The arrays of a state dictionary, by name.

    A file in memory: a count in it cannot ask for more than it has. Call it in `reading`.

    Raises:
        ValueError: it is another kind of file, or has anything else. Where an instruction has the
            wrong operands, any error that these cause.
    """
    if file.read(len(HEADER)) != HEADER:
        raise ValueError("not a PyTorch file of before version 1.6")
    read_pickle(file)  # the sizes of numbers where it was written; here they are little-endian
    entries, keys = read_pickle(file), read_pickle(file)
    placements = {name: read_placement(name, value) for name, value in entries.items()}
    if keys != sorted(one.storage for one in placements.values()):
        raise ValueError("it does not have one storage for each array")
    dtypes = {one.storage: one.dtype for one in placements.values()}
    storages = {key: read_storage(file, key, dtypes[key]) for key in keys}
    if file.read(1):
        raise ValueError("it goes on after its last storage")
    return {name: make_array(name, storages, one) for name, one in placements.items()}


def read_placement(name: str, value: Any) -> Placement:
    """Where an array of the state dictionary lies."""
    match value:
        case Call(
            str(function),
            (
                ("storage", str(kind), str(key), str(), count, None),
                0,
                tuple(shape),
                tuple(strides),
                False,
                {},
            ),
        ):
            known = function == ARRAY and kind in DTYPES
            if known and is_whole(shape) and is_whole(strides) and count == math.prod(shape):
                return Placement(key, DTYPES[kind], shape, strides)
    raise ValueError(f"{name} is not all of a storage, from its start")


def is_whole(values: tuple[Any, ...]) -> bool:
    """Whether these are a few whole numbers from 0."""
    return len(values) <= AXES and all(isinstance(one, int) and one >= 0 for one in values)


def read_storage(file: BytesIO, key: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """The numbers of the next storage, after their count."""
    count = int.from_bytes(file.read(8), "little", signed=True)
    content = file.read(count * dtype.itemsize)
    if len(content) != count * dtype.itemsize:
        raise ValueError(f"storage {key} has {len(content)} bytes, but a count of {count}")
    return np.frombuffer(content, dtype)


def make_array(name: str, storages: dict[str, NDArray[Any]], placed: Placement) -> NDArray[Any]:
    """The array that PyTorch would make: all of its storage, with its axes in any order."""
    storage, shape, strides = storages[placed.storage], placed.shape, placed.strides
    order = sorted(range(len(shape)), key=lambda axis: (-strides[axis], axis))
    array = storage.reshape([shape[axis] for axis in order]).transpose(np.argsort(order).tolist())
    steps = zip(shape, array.strides, strides, strict=True)
    if any(size > 1 and step != array.itemsize * wanted for size, step, wanted in steps):
        raise ValueError(f"{name} leaves out a part of storage {placed.storage}")
    return array


def read_pickle(file: BytesIO) -> Any:
    """What the next pickle of a file says, with a `Call` in the place of each call.

    Raises:
        ValueError: it has an instruction, or names a function, that such files do not have.
    """
    stack, memo = list[Any](), dict[Any, Any]()
    for instruction, argument, _ in pickletools.genops(file):
        name = instruction.name
        if name in LITERALS:
            stack.append(argument)
        elif name in VALUES:
            stack.append(VALUES[name])
        elif name in EMPTY:
            stack.append(EMPTY[name]())
        elif name == "GLOBAL":
            if argument not in NAMED:
                raise ValueError(f"it names the function {str(argument).replace(' ', '.')}")
            stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            stack.append(MARK)
        elif name == "TUPLE":
            stack.append(tuple(pop_marked(stack)))
        elif name in LENGTHS:
            items = [stack.pop() for _ in range(LENGTHS[name])]
            stack.append(tuple(reversed(items)))
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            is_dictionary = function == DICTIONARY and arguments == ()
            stack.append({} if is_dictionary else Call(function, arguments))
        elif name == "SETITEM":
            value, key = stack.pop(), stack.pop()
            add_items(stack[-1], [(key, value)])
        elif name == "SETITEMS":
            items = pop_marked(stack)
            add_items(stack[-1], zip(items[::2], items[1::2], strict=True))
        elif name == "APPENDS":
            items = pop_marked(stack)
            stack[-1].extend(items)
        elif name == "BUILD":
            stack.pop()  # the versions of the layers
        elif name not in ("PROTO", "BINPERSID", "STOP"):  # the tuple of BINPERSID stays as it is
            raise ValueError(f"it has the instruction {name}")
    (value,) = stack
    return value


def pop_marked(stack: list[Any]) -> list[Any]:
    """Takes the items after the last mark, and it, from a stack."""
    items = []
    while (item := stack.pop()) is not MARK:
        items.append(item)
    return items[::-1]


def add_items(dictionary: dict[str, Any], items: Iterable[tuple[Any, Any]]) -> None:
    """Adds items whose keys are texts: to hash nested tuples can take forever."""
    for key, value in items:
        if not isinstance(key, str) or key in dictionary:
            raise ValueError("a key of a dictionary is not a text, or is there twice")
        dictionary[key] = value
