"""Small pipelines of shell commands, with real DVC."""

import shutil
from pathlib import Path
from typing import Any

import yaml
from conftest import ROOT, run

CODE = ("tools", "stages", "pyproject.toml", "requirements.lock", "requirements-cluster.lock")


def stage(name: str, *upstream: str, first: str = "true", **more: Any) -> dict[str, Any]:
    """A stage that writes NAME.txt from the files of its upstream stages, after `first`."""
    files = [f"{before}.txt" for before in upstream]
    text = f"cat {' '.join(['source.txt', *files])} > {name}.txt; echo {name} >> {name}.txt"
    return {
        "cmd": f"({first}) && ({text})",
        "deps": ["source.txt", *files],
        "outs": [f"{name}.txt"],
    } | more


def make(folder: Path, stages: dict[str, Any]) -> Path:
    """A repository with these stages."""
    copy_code(folder)
    (folder / ".dvc").mkdir()
    shutil.copyfile(ROOT / ".dvc" / "config", folder / ".dvc" / "config")
    (folder / "source.txt").write_text("source\n")
    (folder / "dvc.yaml").write_text(yaml.safe_dump({"stages": stages}, sort_keys=False))
    run("git", "init", "-q", "-b", "main", cwd=folder)
    return folder


def copy_code(folder: Path) -> Path:
    """Copies to a folder what runs stages: the code, the pins and their locks."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in CODE:
        if (ROOT / name).is_dir():
            ignored = shutil.ignore_patterns("__pycache__")
            shutil.copytree(ROOT / name, folder / name, ignore=ignored)
        else:
            shutil.copyfile(ROOT / name, folder / name)
    return folder
