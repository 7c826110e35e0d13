"""Reads a module's source instead of importing it, which would import its libraries.

TensorFlow alone would take five seconds, after every edit of a parameter.
"""

import ast
from pathlib import Path
from typing import Annotated, Any, Literal

import pydantic

from stages.runtime.errors import InputError

PROJECT = Path(__file__).parents[2]
NO_TYPE = ast.Name("a_type_for_every_keyword_argument")


def path_of(module: str) -> Path:
    """The file of a module of this project, by its dotted name."""
    return PROJECT.joinpath(*module.split(".")).with_suffix(".py")


def read_fields(module: str, function: str) -> dict[str, Any]:
    """The keyword-only arguments of a function and their types, as fields of a pydantic model.

    A type may use Python's built-in names, Annotated, Literal and pydantic's names.
    """
    names = {**vars(pydantic), "Annotated": Annotated, "Literal": Literal}
    for node in read_tree(module).body:
        if isinstance(node, ast.FunctionDef) and node.name == function:
            try:
                return {
                    argument.arg: (
                        eval(ast.unparse(argument.annotation or NO_TYPE), names),
                        ast.literal_eval(default) if default else ...,
                    )
                    for argument, default in zip(
                        node.args.kwonlyargs, node.args.kw_defaults, strict=True
                    )
                }
            except NameError as error:
                raise InputError(f"{module}: {function}: type of an argument: {error}") from None
    raise InputError(f"{module}: has no function {function}")


def read_keys(module: str, table: str) -> list[str]:
    """The keys of a dictionary of strings that a module assigns to the name `table`."""
    for node in read_tree(module).body:
        if isinstance(node, ast.Assign | ast.AnnAssign) and isinstance(node.value, ast.Dict):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(isinstance(target, ast.Name) and target.id == table for target in targets):
                keys = [getattr(key, "value", None) for key in node.value.keys]
                strings = [key for key in keys if isinstance(key, str)]
                if len(strings) == len(keys):
                    return strings
    raise InputError(f"{module}: has no dictionary {table} with strings as keys")


def read_imports(module: str) -> set[str]:
    """The names of the packages that a module imports."""
    found: set[str] = set()
    for node in ast.walk(read_tree(module)):
        if isinstance(node, ast.Import):
            found |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module.partition(".")[0])
    return found


def read_tree(module: str) -> ast.Module:
    """The syntax tree of a module."""
    try:
        return ast.parse(path_of(module).read_text(encoding="utf-8"))
    except SyntaxError as error:
        raise InputError(f"{module}: not valid Python: {error}") from None
