"""Which models `evaluate` has scored on which test images: git history, experiments, run cache."""

import json
import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import NamedTuple

from dvc.repo import Repo

from stages.runtime.errors import InputError
from stages.runtime.lock import LOCK
from tools.engine.programs import call, starting
from tools.engine.repository import is_shallow
from tools.store.objects import hash_bytes, read_folder

HERE = Path()
# As DVC writes them, in dvc.lock and in a record. Names have no character that YAML would quote.
STAGE = re.compile(r"^  evaluate@([\w-]+):\n((?:    .*\n)+)", re.M)
COMMAND = re.compile(r"^cmd: python -m\s+stages\.(\w+)\s+(?:data/models/([\w-]+)\.onnx\s)?")
ENTRY = re.compile(r"- path: (\S+)\n(?: +(?!md5:)\w+: .*\n)* +md5: (\S+)\n")
AUDITS = ("data/audit", "metrics/audit")  # the second one until November 2026
FOLDERS = ("data/raw/", "data/normalized/", "data/reshaped/")  # each is made of the one before


class Score(NamedTuple):
    """A model of a run that was scored: MD5s of its file, its predictions and the test images.

    `test` is that of the folder that `evaluate` read, which depends on normalization and layout;
    `images` is the audit's SHA-256 of the images before these, empty if it is not known.
    """

    run: str
    model: str
    predictions: str
    test: str
    images: str = ""


@dataclass
class Scored:
    """All scores that are known, and for each run how many records of one cannot be read.

    `sources` has the MD5 of a folder of test images in data/raw by that of each made of it.
    """

    scores: set[Score] = field(default_factory=set)
    unreadable: Counter[str] = field(default_factory=Counter)
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


def find_dataset(paths: list[str]) -> str:
    """The data set of a run, from the paths that `evaluate` reads; empty if there is none."""
    names = [path.split("/")[-2].rpartition("-")[0] for path in paths if path.endswith("/test")]
    return names[0] if names else ""


def read_history(scored: Scored) -> None:
    """Adds what the dvc.lock of any commit that a branch, tag or experiment leads to records."""
    log = ["log", "--all", "--full-history", "--format=%H", "--", str(LOCK)]
    commits = call(HERE, "git", *log).split()
    found: dict[tuple[str, str], set[Score]] = {}  # by commit and data set
    locks = read_blobs([f"{commit}:./{LOCK}" for commit in commits])
    for commit, lock in zip(commits, locks, strict=True):
        for run, block in STAGE.findall(lock):
            if score := scored.add(run, block):
                dataset = find_dataset([path for path, _ in ENTRY.findall(block)])
                found.setdefault((commit, dataset), set()).add(score)
    asked = [(key, f"{key[0]}:./{folder}/{key[1]}.json") for key in found for folder in AUDITS]
    audits = read_blobs([name for _, name in asked])
    for (key, _), audit in zip(asked, audits, strict=True):
        with suppress(ValueError, LookupError, TypeError):  # missing, or not as it is today
            images = str(json.loads(audit)["test"]["sha256"])
            scored.scores |= {score._replace(images=images) for score in found[key]}


def read_blobs(names: list[str]) -> Iterator[str]:
    """The text of each file in git, named as COMMIT:./PATH; empty if it is missing."""
    with tempfile.TemporaryFile() as asked, starting("git") as git:
        asked.write("".join(f"{name}\n" for name in names).encode())
        asked.seek(0)
        with subprocess.Popen(
            [git, "cat-file", "--batch"],
            stdin=asked,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
        ) as process:
            assert process.stdout is not None
            for _ in names:
                header = process.stdout.readline().split()  # its hash, kind and size
                size = int(header[2]) if len(header) == 3 else -1
                yield process.stdout.read(size + 1)[:-1].decode(errors="replace")


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
    part = [
        {"md5": files[path], "relpath": path.removeprefix("test/")}
        for path in sorted(files)
        if path.startswith("test/")
    ]
    return f"{hash_bytes(json.dumps(part).encode())}.dir"
