"""What a stage hears that it has read, in a process of its own: its audit hook stays."""

import os
import sys
import time
from pathlib import Path

import pytest
from conftest import ROOT, run

START = """
import os
from pathlib import Path
from stages.runtime.errors import InputError
from stages.runtime.parameters import read_parameter
from stages.runtime.unchanged import require_unchanged, watch_files
files = watch_files()
Path("data/a.txt").read_text(), os.listdir("data"), read_parameter("models.a")
"""
END = """
try:
    require_unchanged(files)
except InputError as error:
    print(error)
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the code and something to read."""
    (tmp_path / "stages").symlink_to(ROOT / "stages")
    (tmp_path / "data").mkdir()
    for name in ("a.txt", "b.txt"):
        (tmp_path / "data" / name).write_text(name)
    (tmp_path / "params.yaml").write_text("models: {a: {c: 1, d: 2}, b: 3}\n")
    return tmp_path


@pytest.mark.parametrize(
    ("edit", "named"),
    [
        ('Path("data/a.txt").write_text("a.tXt")', "data/a.txt"),  # the same size
        ('os.remove("data/a.txt")', "data/a.txt"),
        ('os.remove("data/b.txt")', "data"),
        ('os.rename("data/b.txt", "data/c.txt")', "data"),
        ('Path("data/c.txt").touch()', "data"),
        ('Path("params.yaml").write_text("models: {a: {c: 1}, b: 3}")', "params.yaml: models.a.d"),
        ('Path("params.yaml").write_text("models: {}")', "params.yaml: models.a"),
    ],
)
def test_an_edit_by_another_process_is_named(folder: Path, edit: str, named: str) -> None:
    other = f"import os; from pathlib import Path; {edit}"
    code = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {other!r}], check=True)"
    assert listen(folder, code) == f"{named} changed while it ran; run again\n"


@pytest.mark.parametrize(
    "edit",
    [
        'os.utime("data/a.txt")',
        'Path("data/a.txt").write_text("a.txt")',  # the same content
        'Path("params.yaml").write_text("models: {a: {c: 1, d: 2}, b: 4}")',  # not read
        'Path("data/b.txt").write_text("edited")',  # not read
        'Path("data/.a.txt.9.partial").touch()',  # another's temporary file
    ],
)
def test_what_does_not_matter_does_not_fail(folder: Path, edit: str) -> None:
    assert listen(folder, edit) == ""


def test_what_another_process_does_in_the_scratch_folder_of_dvc_does_not_count(
    folder: Path,
) -> None:
    """Trainings side by side keep their checkpoints there."""
    (folder / ".dvc" / "tmp" / "checkpoints").mkdir(parents=True)
    other = "from pathlib import Path; Path('.dvc/tmp/checkpoints/other.npz').touch()"
    code = f"""
import subprocess, sys
assert not [*Path(".dvc/tmp/checkpoints").glob("*.npz")]
subprocess.run([sys.executable, "-c", {other!r}], check=True)
assert [*Path(".dvc/tmp/checkpoints").glob("*.npz")]
"""
    assert listen(folder, code) == ""


def test_what_the_stage_itself_writes_and_removes_does_not_count(folder: Path) -> None:
    code = """
for name in ("data/own.txt", "data/.own.1.partial"):
    Path(name).write_text("one")
    Path(name).read_text()
    Path(name).write_text("two")
os.rename("data/.own.1.partial", "data/moved.txt")
os.remove("data/own.txt")
os.remove("data/moved.txt")
"""
    assert listen(folder, code) == ""


@pytest.mark.skipif(sys.dont_write_bytecode, reason="no bytecode")
def test_bytecode_older_than_its_source_is_refused(folder: Path) -> None:
    (folder / "own").mkdir()
    module = folder / "own" / "part.py"
    module.write_text("VALUE = 1\n")
    code = "import own.part; print(own.part.VALUE)"
    assert run("python", "-c", code, cwd=folder).stdout == "1\n"
    (bytecode,) = (folder / "own" / "__pycache__").iterdir()
    second = int(time.time()) - 10
    module.write_text("VALUE = 2\n")  # the same size, later in the same second
    for path, offset in ((module, 900_000_000), (bytecode, 500_000_000)):
        os.utime(path, ns=(second * 10**9 + offset,) * 2)
    header = bytecode.read_bytes()
    time_of_source = (second & 0xFFFFFFFF).to_bytes(4, "little")
    bytecode.write_bytes(header[:8] + time_of_source + header[12:])
    os.utime(bytecode, ns=(second * 10**9 + 500_000_000,) * 2)
    assert run("python", "-c", code, cwd=folder).stdout == "1\n"  # Python is taken in
    result = run("python", "-c", START + "import own.part", cwd=folder, status=1)
    assert "own/part.py changed while it was compiled; run again" in result.stderr
    assert not bytecode.exists()
    assert run("python", "-c", code, cwd=folder).stdout == "2\n"


def listen(folder: Path, code: str) -> str:
    """What a process says that reads, runs `code`, and compares."""
    return run("python", "-c", START + code + END, cwd=folder).stdout
