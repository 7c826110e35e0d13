"""A training that is killed goes on where it was, and ends with the same bytes."""

import json
import re
import subprocess
import sys
from pathlib import Path

from conftest import ENVIRONMENT, ROOT

TRAIN = """
import hashlib, json, os, signal, sys
from pathlib import Path
import keras
import numpy as np
from keras import layers
from stages.datasets.arrays import read_split, write_split
from stages.frameworks.keras.checkpoint import Checkpoints
from stages.frameworks.keras.fit import fit

kill_after, trainings = json.loads(sys.argv[1])
save = Checkpoints.save

def save_now(self, curve):
    self.saved_at = -1e9
    save(self, curve)
    if len(curve) == kill_after:
        os.kill(os.getpid(), signal.SIGKILL)

opened = set()

def hear(event, arguments):
    if event == "open" and str(arguments[0]).endswith(".py") and "/stages/" in str(arguments[0]):
        opened.add(str(arguments[0]))

sys.addaudithook(hear)

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
for rate, crop in trainings:
    keras.utils.clear_session()  # names of layers are as in a process of its own
    model, curve = fit(
        build, read_split(Path("train")), read_split(Path("validation")), 3, 100, epochs=4,
        batch_size=10, learning_rate=rate, learning_rate_schedule="one_cycle", weight_decay=0.01,
        augment={"flip": 1, "crop": crop},
    )
    digest = hashlib.sha256(repr(curve).encode())
    for weights in model.get_weights():
        digest.update(weights.tobytes())
    print("model", digest.hexdigest())
imported = {getattr(module, "__file__", None) for module in sys.modules.values()}
print("read and not imported:", sorted(opened - imported))
"""


def train(
    folder: Path, kill_after: int, trainings: list[tuple[float, int]]
) -> subprocess.CompletedProcess[str]:
    """Trains with each learning rate and `crop` in turn; none is killed after 0 epochs."""
    return subprocess.run(
        [sys.executable, "-c", TRAIN, json.dumps([kill_after, trainings])],
        cwd=folder,
        env=ENVIRONMENT | {"PYTHONPATH": str(ROOT), "TF_CPP_MIN_LOG_LEVEL": "3"},
        capture_output=True,
        text=True,
    )


def test_a_killed_training_goes_on_and_ends_with_the_same_bytes(tmp_path: Path) -> None:
    folder = tmp_path / ".dvc" / "tmp" / "checkpoints"
    result = train(tmp_path, 2, [(0.01, 2)])
    assert result.returncode == -9, result.stderr
    (path,) = folder.glob("*.npz")
    said = train(tmp_path, 0, [(0.02, 2), (0.01, 1), (0.01, 2), (0.01, 2)]).stdout
    assert said.endswith("\nread and not imported: []\n")  # an edit of other code does not matter
    *others, resumed, again, _ = re.split(r"(?m)^model \w+\n", said)
    for one in (*others, again):  # trainings of their own
        assert "goes on" not in one
        assert one.count("Epoch ") == 4
    assert f"goes on after epoch 2, with .dvc/tmp/checkpoints/{path.name}\n" in resumed
    assert resumed.count("Epoch ") == 2
    first, second, third, fourth = re.findall(r"^model (\w+)$", said, re.M)
    assert third == fourth
    assert len({first, second, third}) == 3
    assert not [*folder.glob("*.npz")]
