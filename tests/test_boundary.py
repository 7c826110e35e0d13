"""Errors are one line: what is too large, endless or missing, and what nobody foresaw."""

import os
import subprocess
import sys
import sysconfig
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest
from conftest import ROOT, edit, run
from PIL import Image

from stages import check
from stages.runtime import inputs
from stages.runtime.errors import END, LONGEST, InputError
from stages.runtime.lock import read_lock
from stages.runtime.parameters import read_parameter
from stages.sources import csv, idx, pictures, sheet
from stages.sources.common import idx_file, tables
from stages.sources.common.dataset import describe_dataset
from tools.prediction.fit_picture import read_picture
from tools.sample import write_sheet

LEVELS = range(1, 30)
LAUGHS = "".join(f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in LEVELS)
MERGES = "".join(f"a{n}: &a{n}\n  <<: [*a{n - 1}, *a{n - 1}]\n" for n in LEVELS)
# Few bytes of YAML that would become many values, or take the parser's stack or time.
MANY, DEEP = r"more than (100,000|1,000,000) values", "more than 50 levels"
ENDLESS = {
    "billions of values": (f"a0: &a0 [x]\n{LAUGHS}", MANY),
    "billions of merged keys": (f"a0: &a0 {{x: 1}}\n{MERGES}", MANY),
    "a value in itself": ("a: &a [*a]", r"\*a names nothing that ends before it"),
    "a value that is missing": ("a: *b", r"\*b names nothing that ends before it"),
    "deep lists": ("[" * 100_000, DEEP),
    "deep dictionaries": ("{a: " * 10_000, DEEP),
    "deep lines": ("- " * 10_000, DEEP),
    "many values": ("[0" + ", 0" * 1_000_001 + "]", r"1 MB are read|more than 1,000,000 values"),
}


@pytest.mark.parametrize("name", ENDLESS)
def test_endless_yaml_is_refused_before_it_is_read(tmp_path: Path, name: str) -> None:
    path = tmp_path / "params.yaml"
    text, said = ENDLESS[name]
    path.write_text(text)
    with pytest.raises(InputError, match=rf"params.yaml: .*({said})"):
        check.main(path, tmp_path / "out.txt")
    with pytest.raises(InputError, match=rf"dvc.lock: not a valid lock file of DVC \(({said})"):
        read_lock(text)


def test_what_yaml_repeats_in_reason_is_read(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_text("a: &a {x: [1, 2]}\nb: [*a, *a]\nc: {<<: *a, y: 3}\n")
    assert read_parameter("c", path) == {"x": [1, 2], "y": 3}
    assert read_parameter("b", path) == [{"x": [1, 2]}] * 2


@pytest.mark.parametrize(
    "content",
    [b"\xff", b"a: " + b"9" * 5000, b"a: 2001-99-99", b"a: !!python/name:os.system", b""],
)
def test_wrong_yaml_is_one_line(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        check.main(path, tmp_path / "out.txt")
    assert len(str(error.value)) <= LONGEST


def test_the_engine_does_not_give_endless_yaml_to_dvc(fresh: Path) -> None:
    edit(fresh)
    with (fresh / "params.yaml").open("a") as file:
        file.write(ENDLESS["billions of values"][0])
    result = run("python", "-m", "tools.repro", cwd=fresh, status=2)
    (line,) = result.stderr.splitlines()
    assert line.startswith("repro: error: params.yaml: not a valid YAML file (more than 100,000 va")


def test_a_long_message_keeps_its_beginning_and_its_end() -> None:
    said = str(InputError("x.csv: unknown class\n\x1b[2J; expected " + "name, " * 1000 + "run y"))
    assert said.startswith(r"x.csv: unknown class \x1b[2J; expected name, name")
    assert said.endswith("name, run y")
    assert len(said) == LONGEST
    assert len(said.partition(" ... ")[2]) == END


def write_sources(folder: Path) -> None:
    """Writes a data set of 9 images of 5x5 pixels for each reader."""
    images = np.random.default_rng(0).integers(0, 256, (9, 5, 5, 1), dtype=np.uint8)
    labels = np.arange(9) % 3
    for prefix, array in (("images-idx3", images[..., 0]), ("labels-idx1", labels)):
        idx_file.write_array(folder / f"train-{prefix}-ubyte", array.astype(np.uint8))
    np.savetxt(folder / "train_images.csv", images.reshape(9, -1), fmt="%d", delimiter=",")
    np.savetxt(folder / "train_labels.csv", labels, fmt="%d")
    write_sheet(folder, "train", images, labels)
    for index, image in enumerate(images):
        path = folder / "train" / "abc"[index % 3] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image[..., 0]).save(path)


def read_with(source: ModuleType, folder: Path) -> None:
    parameters = {"path": folder, "validation_fraction": 0, "classes": ["a", "b", "c"]}
    source.read(source.find(folder)["train"], describe_dataset("data.mine", parameters))


@pytest.mark.parametrize("source", [idx, sheet, pictures], ids=lambda source: source.__name__)
def test_more_pixels_than_memory_must_hold_are_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, source: ModuleType
) -> None:
    write_sources(tmp_path)
    pixels = 25 * (100 if source is sheet else 9)
    monkeypatch.setattr(source, "LARGEST_SPLIT", max(pixels, 1000))
    read_with(source, tmp_path)
    monkeypatch.setattr(source, "LARGEST_SPLIT", pixels - 1)
    with pytest.raises(InputError, match="MB are read"):
        read_with(source, tmp_path)


