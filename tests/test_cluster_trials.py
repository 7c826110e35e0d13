"""Trials on a cluster: nothing of the repository changes, and no images come home."""

import json
import shutil
import signal
from pathlib import Path

import pytest
import yaml
from conftest import edit, make_repro, run
from machines import Machines, on_cluster, require_packages, start_driver, wait_until

require_packages()
pytestmark = [pytest.mark.cluster, pytest.mark.slow]
SWEEP, NOISE, TUNE = "tools.sweep", "tools.noise", "tools.tune"
TREE = "fashion_mnist-decision_tree"
TRIALS = 50


def status_of(project: Path) -> str:
    """What git sees of a project, and what is in dvc.lock."""
    files = run("git", "status", "--porcelain", cwd=project).stdout
    return files + (project / "params.yaml").read_text() + (project / "dvc.lock").read_text()


def set_values(project: Path, **values: object) -> None:
    """Sets parameters of the tree, or the seed."""
    parameters = yaml.safe_load((project / "params.yaml").read_text())
    models = parameters["models"]
    seed = values.pop("seed", parameters["seed"])
    models[TREE]["params"] |= values
    edit(project, models=models, seed=seed)


def test_many_trials_of_a_parameter(machines: Machines, project: Path) -> None:
    before = status_of(project)
    values = ",".join(str(2 + number) for number in range(TRIALS))
    command = (SWEEP, TREE, f"max_depth={values}")
    # Killed in the middle, the next call makes the rest.
    driver = start_driver(machines, project, *command)
    try:
        assert driver.stdout is not None
        while " 5 of 50 " not in driver.stdout.readline():
            assert driver.poll() is None
    finally:
        driver.send_signal(signal.SIGKILL)
        driver.communicate()
    said, _ = on_cluster(machines, project, *command)
    made = said.count("  ran  ")
    assert 30 < made <= TRIALS - 5
    assert made + said.count("  from the cache") == TRIALS
    assert "failed" not in said
    said, _ = on_cluster(machines, project, *command)
    assert said.count("  from the cache") == TRIALS
    assert status_of(project) == before
    # Whoever sets the values of one finds its training in the cache.
    for depth in (7, 2 + TRIALS - 1):
        set_values(project, max_depth=depth)
        states = make_repro(project)
        assert states[f"train@{TREE}"] == "from the cache"
        assert "ran" not in {states[name] for name in states if name.startswith("train")}


def test_seeds_are_chains_whose_images_stay_there(machines: Machines, project: Path) -> None:
    cache = project / ".dvc" / "cache" / "files"

    def list_objects() -> dict[Path, int]:
        return {one: one.stat().st_size for one in cache.rglob("*") if one.is_file()}

    images = (project / "data/raw/fashion_mnist/train/images.npy").stat().st_size
    known, before = list_objects(), status_of(project)
    said, _ = on_cluster(machines, project, SWEEP, TREE, "max_depth=5 seed=100,101,102")
    table = said.partition("\nrun  ")[2]
    assert "seed=102 " in table, said  # though its images are elsewhere
    new = {one: size for one, size in list_objects().items() if one not in known}
    assert sum(new.values()) < images / 2
    assert status_of(project) == before
    # The same training as here: its spread is known without another one.
    set_values(project, max_depth=5)
    said = run("python", "-m", NOISE, "--seeds", "3", TREE, cwd=project).stdout
    assert "over 3 seeds" in said
    assert list_objects().keys() == known.keys() | new.keys()

    run("dvc", "remote", "add", "-d", "storage", project.parent / "storage", cwd=project)
    pushed = run("python", "-m", "tools.push", cwd=project)
    assert "files of runs that are not committed are not in DVC's cache" in pushed.stdout
    assert "Missing cache files" not in pushed.stderr  # DVC names each, as if it were a fault
    set_values(project, max_depth=5, seed=102)
    assert make_repro(project)[f"train@{TREE}"] == "from the cache"


def test_a_search_gives_the_same_bytes(machines: Machines, project: Path, tmp_path: Path) -> None:
    models = yaml.safe_load((project / "params.yaml").read_text())["models"]
    models[TREE]["params"]["min_samples_leaf"] = 1
    models[TREE]["tune"] = {"min_samples_leaf": {"low": 1, "high": 9}}
    edit(project, models=models)
    make_repro(project)
    alone = shutil.copytree(project, tmp_path / "alone")
    command = (TUNE, "--trials", "4", "--folds", "2", TREE)
    on_cluster(machines, project, *command)
    run("python", "-m", *command, cwd=alone)
    table = Path("metrics/tune") / f"{TREE}.csv"
    assert (project / table).read_bytes() == (alone / table).read_bytes()


PROBE = """
import json, sys

from tools.cluster.options import open_bench
from tools.trials.lab import open_lab
from tools.trials.run import run_trials
from tools.trials.trial import Trial

if __name__ == "__main__":
    run = "fashion_mnist-mlp"
    trials = [Trial(run, {f"models.{run}.params.epochs": 9000})]
    with open_lab(run) as lab, open_bench(sys.argv[1], False, follows=True) as bench:
        (one,) = run_trials(lab, trials, stop=lambda number, rows: len(rows) >= 2, cluster=bench)
    print(json.dumps([one.state, one.reason, [dict(row) for row in one.curve]]))
"""


def test_a_hopeless_training_is_stopped_there(machines: Machines, project: Path) -> None:
    (project / "tools/probe.py").write_text(PROBE)
    said = run("python", "-m", "tools.probe", machines.address, cwd=project).stdout
    state, reason, curve = json.loads(said.splitlines()[-1])
    assert (state, reason) == ("stopped", f"stopped after epoch {len(curve)}")
    assert 0 < curve[1]["val_accuracy"] < 1
    wait_until(lambda: not any(machines.find_commands(name) for name in ("one", "two")), 5)
