"""Objects in DVC's cache: files that are named by the MD5 of their content.

The name of an object that lists the files of a folder ends in `.dir`. DVC checks neither the
content of such an object nor where its paths lead, and no object that is read-only.
"""

import hashlib
import json
import stat
from collections.abc import Callable, Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated

from pydantic import AfterValidator, BaseModel, Field, TypeAdapter, ValidationError

from stages.runtime.errors import InputError
from stages.runtime.inputs import MB, reading, require_file

LARGEST = 100 * MB  # bytes of the list of a folder's files
BLOCK = 1 << 20  # bytes read at a time


def hash_content(path: Path, advance: Callable[[int], object] = lambda _: None) -> str:
    """The MD5 of a file's content, read again; `advance` is called with each number of bytes."""
    digest = hashlib.md5(usedforsecurity=False)
    with path.open("rb") as file:
        while block := file.read(BLOCK):
            digest.update(block)
            advance(len(block))
    return digest.hexdigest()


def hash_bytes(content: bytes) -> str:
    """The MD5 of bytes."""
    return hashlib.md5(content, usedforsecurity=False).hexdigest()


def is_intact(path: Path, oid: str, advance: Callable[[int], object] = lambda _: None) -> bool:
    """Whether `path` is a file, not a link to one, with the content that the name `oid` promises.

    Raises:
        FileNotFoundError: there is nothing at `path`.
    """
    if not stat.S_ISREG(path.lstat().st_mode):
        return False
    return hash_content(path, advance) == oid.removesuffix(".dir")


def require_confined(path: str) -> str:
    """`path`, if it leads to a file in the folder that it is relative to.

    Raises:
        ValueError: it may lead elsewhere.
    """
    pure = PurePosixPath(path)
    is_plain = "/".join(pure.parts) == path and path.isprintable() and "\\" not in path
    if not is_plain or pure.is_absolute() or ".." in pure.parts:
        raise ValueError("it must be a relative path without `..`")
    return path


class Entry(BaseModel):
    """A file in a folder."""

    md5: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    relpath: Annotated[str, Field(min_length=1, max_length=500), AfterValidator(require_confined)]


ENTRIES = TypeAdapter(list[Entry])


def read_folder(path: Path, name: str) -> dict[str, str]:
    """The files of a folder, from its `.dir` object at `path`: MD5 by path.

    Raises:
        InputError: it is not such a list, or a file in it may be written outside of the folder;
            the message names the folder as `name`.
    """
    remedy = "run `make verify-files`"
    require_file(path, LARGEST, remedy)
    try:
        with reading(path, "list of files", remedy):
            content = path.read_bytes()
        entries = ENTRIES.validate_json(content)
    except ValidationError as error:
        first = error.errors()[0]
        raise InputError(
            f"{name}: the list of its files is refused: {str(first['input'])[:80]!r} in "
            f"{'.'.join(map(str, first['loc'])) or 'it'}: {first['msg']}"
        ) from None
    files = {entry.relpath: entry.md5 for entry in entries}
    folders = {str(parent) for file in files for parent in PurePosixPath(file).parents}
    if len(files) < len(entries) or folders & files.keys():
        raise InputError(f"{name}: the list of its files is refused: it has a path twice")
    return files


def list_folder(files: Mapping[str, str]) -> tuple[str, bytes]:
    """The name and the content of the object that lists the files of a folder: MD5 by path.

    The content is what DVC writes, to the byte.
    """
    entries = [{"md5": files[path], "relpath": path} for path in sorted(files)]
    content = json.dumps(entries, sort_keys=True).encode()
    return f"{hash_bytes(content)}.dir", content