@pytest.mark.parametrize(
    ("name", "source"),
    [
        ("train-images-idx3-ubyte", idx),
        ("train_images.csv", csv),
        ("train_labels.csv", csv),
        ("train_images.png", sheet),
        ("train_labels.txt", sheet),
        ("train/b/1.png", pictures),
    ],
)
def test_a_pipe_is_not_waited_for(tmp_path: Path, name: str, source: ModuleType) -> None:
    write_sources(tmp_path)
    (tmp_path / name).unlink()
    os.mkfifo(tmp_path / name)
    with pytest.raises(InputError, match=f"{name}: not a file"):
        read_with(source, tmp_path)


def test_a_picture_that_says_it_is_huge_is_not_read(tmp_path: Path) -> None:
    write_sources(tmp_path)
    path = tmp_path / "train_images.png"
    content = bytearray(path.read_bytes())
    content[16:24] = (2**30).to_bytes(4, "big") * 2  # width and height
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"train_images.png: "):
        sheet.read_files(sheet.find(tmp_path)["train"])
    assert Image.MAX_IMAGE_PIXELS  # Pillow's guard is as it was


@pytest.mark.parametrize("name", ["train_images.csv", "train_labels.csv"])
def test_a_line_without_end_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    write_sources(tmp_path)
    with (tmp_path / name).open("a") as file:
        file.write("1" * 3_000_000)
    monkeypatch.setattr(tables, "LONGEST", 2_500_000)
    with pytest.raises(InputError, match=f"{name}: line 10 has more than 2 MB; correct it"):
        read_with(csv, tmp_path)


