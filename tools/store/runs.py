"""DVC's run cache, believed only as far as it can be checked.

A record says which outputs a command made of which inputs. Anybody who can write to the remote can
write one: that its outputs have the content that it names is checked, that the command made them is
not. dvc.lock comes from git; `tools.pull` takes only what that names.
"""

import copy
import json
from collections.abc import Iterator
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import voluptuous
import yaml
from dvc.repo import Repo
from dvc.schema import COMPILED_LOCK_FILE_STAGE_SCHEMA
from dvc.stage.cache import StageCache, _get_cache_hash, _get_stage_hash
from dvc.utils.serialize import dumps_yaml

from stages.runtime.files import atomic_write
from stages.runtime.lock import parse
from tools.store.bring import complete_outputs
from tools.store.outputs import describe, require_no_links
from tools.store.remote import has_remote, one_line_errors, open_remote

RECORD_BYTES = 1_000_000  # at most


class CheckedStageCache(StageCache):  # type: ignore[misc]
    """DVC's run cache; `restore` checks the record and hashes all that it takes.

    With `from_remote`, the records and objects that are not here come from the default remote.
    """

    def __init__(self, repo: Repo, from_remote: bool) -> None:
        super().__init__(repo)
        self.from_remote = from_remote and has_remote(repo)

    def _load(self, stage: Any) -> dict[str, Any] | None:
        key = _get_stage_hash(stage)
        if self.from_remote and not Path(self._get_cache_dir(key)).exists():
            fetch_records(self.repo, self, key)
        return next(read_records(self, key), None)

    def _create_stage(self, cache: dict[str, Any], wdir: str | None = None) -> Any:
        stage = super()._create_stage(cache, wdir)
        outputs = [describe(self.repo, out) for out in stage.outs]
        for one in outputs:
            require_no_links(self.repo, one)
        complete_outputs(self.repo, outputs, self.from_remote)
        return stage


def get_key(record: dict[str, Any]) -> str:
    """The hash of a record's command, inputs and paths of outputs, by which DVC finds it."""
    return str(_get_cache_hash(copy.deepcopy(record), key=True))


def find_record(repo: Repo, key: str) -> dict[str, Any] | None:
    """The newest record of a key whose outputs DVC's cache has, by name alone; None without one."""
    for record in read_records(StageCache(repo), key):
        oids = [out["md5"] for out in record["outs"]]
        if all(Path(repo.cache.local.oid_to_path(oid)).exists() for oid in oids):
            return record
    return None


def read_records(cache: StageCache, key: str) -> Iterator[dict[str, Any]]:
    """The records of a key that are what their key says, the newest first."""
    folder = Path(cache._get_cache_dir(key))
    paths = folder.iterdir() if folder.is_dir() else ()
    for path in sorted(paths, key=lambda path: -path.stat().st_mtime_ns):
        record: dict[str, Any] | None = cache._load_cache(key, path.name)
        if record and get_key(record) == key:
            yield record


def write_record(repo: Repo, record: dict[str, Any]) -> None:
    """Writes a record, an entry of dvc.lock, to where DVC looks for it."""
    COMPILED_LOCK_FILE_STAGE_SCHEMA(record)
    name = _get_cache_hash(copy.deepcopy(record))
    with atomic_write(Path(StageCache(repo)._get_cache_path(get_key(record), name))) as partial:
        partial.write_text(format_record(record), encoding="utf-8")


def format_record(record: dict[str, Any]) -> str:
    """A record as DVC writes it. Those of trials have the same dependencies, two thirds of it."""
    deps = json.dumps({"deps": record["deps"]})
    return "".join(
        format_deps(deps) if key == "deps" else dumps_yaml({key: value})
        for key, value in record.items()
    )


@lru_cache(maxsize=10)
def format_deps(deps: str) -> str:
    """Dependencies, which are given as JSON, as DVC writes them."""
    return str(dumps_yaml(json.loads(deps)))


def fetch_records(repo: Repo, cache: CheckedStageCache, key: str) -> None:
    """Takes the records of a key from the default remote, if they are what their names say."""
    remote = open_remote(repo, hash_name="md5-dos2unix")
    with one_line_errors(repo.config), suppress(FileNotFoundError):
        folder = remote.fs.join(remote.path, "runs", key[:2], key)
        for path in remote.fs.find(folder):
            name = remote.fs.name(path)
            if remote.fs.size(path) > RECORD_BYTES:
                continue
            content = remote.fs.cat_file(path)
            if is_record(content, key, name):
                with atomic_write(Path(cache._get_cache_path(key, name))) as partial:
                    partial.write_bytes(content)


def is_record(content: bytes, key: str, name: str) -> bool:
    """Whether a file is a record with this key and name, both of which are hashes of it."""
    try:
        record = COMPILED_LOCK_FILE_STAGE_SCHEMA(parse(content))
    except (yaml.YAMLError, voluptuous.Invalid, ValueError):
        return False
    return get_key(record) == key and _get_cache_hash(record) == name
