"""The pipeline of a commit, in a clone of it, and where the inputs of its stages are."""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.repo import Repo

from stages.runtime.errors import InputError
from tools.cluster.site import Site
from tools.cluster.step import hash_files
from tools.engine.plan import Stage, open_repository, read_stages
from tools.revisions.clone import in_clone_of
from tools.revisions.revision import find_commit
from tools.store.bring import complete_outputs
from tools.store.objects import hash_content
from tools.store.outputs import describe
from tools.trials.contents import File, Files, find_files, select, size_of

TRAIN = "train@"
SITE = ".dvc/tmp/verify"  # in the clone: what runs there reads and writes


@dataclass(frozen=True)
class Commit:
    """The stages of a commit, as DVC reads them in a clone that shares its cache.

    `workspace` is the project that was cloned, and `site` runs stages. `sources` has by MD5 where
    files are that are not in DVC's cache.
    """

    name: str
    workspace: Path
    repo: Repo
    stages: dict[str, Stage]
    site: Site
    sources: dict[str, Path]

    @property
    def runs(self) -> list[str]:
        """The runs whose training dvc.lock records."""
        return [
            name.removeprefix(TRAIN)
            for name, stage in self.stages.items()
            if name.startswith(TRAIN) and all(out.hash_info for out in stage.of_dvc.outs)
        ]

    def find_out(self, dep: Any) -> Any:
        """The output of a stage that a dependency is or lies in.

        Raises:
            InputError: there is none.
        """
        for out in self.repo.find_outs_by_path(dep.fs_path, strict=False):
            return out
        raise InputError(f"{dep.def_path}: {self.name} lacks it, and no stage writes it")

    def find_files(self, dep: Any) -> Files | None:
        """The files of a dependency: of the commit, else those that dvc.lock names.

        The latter are in DVC's cache, in a remote or, where DVC keeps none, in the workspace. None
        if they are not.

        Raises:
            InputError: no stage writes it, or an object has other content than its name says.
        """
        if dep.exists:
            return self.note(hash_files(dep), Path(dep.fs_path))
        out = self.find_out(dep)
        output = describe(self.repo, out)
        if output.in_cache:
            objects = complete_outputs(self.repo, [output])[output]
            if objects is None:
                return None
            files = {inner: File(md5, size_of(self.repo, md5)) for inner, md5 in objects.items()}
            return select({out.def_path: files}, dep.def_path)
        here = self.workspace / dep.def_path
        if not here.exists():
            return None
        files = {
            inner: File(hash_content(path), path.stat().st_size)
            for inner, path in find_files(here, dep.def_path)
        }
        return self.note(files, here)

    def note(self, files: Files, place: Path) -> Files:
        """Remembers that files are at or in a place."""
        self.sources.update({file.md5: place / inner for inner, file in files.items()})
        return files


@contextmanager
def open_commit() -> Iterator[Commit]:
    """Clones the last commit. What is not committed does not matter."""
    workspace = Path.cwd()
    name = f"commit {find_commit('HEAD')[:7]}"
    sources = dict[str, Path]()
    with in_clone_of("HEAD"), open_repository() as repo:

        def fetch(md5: str, target: Path) -> bool:
            source = sources.get(md5) or Path(repo.cache.local.oid_to_path(md5))
            if not source.exists():
                return False
            shutil.copyfile(source, target)
            return True

        site = Site("here", Path(SITE).absolute(), fetch, send=lambda names: None)
        yield Commit(name, workspace, repo, read_stages(repo), site, sources)
