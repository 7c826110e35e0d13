"""A training that is killed goes on where it was, and ends with the same bytes."""

import subprocess
import sys
from pathlib import Path

import pytest
from conftest import ENVIRONMENT, ROOT

TRAIN = """
import hashlib, os, signal, sys
from pathlib import Path
import keras
import numpy as np
from keras import layers
from stages.datasets.arrays import read_split, write_split
from stages.frameworks.keras.checkpoint import Checkpoints
from stages.frameworks.keras.fit import fit

kill_after, rate, crop = int(sys.argv[1]), float(sys.argv[2]), int(sys.argv[3])
save = Checkpoints.save

def save_now(self, curve):
    self.last = -1e9
    save(self, curve)
    if len(curve) == kill_after:
        os.kill(os.getpid(), signal.SIGKILL)

def build(shape, classes):
    return keras.Sequential([
        keras.Input(shape), layers.Conv2D(4, 3), layers.BatchNormalization(), layers.Flatten(),
        layers.Dropout(0.3), layers.Dense(classes, activation="softmax"),
    ])

Checkpoints.save = save_now
random = np.random.default_rng(0)
for name in ("train", "validation"):
    if not Path(name).exists():
        labels = random.integers(3, size=45).astype(np.uint8)
        write_split(Path(name), random.random((45, 8, 8, 1), dtype=np.float32), labels)
model, curve = fit(
    build, read_split(Path("train")), read_split(Path("validation")), 3, 100, epochs=4,
    batch_size=10, learning_rate=rate, learning_rate_schedule="one_cycle", weight_decay=0.01,
    augment={"flip": 1, "crop": crop},
)
digest = hashlib.sha256(repr(curve).encode())
for weights in model.get_weights():
    digest.update(weights.tobytes())
print("model", digest.hexdigest())
"""


def train(
    folder: Path, kill_after: int, rate: float = 0.01, crop: int = 2
) -> subprocess.CompletedProcess[str]:
    folder.mkdir(exist_ok=True)
    return subprocess.run(
        [sys.executable, "-c", TRAIN, str(kill_after), str(rate), str(crop)],
        cwd=folder,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )


@pytest.mark.slow
def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    alone, killed = tmp_path / "alone", tmp_path / "killed"
    expected = train(alone, 0).stdout.splitlines()[-1]
    assert expected.startswith("model ")
    checkpoints = killed / ".dvc" / "tmp" / "checkpoints"
    for kill_after in (1, 3):
        result = train(killed, kill_after)
        assert result.returncode == -9, result.stderr
        (path,) = checkpoints.glob("*.npz")
    for other in (train(killed, 0, rate=0.02), train(killed, 0, crop=1)):  # other trainings
        assert "goes on" not in other.stdout
        assert other.stdout.splitlines()[-1] != expected
        assert [*checkpoints.glob("*.npz")] == [path]

    said = train(killed, 0).stdout
    assert "goes on after epoch 3, with .dvc/tmp/checkpoints/" in said
    assert said.count("\nEpoch ") + said.startswith("Epoch ") == 1
    assert said.splitlines()[-1] == expected
    assert not [*checkpoints.glob("*.npz")]
