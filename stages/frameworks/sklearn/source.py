"""Reads a class of a library from its source, without importing the library.

scikit-learn alone would take more than a second, after every edit of a parameter.
"""

import ast
from collections import ChainMap
from collections.abc import Iterator, Mapping
from functools import cache
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from importlib.util import resolve_name
from typing import Any


@cache
def find_module(module: str) -> ModuleSpec | None:
    """Where a module is, by its dotted name; unlike importlib's find_spec, imports no package."""
    package, _, _ = module.rpartition(".")
    if not package:
        return PathFinder.find_spec(module)
    parent = find_module(package)
    if parent is None or parent.submodule_search_locations is None:
        return None
    return PathFinder.find_spec(module, parent.submodule_search_locations)


@cache
def read_names(module: str) -> dict[str, ast.AST]:
    """The names in a module, with what binds each; none if it is compiled or does not exist."""
    spec = find_module(module)
    if spec is None or not isinstance(spec.loader, SourceFileLoader):
        return {}
    return dict(bound_names(ast.parse(spec.loader.get_source(module) or "")))


def bound_names(node: ast.AST) -> Iterator[tuple[str, ast.AST]]:
    """The names that a module or a class itself binds, also within `if` and `try`."""
    for statement in ast.iter_child_nodes(node):
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name):
                yield name, statement
            case ast.Import(names=aliases) | ast.ImportFrom(names=aliases):
                for alias in aliases:
                    yield alias.asname or alias.name.partition(".")[0], statement
            case ast.Assign(targets=targets):
                for target in targets:
                    if isinstance(target, ast.Name):
                        yield target.id, statement
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, statement
            case ast.If() | ast.Try() | ast.ExceptHandler():
                yield from bound_names(statement)


@cache
def read_class(module: str, name: str) -> Any:
    """A class without code, for `issubclass`: its bases are those of `name` within the library.

    Its attribute `names` is what the body of the class binds. None if `name` is no class, or one
    without Python source.
    """
    statement = read_names(module).get(name)
    if isinstance(statement, ast.ImportFrom):
        package = getattr(find_module(module), "parent", None)
        origin = resolve_name("." * statement.level + (statement.module or ""), package)
        names = {alias.asname or alias.name: alias.name for alias in statement.names}
        of_library = origin.partition(".")[0] == module.partition(".")[0]
        if not of_library or find_module(f"{origin}.{names[name]}"):  # a module, perhaps this one
            return None
        return read_class(origin, names[name])
    if not isinstance(statement, ast.ClassDef):
        return None
    found = [read_class(module, base.id) for base in statement.bases if isinstance(base, ast.Name)]
    bases = tuple(base for base in found if base is not None)
    return type(name, bases, {"names": dict(bound_names(statement))})


def read_members(kind: Any) -> Mapping[str, ast.AST]:
    """The names that a class from `read_class` binds or inherits."""
    return ChainMap(*(vars(base)["names"] for base in kind.__mro__ if base is not object))


def read_parameters(kind: Any) -> dict[str, bool]:
    """The parameters of a class from `read_class`, with whether each has a default."""
    init = read_members(kind).get("__init__")
    if not isinstance(init, ast.FunctionDef):
        return {}
    positional = [*init.args.posonlyargs, *init.args.args]
    required = len(positional) - len(init.args.defaults)
    found = {argument.arg: i >= required for i, argument in enumerate(positional) if i}  # not self
    for argument, default in zip(init.args.kwonlyargs, init.args.kw_defaults, strict=True):
        found[argument.arg] = default is not None
    return found


def is_abstract(kind: Any) -> bool:
    """Whether a class from `read_class` leaves a method to its subclasses."""
    return any(
        ast.unparse(decorator).endswith("abstractmethod")
        for member in read_members(kind).values()
        for decorator in getattr(member, "decorator_list", ())
    )
