"""Reads the arrays of a PyTorch file of before version 1.6, without unpickling it.

Such a file is five pickles, then the numbers. Unpickling calls whatever functions a file names.
Here `pickletools.genops` lists the instructions, which calls nothing, and `read_pickle` follows
those that such files have: they put texts, numbers and tuples together. What would be a call
becomes a `Call`, which is data, and only four functions may be named in one.
"""

import pickletools
from typing import Any, BinaryIO, NamedTuple

import numpy as np
from numpy.typing import NDArray

MAGIC = 0x1950A86A20F9469CFC6C  # the first pickle: says what the file is
PROTOCOL = 1001
ALLOWED = {
    "collections OrderedDict",
    "torch._utils _rebuild_tensor_v2",
    "torch FloatStorage",
    "torch LongStorage",
}
DTYPES = {"torch FloatStorage": "<f4", "torch LongStorage": "<i8"}
VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}
LITERALS = {"BINUNICODE", "BININT", "BININT1", "BININT2", "LONG1"}


class Call(NamedTuple):
    """What a pickle says to call, which nobody does."""

    function: str
    arguments: tuple[Any, ...]


def read_arrays(file: BinaryIO) -> dict[str, NDArray[Any]]:
    """The arrays of a state dictionary, by name.

    Raises:
        ValueError: the file is not one, or has anything else.
    """
    if read_pickle(file) != MAGIC or read_pickle(file) != PROTOCOL:
        raise ValueError("not a PyTorch file of before version 1.6")
    read_pickle(file)  # the byte order and sizes of numbers where it was written
    entries, keys = read_pickle(file), read_pickle(file)
    storages = dict[str, NDArray[Any]]()
    dtypes = {call.arguments[0][2]: call.arguments[0][1] for call in entries.values()}
    for key in keys:
        count = int(np.frombuffer(file.read(8), "<i8")[0])
        dtype = np.dtype(DTYPES[dtypes[key]])
        storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype, count)
    if file.read(1):
        raise ValueError("it goes on after its last array")
    return {name: read_array(call, storages) for name, call in entries.items()}


def read_array(call: Call, storages: dict[str, NDArray[Any]]) -> NDArray[Any]:
    """The array that PyTorch would build: all of a storage, its axes in any order."""
    (_, _, key, _, count, view), start, shape, strides, *_ = call.arguments
    order = sorted(range(len(shape)), key=lambda axis: (-strides[axis], axis))
    ordered = storages[key].reshape([shape[axis] for axis in order])
    array: NDArray[Any] = ordered.transpose(np.argsort(order)) if order else ordered
    steps = zip(shape, array.strides, strides, strict=True)
    in_order = all(size == 1 or step == array.itemsize * wanted for size, step, wanted in steps)
    if view is not None or start or count != array.size or not in_order:
        raise ValueError(f"storage {key} is used in part")
    return array


def read_pickle(file: BinaryIO) -> Any:
    """What the next pickle of a file says, with a `Call` in the place of each call.

    Raises:
        ValueError: it has an instruction, or names a function, that such files do not have.
    """
    stack, marks, memo = list[Any](), list[int](), dict[int, Any]()
    argument: Any
    for instruction, argument, _ in pickletools.genops(file):
        name = instruction.name
        if name in LITERALS:
            stack.append(argument)
        elif name in VALUES:
            stack.append(VALUES[name])
        elif name == "GLOBAL":
            if argument not in ALLOWED:
                raise ValueError(f"it names the function {argument.replace(' ', '.')}")
            stack.append(argument)
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name == "MARK":
            marks.append(len(stack))
        elif name in ("EMPTY_DICT", "EMPTY_LIST", "EMPTY_TUPLE"):
            stack.append({"D": {}, "L": [], "T": ()}[name[6]])
        elif name in ("TUPLE", "TUPLE1", "TUPLE2"):
            start = marks.pop() if name == "TUPLE" else len(stack) - int(name[5])
            stack[start:] = [tuple(stack[start:])]
        elif name == "REDUCE":
            arguments, function = stack.pop(), stack.pop()
            is_dictionary = function == "collections OrderedDict"
            stack.append({} if is_dictionary else Call(function, arguments))
        elif name in ("SETITEM", "SETITEMS"):
            start = marks.pop() if name == "SETITEMS" else len(stack) - 2
            stack[start - 1].update(zip(stack[start::2], stack[start + 1 :: 2], strict=True))
            del stack[start:]
        elif name == "APPENDS":
            start = marks.pop()
            stack[start - 1].extend(stack[start:])
            del stack[start:]
        elif name == "BUILD":
            stack.pop()  # versions of the modules of the network
        elif name == "STOP":
            return stack.pop()
        elif name not in ("PROTO", "BINPERSID"):  # the latter's tuple stays as it is
            raise ValueError(f"it has the instruction {name}")
    raise ValueError("it ends too early")
