"""The models in `artifacts` of dvc.yaml, where DVC and GTO look for them: one per run.

DVC fills in no `foreach` there, so that each run needs lines of its own.
"""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import yaml

Wrong = tuple[str, str]  # what is wrong with `artifacts`, and the lines that it is about

PIPELINE = Path("dvc.yaml")
FOLDER = "data/models/"
# Of a run that GTO can name in a tag. Any run begins with a letter or a digit.
REGISTRABLE = re.compile(r"[\w-]*[A-Za-z0-9]", re.ASCII)


def check_artifacts(artifacts: dict[str, Any], runs: dict[str, Any]) -> Iterator[Wrong]:
    """What is wrong with `artifacts` for these runs of params.yaml.

    An artifact that is no model of this folder may be anything that a person keeps there.
    """
    for name, block in runs.items():
        yield from check_artifact(name, block, artifacts)
    paths = {path_of(name) for name in runs}
    for name, artifact in artifacts.items():
        path = str((artifact or {}).get("path"))
        if path.startswith(FOLDER) and path not in paths:
            yield "has, without a run in params.yaml,", f"  {quote(name)}:"


def check_artifact(name: str, block: dict[str, Any], artifacts: dict[str, Any]) -> Iterator[Wrong]:
    """What is wrong with the artifact of one run, whose block in params.yaml this is."""
    if not REGISTRABLE.fullmatch(name):
        yield "can have no name that ends in - or _, so rename", f"  {quote(name)}:"
        return
    artifact = artifacts.get(name) or {}
    if artifact.get("type") != "model" or artifact.get("path") != path_of(name):
        yield "lacks", write_artifact(name, block)


def read_artifacts() -> dict[str, Any]:
    """`artifacts` of dvc.yaml, which `require_readable` has checked; empty if there are none."""
    content = yaml.load(PIPELINE.read_text(encoding="utf-8"), yaml.CSafeLoader)
    return content.get("artifacts") or {}


def path_of(name: str) -> str:
    """The path of a run's model."""
    return f"{FOLDER}{name}.onnx"


def write_artifact(name: str, block: dict[str, Any]) -> str:
    """The lines of a run, as they are in dvc.yaml."""
    labels = ", ".join(quote(block[key]) for key in ("dataset", "framework"))
    return (
        f"  {quote(name)}: {{type: model, path: {path_of(name)},\n"
        f"    labels: [{labels}], desc: The card is {FOLDER}{name}.md}}"
    )


def quote(name: str) -> str:
    """A name in YAML: some, such as 1e3, would be another value without quotes."""
    return name if yaml.safe_load(name) == name else f'"{name}"'
