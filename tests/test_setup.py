"""`make setup` makes .venv again if it does not start here, and only then."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ROOT, run

VERSION = f"{sys.version_info[0]}.{sys.version_info[1]}"
PYTHON = f"PYTHON={sys.executable}"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with an environment of no packages; not to be written to."""
    folder = tmp_path_factory.mktemp("made") / "project with blanks"
    folder.mkdir()
    (folder / "tools").symlink_to(ROOT / "tools")
    shutil.copyfile(ROOT / "Makefile", folder / "Makefile")
    (folder / "requirements.lock").write_text("# nothing for pip to install\n")
    said = run("make", "setup", PYTHON, cwd=folder)
    assert "-m venv --clear .venv" in said.stdout
    assert "made again" not in said.stderr
    # As pip writes a program in a folder whose path has a blank.
    program = "#!/bin/sh\n'''exec' \"{}\" \"$0\" \"$@\"\n' '''\nprint('dvc')\n"
    write_program(folder, program.format(folder / ".venv/bin/python"))
    return folder


def write_program(folder: Path, text: str) -> None:
    path = folder / ".venv" / "bin" / "dvc"
    path.write_text(text)
    path.chmod(0o755)


@pytest.fixture
def project(made: Path, tmp_path: Path) -> Path:
    """A copy in another folder, whose program names that."""
    project = shutil.copytree(made, tmp_path / "project", symlinks=True)
    write_program(project, f"#!{project}/.venv/bin/python{VERSION}\n")
    return project


def setup(project: Path, *variables: str) -> str:
    """What `make setup` says of the environment, which it leaves as it is."""
    return run("make", "setup", "MAKE=echo", *variables, cwd=project, status=None).stderr


def test_one_that_starts_is_left_alone(made: Path, project: Path) -> None:
    for folder in (made, project):
        result = run("make", "setup", PYTHON, cwd=folder)
        assert result.stdout + result.stderr == ""
    linked = project.parent / "linked"
    linked.symlink_to(project)
    assert setup(linked) == ""


def test_one_of_another_lock_is_made_again(project: Path) -> None:
    os.utime(project / "requirements.lock")  # newer, as after a checkout
    assert setup(project) == ""
    (project / "requirements.lock").write_text("# other packages\n")
    assert "install" in run("make", "setup", "MAKE=echo", cwd=project).stdout
    said = run("make", "setup", "PYTHON=/nowhere/python3", cwd=project, status=2).stderr
    assert "/nowhere/python3" in said
    assert (project / ".venv" / "bin" / "dvc").exists()  # nothing has begun


def test_one_that_was_moved_is_made_again(project: Path) -> None:
    moved = project.rename(project.parent / "moved")
    said = run("make", "setup", PYTHON, cwd=moved)
    assert said.stderr.startswith(f".venv is made again: {project}/.venv/bin is missing: it was mo")
    assert "-m venv --clear .venv" in said.stdout


def test_one_that_was_copied_is_made_again(project: Path) -> None:
    copied = shutil.copytree(project, project.parent / "copied", symlinks=True)
    assert f"its programs are those of {project}/.venv/bin/python" in setup(copied)


def test_one_whose_python_is_gone_is_made_again(project: Path) -> None:
    for name in ("python", "python3", f"python{VERSION}"):
        path = project / ".venv" / "bin" / name
        path.unlink()
        path.symlink_to("/usr/nowhere/python3")
    assert ".venv/bin/python: " in setup(project)
    assert ".venv is made again: " in setup(project)


def test_one_of_another_python_is_made_again(project: Path) -> None:
    (project / ".venv" / "lib" / f"python{VERSION}").rename(project / ".venv/lib/python3.10")
    assert f"it is of another Python than {VERSION}, which is there now" in setup(project)


def test_another_python_that_is_asked_for_is_taken(project: Path, tmp_path: Path) -> None:
    other = tmp_path / "python3.14"
    other.write_text("#!/bin/sh\necho 3.14\n")
    other.chmod(0o755)
    assert f"it is of Python {VERSION}, and {other} is 3.14" in setup(project, f"PYTHON={other}")
    result = subprocess.run(  # a variable of the environment is no wish
        ["make", "setup", "MAKE=echo"],
        cwd=project,
        env=os.environ | {"PYTHON": str(other)},
        capture_output=True,
        check=True,
    )
    assert result.stderr == b""


def test_one_that_was_not_finished_is_made_again(project: Path) -> None:
    (project / ".venv" / "bin" / "dvc").unlink()
    assert "bin/dvc is missing: it was moved, or not finished" in setup(project)
    (project / ".venv" / "requirements.lock").unlink()
    assert "install" in run("make", "setup", "MAKE=echo", cwd=project).stdout
