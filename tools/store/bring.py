"""Brings outputs into the workspace, from DVC's cache or a remote, checked by content."""

from collections.abc import Iterable
from pathlib import Path

from dvc.repo import Repo

from tools.store.objects import read_folder
from tools.store.outputs import Output, read_outputs, require_no_links
from tools.store.remote import BYTES_PER_FILE, Wanted, complete


def bring(
    repo: Repo,
    paths: Iterable[Path] = (),
    only_absent: bool = False,
    from_remote: bool = True,
) -> tuple[int, list[Path]]:
    """Checks out the outputs at `paths`, or all that DVC keeps; returns their number.

    And those that could not be, since objects of theirs are nowhere; they stay as they are.

    Raises:
        InputError: an object has other content than its name says, a folder's list leads elsewhere,
            or a link does; then nothing is checked out.
    """
    outputs = [one for one in read_outputs(repo, paths) if one.in_cache]
    if only_absent:  # in the workspace
        outputs = [one for one in outputs if not Path(repo.root_dir, one.path).exists()]
    for one in outputs:
        require_no_links(repo, one)
    contents = complete_outputs(repo, outputs, from_remote)
    whole = [one for one in outputs if contents[one] is not None]
    repo.drop_data_index()  # may hold lists of files that came from elsewhere
    if whole:
        repo.checkout([str(one.path) for one in whole])
    return len(whole), [one.path for one in outputs if contents[one] is None]


def complete_outputs(
    repo: Repo, outputs: Iterable[Output], from_remote: bool = True
) -> dict[Output, dict[str, str] | None]:
    """Makes DVC's cache have the objects of outputs: MD5s by path, in a folder, of their files.

    What is missing comes from the default remote, unless `from_remote` is false. A single file
    has the path "". None for an output whose objects are not all to be had.
    """
    outputs = list(outputs)
    lists = {
        one.oid: Wanted(str(one.path), BYTES_PER_FILE * one.files)
        for one in outputs
        if one.files is not None
    }
    absent = set(complete(repo, lists, from_remote))
    contents: dict[Output, dict[str, str] | None] = {}
    for one in outputs:
        if one.files is None:
            contents[one] = {"": one.oid}
        elif one.oid in absent:
            contents[one] = None
        else:
            path = Path(repo.cache.local.oid_to_path(one.oid))
            contents[one] = read_folder(path, str(one.path))
    files = {
        oid: Wanted(str(one.path / path), one.size)
        for one, content in contents.items()
        for path, oid in (content or {}).items()
    }
    absent = set(complete(repo, files, from_remote))
    return {
        one: None if content is None or absent & set(content.values()) else content
        for one, content in contents.items()
    }
