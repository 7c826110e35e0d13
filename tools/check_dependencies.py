"""Fails if dvc.yaml does not declare exactly the code that each stage imports, or not every model.

Runs no stage.

.venv/bin/python -m tools.check_dependencies

Follows the imports of each stage from its source. A module that a stage finds by name while it
runs is in the source as a string, such as f"stages.models.{name}". Given to `import_module`, the
string is followed like an import; anywhere else it names a file that is read as text. Its wildcard
matches the files that the stage declares.
"""

import ast
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

from stages.runtime.command import run

import typer
import yaml

from stages.runtime.errors import InputError
from stages.runtime.parameters import read_parameter
from tools.engine.readable import PIPELINES, require_readable
from tools.registry.artifacts import PIPELINE, check_artifacts, read_artifacts

CODE = "stages/"


class Reference(NamedTuple):
    """A module that a file names: a glob for its path, and whether its own imports count."""

    pattern: str
    followed: bool


def main() -> None:
    """Prints the missing and the superfluous lines in the `deps` of each stage and in `artifacts`.

    Raises:
        InputError: there is a missing or a superfluous line.
    """
    require_readable()
    wrong = [line for path in PIPELINES for line in check_pipeline(path)]
    if wrong:
        typer.echo("\n".join(wrong))
        raise InputError(
            "dvc.yaml does not declare the code that its stages import; edit `deps` as listed above"
        )
    typer.echo("dvc.yaml declares the code that its stages import, and no other")
    runs = read_parameter("models")
    found: dict[str, list[str]] = {}
    for what, line in check_artifacts(read_artifacts(), runs):
        found.setdefault(f"{PIPELINE}: artifacts {what}", []).append(line)
    if found:
        typer.echo("\n".join(line for what, lines in found.items() for line in (what, *lines)))
        raise InputError(
            f"`artifacts` of {PIPELINE} does not have the runs of params.yaml; edit it as listed "
            "above"
        )


def check_pipeline(path: Path) -> list[str]:
    """The errors in one pipeline file: one line per stage and kind of error, then its files."""
    stages = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)["stages"]
    found: dict[str, dict[str, None]] = {}
    for name, stage in stages.items():
        for what, line in check_stage(name, stage):
            found.setdefault(f"{path}: {name} {what}", {})[f"  - {line}"] = None
    return [line for what, lines in found.items() for line in (what, *lines)]


def check_stage(name: str, stage: dict[str, Any]) -> Iterator[tuple[str, str]]:
    """The errors in the `deps` of one stage, for each framework and model: kind and path."""
    lines = [dep for dep in stage.get("do", stage).get("deps", []) if dep.startswith(CODE)]
    for run_block in read_runs():
        filled = {fill(dep, run_block): dep for dep in lines}
        declared = {dep: list(expand(Path(dep))) for dep in filled}
        files = {file for members in declared.values() for file in members}
        read, chosen = follow(Path(CODE, f"{name}.py"), files)
        for file in sorted(read - files):
            yield "lacks", str(file)
        for dep, members in declared.items():
            if not read.intersection(members):
                yield "does not read", filled[dep]
            elif dep not in chosen:
                for file in sorted(set(members) - read):
                    yield f"does not read all of {filled[dep]}", str(file)


def fill(dep: str, run_block: dict[str, str]) -> str:
    """A line of `deps` with the framework and model of one run filled in."""
    for key in ("framework", "model"):
        dep = dep.replace(f"${{item.{key}}}", run_block[key])
    return dep


def read_runs() -> list[dict[str, str]]:
    """One run of params.yaml for each pair of framework and model."""
    parameters = yaml.load(Path("params.yaml").read_text(encoding="utf-8"), yaml.CSafeLoader)
    runs = parameters["models"].values()
    return list({(block["framework"], block["model"]): block for block in runs}.values())


def expand(path: Path) -> Iterator[Path]:
    """The Python files that a line of `deps` covers."""
    yield from path.rglob("*.py") if path.is_dir() else [path]


def follow(start: Path, declared: set[Path]) -> tuple[set[Path], set[str]]:
    """The files that a stage reads, and the folders from which it chooses files by name."""
    read, followed, chosen, waiting = {start}, set[Path](), set[str](), [start]
    while waiting:
        file = waiting.pop()
        if file in followed:
            continue
        followed.add(file)
        for reference in find_references(file):
            matches = {Path(reference.pattern)}
            if "*" in reference.pattern:
                folder = reference.pattern.partition("/*")[0]
                chosen.add(folder)
                matches = {path for path in declared if path.match(reference.pattern)}
                if not matches:
                    read.add(Path(folder))  # so that it is reported as missing
            read |= matches
            if reference.followed:
                waiting += [path for path in matches if path.exists()]
    return read, chosen


@cache
def find_references(file: Path) -> list[Reference]:
    """The modules of this project that a file imports or names in a string."""
    found: list[Reference] = []
    imported: set[ast.expr] = set()
    try:
        tree = ast.parse(file.read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise InputError(f"{file}: not valid Python: {error}") from None
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level:
            raise InputError(f"{file}, line {node.lineno}: relative import; import from `stages`")
        elif isinstance(node, ast.ImportFrom):
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Call) and is_import(node.func):
            imported.update(node.args)
            names = [name for argument in node.args if (name := read_name(argument))]
        elif node not in imported and isinstance(node, ast.expr) and (name := read_name(node)):
            found.append(Reference(to_path(name), followed=False))
            continue
        else:
            continue
        for name in names:
            if name.startswith("stages."):
                files = [to_path(name), *packages_of(to_path(name))]
                found += (Reference(file, followed=True) for file in files)
    return found


def is_import(function: ast.expr) -> bool:
    """Whether a called function is `import_module` or `importlib.import_module`."""
    return "import_module" in (getattr(function, "id", ""), getattr(function, "attr", ""))


def read_name(node: ast.expr) -> str | None:
    """The module name in a string or f-string, with * for what is filled in; None if it is none."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        text = node.value
    elif isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "*" for part in node.values)
        text = "".join(map(str, parts))
    else:
        return None
    return text if re.fullmatch(r"stages(\.[\w*]+)+", text) else None


def to_path(name: str) -> str:
    """The path of a module, from its dotted name or that of something in it."""
    path = Path(*name.split("."))
    if "*" in name or path.with_suffix(".py").exists():
        return str(path.with_suffix(".py"))
    if path.is_dir():
        return str(path / "__init__.py")
    return to_path(name.rpartition(".")[0])


def packages_of(path: str) -> list[str]:
    """The `__init__.py` files that importing a module runs."""
    files = (parent / "__init__.py" for parent in Path(path).parents)
    return [str(file) for file in files if file.exists()]


if __name__ == "__main__":
    run(main)
