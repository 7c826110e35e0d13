"""Keeps a training that takes long, so that one that was killed goes on where it was.

A checkpoint is named after all that the training depends on, so that none of another training is
ever used; it has the state bit for bit, so that the model is the same as without the kill.
"""

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import keras
import numpy as np

from stages.datasets.arrays import Split, hash_split
from stages.runtime.files import atomic_write
from stages.runtime.inputs import MB, reading, require_file

FOLDER = Path(".dvc/tmp/checkpoints")
CODE = Path(__file__).parents[2]  # stages/
PAUSE = 20  # seconds between two checkpoints: a shorter training has none
KEPT = 5  # those of other trainings, which were killed
LARGEST = 2_000 * MB  # bytes
REMEDY = "remove it"

Rows = list[dict[str, float]]


def find_own_code() -> list[Path]:
    """The files of this project that the process has imported, in order."""
    files = {getattr(module, "__file__", None) for module in sys.modules.values()}
    paths = (Path(file) for file in files if file)
    return sorted(path for path in paths if path.is_relative_to(CODE))


class Checkpoints:
    """The checkpoints of a training: the values of its variables, and its learning curve so far."""

    def __init__(
        self,
        variables: Sequence[keras.Variable],
        splits: Sequence[Split],
        settings: Mapping[str, Any],
    ) -> None:
        """`settings` is what the training depends on beside code, initial values and images."""
        self.variables, self.splits = variables, splits
        self.digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
        for variable in variables:
            self.digest.update(np.ascontiguousarray(variable).tobytes())
        self.saved_at = time.monotonic()
        self.named: Path | None = None

    @property
    def path(self) -> Path:
        """The file, whose name takes a second to find if there are many images."""
        if self.named is None:
            for split in self.splits:
                self.digest.update(hash_split(*split).encode())
            for code in find_own_code():
                self.digest.update(code.read_bytes())
            self.named = FOLDER / f"{self.digest.hexdigest()[:32]}.npz"
        return self.named

    def resume(self) -> Rows:
        """Puts the variables into the state after the last checkpoint; returns the curve so far.

        Raises:
            InputError: the file is damaged.
        """
        if not any(FOLDER.glob("*.npz")) or not self.path.exists():
            return []
        require_file(self.path, LARGEST, REMEDY)
        with reading(self.path, "checkpoint", REMEDY), np.load(self.path) as arrays:
            rows: Rows = json.loads(str(arrays["curve"]))
            for number, variable in enumerate(self.variables):
                variable.assign(arrays[f"variable{number}"])
        print(f"goes on after epoch {len(rows)}, with {self.path}")
        return rows

    def save(self, curve: Rows) -> None:
        """Writes a checkpoint, if the last one is long ago."""
        if time.monotonic() - self.saved_at < PAUSE:
            return
        others = sorted(FOLDER.glob("*.npz"), key=lambda path: path.stat().st_mtime)
        for other in [path for path in others if path != self.path][:-KEPT]:
            other.unlink(missing_ok=True)
        arrays: dict[str, Any] = {"curve": np.array(json.dumps(curve))}
        arrays |= {f"variable{i}": np.asarray(one) for i, one in enumerate(self.variables)}
        with atomic_write(self.path) as partial, partial.open("wb") as file:
            np.savez(file, **arrays)
        self.saved_at = time.monotonic()

    def remove(self) -> None:
        """Removes the checkpoint of a training that has ended."""
        if self.named:
            self.named.unlink(missing_ok=True)
