"""What lies in the working folder does not run in the place of what the environment has."""

from pathlib import Path

import pytest
from conftest import BIN, ROOT, run

# Of the standard library (some are imported by `python -m` itself), and packages.
SHADOWS = (
    "importlib/__init__",
    "pkgutil",
    "types",
    "json/__init__",
    "random",
    "typer",
    "numpy",
    "yaml",
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with the project's code, and with modules that leave a trace when they run."""
    for name in ("stages", "tools", "pyproject.toml", "params.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    for name in SHADOWS:
        path = tmp_path / f"{name}.py"
        path.parent.mkdir(exist_ok=True)
        path.write_text("open('ran', 'a').write(__name__ + ' ')\n")
    return tmp_path


@pytest.mark.parametrize(
    "arguments",
    [
        ["-m", "stages.check", "params.yaml", "checked.txt"],
        ["-m", "tools.results", "--help"],
        ["-c", "import random, numpy, yaml, tools.engine.names"],
    ],
)
def test_a_file_named_like_a_module_does_not_run(folder: Path, arguments: list[str]) -> None:
    run(BIN / "python", *arguments, cwd=folder)
    assert not (folder / "ran").exists(), (folder / "ran").read_text()


def test_without_the_finder_it_would(folder: Path) -> None:
    code = "import sys; del sys.meta_path[-2]; import random, typer"
    run(BIN / "python", "-c", code, cwd=folder, status=None)
    assert (folder / "ran").read_text().split() == ["random", "typer"]
