"""What a person types after `make` is data, whatever it contains."""

from pathlib import Path

import pytest
from conftest import BIN, ROOT, forks, run

# Its quotes are balanced, within quotes of each kind and without: what follows them would run.
HOSTILE = (
    "$(shell touch by-make)\"; touch by-shell; \"'; touch by-quotes; '"
    "`touch by-ticks`\ntouch by-line"
)
TARGETS = {
    "benchmark": ["FULL", "LOOP"],
    "experiments": ["METRIC"],
    "label-issues": ["DATASET", "RUNS", "FOLDS", "JOBS", "CLUSTER"],
    "learning-curves": ["DATASET"],
    "noise": ["RUN", "SEEDS", "BASE", "HEAD", "CLUSTER"],
    "predict": ["MODEL", "IMAGE", "INVERT"],
    "pull": ["PATHS"],
    "release": ["RUN", "VERSION"],
    "repro": ["JOBS", "CLUSTER"],
    "review": ["BASE", "HEAD", "HTML"],
    "scheduler": ["CLUSTER"],
    "setup": ["EXTRA"],
    "tune": ["RUN", "TRIALS", "FOLDS", "JOBS", "CLUSTER"],
    "verify": ["RUN", "RUNS", "SEED"],
    "worker": ["CLUSTER", "SLOTS", "NAME"],
}


@pytest.mark.slow  # most of these import DVC
@pytest.mark.parametrize("target", TARGETS)
def test_no_variable_is_run_as_a_command(tmp_path: Path, target: str) -> None:
    for name in ("Makefile", "requirements.lock"):
        (tmp_path / name).write_bytes((ROOT / name).read_bytes())
    for name in ("tools", "stages", "params.yaml"):
        (tmp_path / name).symlink_to(ROOT / name)
    # A .venv whose python is forked from one that has imported DVC.
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    for path in BIN.parent.glob("*.*"):
        (tmp_path / ".venv" / path.name).symlink_to(path)
    (tmp_path / ".venv" / "bin" / "python").symlink_to(forks().python)
    for variable in TARGETS[target]:
        others = [f"{name}=a" for name in TARGETS[target] if name != variable]
        run("make", target, *others, f"{variable}={HOSTILE}", cwd=tmp_path, status=2)
    assert not list(tmp_path.glob("by-*"))