def test_a_picture_is_never_a_program(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow gives an EPS file to Ghostscript, whatever its name is."""
    write_sources(tmp_path)
    ghostscript, ran = tmp_path / "bin" / "gs", tmp_path / "ran"
    ghostscript.parent.mkdir()
    ghostscript.write_text(f"#!/bin/sh\ntouch {ran}\n")
    ghostscript.chmod(0o755)
    monkeypatch.setenv("PATH", str(ghostscript.parent), prepend=":")
    path = tmp_path / "train" / "b" / "1.png"
    Image.new("RGB", (5, 5)).save(path, "EPS")
    for read in (
        lambda: read_with(pictures, tmp_path),
        lambda: read_picture(path, (28, 28, 1), None),
    ):
        with pytest.raises(InputError, match=r"1.png: not a valid picture \(cannot identify"):
            read()
    assert not ran.exists()
    monkeypatch.setattr("PIL.EpsImagePlugin.gs_binary", None)
    with pytest.raises(OSError, match=r"."), Image.open(path) as picture:
        picture.load()
    assert ran.exists()  # as it would have


def test_time_is_limited_for_a_block_alone() -> None:
    with pytest.raises(TimeoutError, match=r"takes more than 0\.2 s"), inputs.limit_time(0.2):
        time.sleep(60)
    time.sleep(0.3)


def test_memory_is_limited_for_a_block_alone() -> None:
    with pytest.raises(MemoryError), inputs.limit_memory(50_000_000):
        bytearray(200_000_000)
    bytearray(200_000_000)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the environment's packages, as links."""
    folder = tmp_path_factory.mktemp("packages")
    for path in Path(sysconfig.get_path("purelib")).iterdir():
        (folder / path.name).symlink_to(path)
    return folder


@pytest.mark.parametrize(
    ("module", "package", "said"),
    [
        ("stages.load", "numpy", "numpy is not installed in {prefix}, but pyproject.toml pins ==2"),
        ("stages.load", "pillow", "pillow is not installed in "),
        ("stages.check", "pydantic", "pydantic is not installed in "),
        ("stages.evaluate", "onnxruntime", "onnxruntime is not installed in "),
        ("stages.plot", "matplotlib", "matplotlib is not installed in "),
        ("tools.repro", "typer", "typer is not installed in "),
        ("tools.predict", "numpy", "numpy is not installed in "),
        (
            "tools.review",
            "packaging",
            "No module named 'packaging' in {prefix}; run",
        ),
        ("tools.noise", "ruamel", "No module named 'ruamel' in {prefix}; run"),
    ],
)
def test_a_missing_package_is_named_with_its_pin(
    packages: Path, module: str, package: str, said: str
) -> None:
    folders = {"pillow": "PIL", "ruamel": "ruamel"}
    names = (folders.get(package, package), f"{package}-*.dist-info")
    hidden = [path for name in names for path in packages.glob(name)]
    for path in hidden:
        path.rename(packages.with_name(path.name))
    try:
        result = subprocess.run(
            [sys.executable, "-S", "-m", module],  # -S: without its own packages
            cwd=ROOT,
            env={"PYTHONPATH": str(packages)},
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    finally:
        for path in hidden:
            packages.with_name(path.name).rename(path)
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        f"{module.partition('.')[2]}: error: {said.format(prefix=sys.base_prefix)}"
    )
    assert "run `make install`" in line
    assert result.returncode == 2


def call(folder: Path, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    """Runs a program whose `main` is this line."""
    program = f"from stages.runtime.command import run\ndef main():\n    {body}\nrun(main)"
    command = [sys.executable, *options, "-c", program]
    environment = {"PYTHONPATH": str(ROOT)}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ("raise ValueError('a\\nb')", "unexpected ValueError: a b (<string>, line 3); please"),
        ("{}['x']", "unexpected KeyError: KeyError 'x' (<string>, line 3); please"),
        ("raise RecursionError", "unexpected RecursionError: RecursionError ("),
        ("bytearray(10**18)", "unexpected MemoryError: MemoryError ("),
        ("open('nothing')", "[Errno 2] No such file or directory: 'nothing'"),
        ("import nothing", "pyproject.toml: missing; "),
        ("import stages.nothing", "unexpected ModuleNotFoundError: No module named 'stages.nothi"),
        ("from stages.runtime.errors import InputError as E; raise E('x\\x00')", r"x\x00"),
    ],
)
def test_whatever_happens_is_one_line(tmp_path: Path, body: str, said: str) -> None:
    result = call(tmp_path, body)
    (line,) = result.stderr.splitlines()
    assert line.startswith(f"-c: error: {said}")
    assert result.returncode == 2
    kept = tmp_path / "logs" / "-c.traceback"
    if said.startswith("unexpected "):
        assert line.endswith("; please report it with logs/-c.traceback")
        assert "line 3, in main" in kept.read_text()


def test_python_can_be_asked_for_the_traceback(tmp_path: Path) -> None:
    result = call(tmp_path, "raise ValueError('x')", "-X", "dev")
    assert "Traceback (most recent call last)" in result.stderr
    assert result.stderr.endswith("ValueError: x\n")
    assert result.returncode == 1


def test_a_picture_that_takes_too_long_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (1500, 1500, 3), dtype=np.uint8)
    noise[:700] //= 2
    Image.fromarray(noise).save(tmp_path / "a.jpg", progressive=True, quality=100)
    monkeypatch.setattr("stages.sources.common.picture.SECONDS", 0.02)
    with pytest.raises(InputError, match=r"a.jpg: not a valid picture \(takes more than 0.02 s\)"):
        read_picture(tmp_path / "a.jpg", (28, 28, 1))
    monkeypatch.setattr("stages.sources.common.picture.SECONDS", 60)
    read_picture(tmp_path / "a.jpg", (28, 28, 1))
