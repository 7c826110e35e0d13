"""What all trials of a run share: its chain of stages, copies of its code, and what is known."""

import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.repo import Repo

from stages.check import check
from stages.runtime.errors import InputError
from stages.runtime.files import locked, remove
from stages.runtime.parameters import read_parameters
from tools.engine import processes
from tools.engine.plan import open_repository
from tools.store.runs import find_record, get_key, write_record
from tools.trials.chain import Entry, Link, Root, read_chain
from tools.trials.contents import Files, adopt, describe, is_here, keep, read_outputs
from tools.trials.sandbox import copy_roots, lay_out
from tools.trials.trial import Trial
from tools.trials.values import require_may_vary, with_values

FOLDER = Path(f".dvc/tmp/trials-{os.getpid()}")


@dataclass
class Lab:
    """A run whose trials are made: `parameters` are those of params.yaml.

    `known` has the outputs of stages, by the keys of their records in DVC's run cache; `here` the
    keys of those whose objects were all in its cache when it was first asked for them; `gates`
    those of the stages that trials do not run; `checked` the objects that were hashed.
    """

    repo: Repo
    run: str
    parameters: dict[str, Any]
    chain: list[Link]
    roots: dict[str, Root]
    held_out: Link
    known: dict[str, dict[str, Files]] = field(default_factory=dict)
    here: set[str] = field(default_factory=set)
    gates: dict[str, Files] = field(default_factory=dict)
    checked: set[str] = field(default_factory=set)

    @property
    def dataset(self) -> str:
        """The data set of the run."""
        return str(self.parameters["models"][self.run]["dataset"])

    @property
    def raw(self) -> str:
        """The folder in which its images are as the data set has them."""
        return f"data/raw/{self.dataset}"

    @property
    def answers(self) -> str:
        """The folder in which the training says what it answered for the validation images."""
        return f"data/validation/{self.run}"

    def find_parameters(self, trial: Trial) -> dict[str, Any]:
        """All parameters of a trial.

        Raises:
            InputError: a value is not valid, or its parameter cannot vary.
        """
        for name in trial.values:
            block = self.parameters["models"][self.run]
            require_may_vary(name, self.run, self.dataset, str(block["layout"]))
        parameters = with_values(self.parameters, trial.values)
        own = {self.run: parameters["models"][self.run]}  # no value is one of another run
        try:
            check(parameters | {"models": own, "more": {}})
        except InputError as error:
            raise InputError(f"params.yaml: {error}") from None
        return parameters

    def find_outputs(
        self, link: Link, entry: Entry, here: bool = True
    ) -> tuple[str, dict[str, Files] | None]:
        """The key of a stage with these inputs, and its outputs, if it has ever run.

        Unless they must be `here`, some may be on other machines.
        """
        paths = [{"path": path} for path in link.outs]
        key = get_key(entry | {"outs": paths})
        if key not in self.known:
            record = find_record(self.repo, key)
            contents = record and read_outputs(self.repo, record["outs"])
            if contents:
                self.known[key] = contents
        found = self.known.get(key)
        if found and here and key not in self.here:
            if not all(is_here(self.repo, files) for files in found.values()):
                return key, None
            self.here.add(key)
        return key, found

    def record(self, link: Link, entry: Entry, key: str, folder: Path) -> dict[str, Files]:
        """Keeps the outputs that a stage has written to a folder in DVC's cache, with a record.

        Raises:
            InputError: it has not written one, or what it read in the workspace has changed.
        """
        for path in link.deps:
            root = self.roots.get(path)
            if root and root.is_here and (folder / path).resolve() == Path(path).resolve():
                with self.repo.lock:
                    if root.of_dvc.get_hash().value != root.entry["md5"]:
                        raise InputError(f"{path} changed while it ran; run again")
        contents = {path: keep(self.repo, folder / path) for path in link.outs}
        self.here.add(key)
        self.note(link, entry, key, contents)
        return contents

    def adopt(
        self, link: Link, entry: Entry, contents: dict[str, Files], folder: Path | None
    ) -> None:
        """Keeps the outputs of a stage that ran elsewhere; `folder` has those that came home."""
        for files in contents.values():
            adopt(self.repo, files, folder)
        self.note(link, entry, self.find_outputs(link, entry)[0], contents)

    def note(self, link: Link, entry: Entry, key: str, contents: dict[str, Files]) -> None:
        """Writes the record of a stage."""
        if link.is_recorded:
            outs = [describe(path, files) for path, files in contents.items()]
            write_record(self.repo, entry | {"outs": outs})
        self.known[key] = contents

    def lay_out(self, link: Link, entry: Entry, contents: Mapping[str, Files], name: str) -> Path:
        """A new folder for the command of a stage to run in, with its inputs."""
        folder = FOLDER / name
        folder.mkdir()
        try:
            lay_out(self.repo, link, entry, FOLDER / "copies", contents, folder, self.checked)
        except BaseException:
            remove(folder)  # another trial may need the same stage
            raise
        return folder


@contextmanager
def open_lab(run: str) -> Iterator[Lab]:
    """Reads what the trials of a run need, from the workspace; what is edited later has no effect.

    Raises:
        InputError: there is no such run, or a file that it needs is missing or not valid.
    """
    FOLDER.parent.mkdir(parents=True, exist_ok=True)
    with locked(FOLDER.with_name("trials.lock"), "runs trials"), open_repository() as repo:
        for left in FOLDER.parent.glob("trials-*"):  # by a killed process, whose stages may go on
            shutil.rmtree(left, ignore_errors=True)
        (FOLDER / "copies").mkdir(parents=True)
        try:
            lab = read_lab(repo, run)
            require_answers(lab)
            processes.preload(lab.parameters["models"][run]["framework"])
            copy_roots(repo, lab.roots, FOLDER / "copies", lab.checked)
            yield lab
        except DvcException as error:
            raise InputError(str(error)) from None
        finally:
            shutil.rmtree(FOLDER, ignore_errors=True)


def read_lab(repo: Repo, run: str) -> Lab:
    """What the trials of a run depend on, as it is now in the workspace."""
    with repo.lock:
        chain, roots, held_out = read_chain(repo, run)
    return Lab(repo, run, read_parameters(), chain, roots, held_out)


def require_answers(lab: Lab) -> None:
    """Refuses a pipeline of old, which says nothing of the validation images."""
    if lab.answers not in lab.chain[-1].outs:
        raise InputError(
            f"dvc.yaml: train@{lab.run} does not write {lab.answers}, by which trials are "
            "compared; choose a revision since November 2026"
        )
