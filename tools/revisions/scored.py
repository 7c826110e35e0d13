"""Which models `evaluate` has scored on which test images: git history, experiments, run cache."""

import json
import re
import subprocess
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from dvc.repo import Repo

from stages.runtime.errors import InputError
from stages.runtime.lock import LOCK
from tools.engine.programs import call, starting
from tools.engine.repository import is_shallow
from tools.store.objects import list_folder, read_folder

HERE = Path()
# As DVC writes them, in dvc.lock and in a record. Names have no character that YAML would quote.
STAGE = re.compile(r"^  evaluate@([\w-]+):\n((?:    .*\n)+)", re.M)
COMMAND = re.compile(r"^cmd: python -m\s+stages\.(\w+)\s+(?:data/models/([\w-]+)\.onnx\s)?")
ENTRY = re.compile(r"- path: (\S+)\n(?: +(?!md5:)\w+: .*\n)* +md5: (\S+)\n")
AUDITS = ("data/audit", "metrics/audit")  # the second one until November 2026
FOLDERS = ("data/raw/", "data/normalized/", "data/reshaped/")  # each is made of the one before


class Score(NamedTuple):
    """A model of a run that was scored: MD5s of its file, its predictions and the test images.

    `test` is that of the folder that `evaluate` read: it depends on normalization and layout.
    """

    run: str
    model: str
    predictions: str
    test: str


@dataclass
class Scored:
    """All scores that are known, and for each run how many records of one cannot be read.

    What is known of a `test`: `images` has the audit's SHA-256 of the images that it was made of,
    `sources` the MD5 of their folder in data/raw.
    """

    scores: set[Score] = field(default_factory=set)
    unreadable: Counter[str] = field(default_factory=Counter)
    images: dict[str, str] = field(default_factory=dict)
    sources: dict[str, str] = field(default_factory=dict)
    is_shallow: bool = False

    def add(self, run: str, text: str) -> Score | None:
        """Takes the score of a run from the text of what DVC records of `evaluate`."""
        score = read_score(run, dict(ENTRY.findall(text)))
        if score is None:
            self.unreadable[run] += 1
        else:
            self.scores.add(score)
        return score


def read_scored() -> Scored:
    """Reads the dvc.lock of every commit, those of experiments among them, and the run cache."""
    scored = Scored(is_shallow=is_shallow())
    read_history(scored)
    read_run_cache(scored)
    return scored


def read_score(run: str, entries: dict[str, str]) -> Score | None:
    """The score of a run from the MD5 of each path that its stage `evaluate` reads or writes."""
    model = entries.get(f"data/models/{run}.onnx")
    tests = [md5 for path, md5 in entries.items() if path.endswith("/test")]
    if model is None or len(tests) != 1:
        return None
    return Score(run, model, entries.get(f"plots/{run}/predictions.csv", ""), tests[0])


def find_dataset(block: str) -> str:
    """The data set whose test images a stage reads: data/reshaped/DATASET-LAYOUT/test."""
    found = re.search(r"- path: \S*?([\w-]+)-\w+/test\n", block)
    return found[1] if found else ""


def read_history(scored: Scored) -> None:
    """Adds what the dvc.lock of any commit that a branch, tag or experiment leads to records.

    The oldest comes first: the first audit beside a folder that `evaluate` read is of the same
    images. Later the data may have changed, and the run not have been scored again.
    """
    log = ["log", "--all", "--full-history", "--topo-order", "--reverse", "--format=%H"]
    commits = call(HERE, "git", *log, "--", str(LOCK)).split()
    with reading_git() as read:
        for commit in commits:
            for run, block in STAGE.findall(read(f"{commit}:./{LOCK}")):
                score = scored.add(run, block)
                if score is None or score.test in scored.images:
                    continue
                for folder in AUDITS:
                    with suppress(ValueError, LookupError, TypeError):  # none, or without a hash
                        audit = json.loads(read(f"{commit}:./{folder}/{find_dataset(block)}.json"))
                        scored.images[score.test] = str(audit["test"]["sha256"])


@contextmanager
def reading_git() -> Iterator[Callable[[str], str]]:
    """Yields what returns the text of a file in git, named as COMMIT:./PATH; empty if missing."""
    with (
        starting("git") as git,
        subprocess.Popen(
            [git, "cat-file", "--batch"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process,
    ):
        stdin: Any = process.stdin
        stdout: Any = process.stdout

        def read(name: str) -> str:
            stdin.write(f"{name}\n".encode())
            stdin.flush()
            header = stdout.readline().split()  # its hash, kind and size, or: missing
            size = int(header[2]) if len(header) == 3 else -1
            return stdout.read(size + 1)[:-1].decode(errors="replace")

        yield read


def read_run_cache(scored: Scored) -> None:
    """Adds what DVC's run cache records, also of what was never committed."""
    with Repo() as repo:
        records, objects = Path(repo.stage_cache.cache_dir), Path(repo.cache.local.path)
    made_of: dict[str, str] = {}  # MD5s of folders that `normalize` and `reshape` wrote and read
    for path in records.glob("*/*/*"):
        text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
        stage, run = found.groups() if (found := COMMAND.match(text)) else ("", None)
        if stage == "evaluate" and run:
            scored.add(run, text)
        elif stage in ("normalize", "reshape"):
            entries = ENTRY.findall(text)
            chain = [md5 for name in FOLDERS for at, md5 in entries if at.startswith(name)]
            made_of |= dict(zip(chain[1:], chain, strict=False))
    for reshaped, normalized in made_of.items():
        with suppress(InputError, FileNotFoundError):  # `dvc gc` has removed it
            if raw := made_of.get(normalized):
                scored.sources[hash_test(objects, reshaped)] = hash_test(objects, raw)


def hash_test(objects: Path, folder: str) -> str:
    """The MD5 of the part `test/` of a folder in DVC's cache, as DVC computes it."""
    files = read_folder(objects / folder[:2] / folder[2:], folder)
    part = {
        path.removeprefix("test/"): md5 for path, md5 in files.items() if path.startswith("test/")
    }
    return list_folder(part)[0]
