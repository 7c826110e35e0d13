"""A toy copy of the repository on which real DVC runs the real stages."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from filelock import FileLock

from stages.sources import sheet
from tools.engine import stages
from tools.engine.stages import Stages
from tools.sample import first_of_each_class, write_sheet

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
RUNS = yaml.safe_load((ROOT / "tests" / "params.yaml").read_text())["models"]  # of the toy
# A person who did not activate .venv: no stage may depend on it.
ENVIRONMENT = {
    "PATH": "/usr/local/bin:/usr/bin:/bin",
    "HOME": str(Path.home()),
    "GIT_AUTHOR_NAME": "A",
    "GIT_AUTHOR_EMAIL": "a@example.org",
    "GIT_COMMITTER_NAME": "A",
    "GIT_COMMITTER_EMAIL": "a@example.org",
}


# Fit models, time commands, or run DVC on graphs of their own.
SLOW = {
    *("test_accelerated.py", "test_benchmarks.py", "test_export.py", "test_fit.py"),
    *("test_repro.py", "test_svc.py", "test_threads.py", "test_trees.py"),
}


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks the tests that need a trained pipeline, or fit models, as `slow`."""
    needs_training = {"trained", "project", "fresh", "revisions", "swept"}
    for item in items:
        if needs_training.intersection(getattr(item, "fixturenames", ())) or item.path.name in SLOW:
            item.add_marker("slow")


def run(
    *command: str | Path, cwd: Path, status: int | None = 0
) -> subprocess.CompletedProcess[str]:
    """Runs a command, from .venv if it has it, and checks its exit status."""
    program = BIN / command[0] if (BIN / command[0]).exists() else command[0]
    result = subprocess.run(
        [program, *command[1:]],
        cwd=cwd,
        env=ENVIRONMENT,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    if status is not None:
        assert result.returncode == status, f"{command}:\n{result.stdout}\n{result.stderr}"
    return result


def repro(project: Path) -> list[str]:
    """Runs `dvc repro` and returns the names of the stages that ran, in order."""
    return re.findall(r"^Running stage '(.+)':$", run("dvc", "repro", cwd=project).stdout, re.M)


def read_lock(project: Path) -> Stages:
    """The stages of dvc.lock."""
    return stages.read_lock((project / "dvc.lock").read_text())


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def without_times(project: Path) -> Stages:
    """The stages of dvc.lock without the timed ones and `compare`, which shows times."""
    lock = read_lock(project)
    timed = stages.find_timed((project / "dvc.yaml").read_text())
    return {name: lock[name] for name in lock if stages.kind_of(name) not in {*timed, "compare"}}


def make_toy(project: Path) -> None:
    """Creates a repository from the files git tracks here, with toy parameters and toy data."""
    listed = run("git", "ls-files", "-co", "--exclude-standard", cwd=ROOT).stdout.splitlines()
    for name in listed:
        if (
            name.split("/")[0] not in ("tests", "plots", "metrics", "docs")
            and (ROOT / name).is_file()
        ):
            (project / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, project / name)
    shutil.rmtree(project / "data" / "sample")
    (project / "dvc.lock").unlink(missing_ok=True)
    shutil.copyfile(ROOT / "tests" / "params.yaml", project / "params.yaml")
    for dataset in ("fashion_mnist", "cifar10"):
        write_toy_data(project, dataset, "train", images_per_class=40)
        write_toy_data(project, dataset, "test", images_per_class=15)
    run("git", "init", "-q", "-b", "main", cwd=project)
    run("git", "add", "-A", cwd=project)
    run("git", "commit", "-qm", "toy", cwd=project)


def write_toy_data(project: Path, dataset: str, split: str, images_per_class: int) -> None:
    """Writes the first images of each class of the sample to data/toy."""
    images, labels = sheet.read(ROOT / "data" / "sample" / dataset, split, [])
    chosen = first_of_each_class(labels, images_per_class)
    write_sheet(project / "data" / "toy" / dataset, split, images[chosen], labels[chosen])


def shared_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder shared by the processes of one test run."""
    base = tmp_path_factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder that `make` fills once per test run, in the first process that needs it."""
    folder = shared_folder(factory)
    with FileLock(folder / f"{name}.lock"):
        if not (folder / f"{name}.done").exists():
            make(folder / name)
            (folder / f"{name}.done").touch()
    return folder / name


@pytest.fixture(scope="session")
def untrained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy repository before its first `dvc repro`; not to be written to."""
    return make_once(tmp_path_factory, "untrained", make_toy)


@pytest.fixture(scope="session")
def trained(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The toy repository after `dvc repro` and a commit; not to be written to."""

    def train(folder: Path) -> None:
        shutil.copytree(untrained, folder)
        run("python", "-m", "tools.repro", "--jobs", "2", cwd=folder)
        run("git", "add", "-A", cwd=folder)
        run("git", "commit", "-qm", "results", cwd=folder)

    return make_once(tmp_path_factory, "trained", train)


@pytest.fixture
def fresh(untrained: Path, tmp_path: Path) -> Path:
    """A copy of the untrained toy repository to work in."""
    return shutil.copytree(untrained, tmp_path / "fresh")


@pytest.fixture
def project(trained: Path, tmp_path: Path) -> Path:
    """A copy of the trained toy repository to work in."""
    return shutil.copytree(trained, tmp_path / "project")


TREE = "sklearn.tree.DecisionTreeClassifier"


def of_scikit_learn(
    estimator: str, dataset: str = "fashion_mnist", **params: Any
) -> dict[str, Any]:
    """A run's block in params.yaml. Only trees: they are the same on every processor."""
    return {
        "dataset": dataset,
        "layout": "flat",
        "framework": "sklearn",
        "model": "estimator",
        "params": {"estimator": estimator, **params},
    }


BEFORE = {
    "fashion_mnist-tree": of_scikit_learn(TREE),
    "fashion_mnist-forest": of_scikit_learn(
        "sklearn.ensemble.RandomForestClassifier", n_estimators=9
    ),
    "fashion_mnist-stump": of_scikit_learn(TREE, max_depth=1),
    "cifar10-tree": of_scikit_learn(TREE, dataset="cifar10"),
}
# A significant loss, no significant change, a run removed, a run added.
AFTER = {
    "fashion_mnist-tree": of_scikit_learn(TREE, max_depth=1),
    "fashion_mnist-forest": of_scikit_learn(
        "sklearn.ensemble.RandomForestClassifier", n_estimators=10
    ),
    "fashion_mnist-added": of_scikit_learn("sklearn.ensemble.ExtraTreesClassifier", n_estimators=3),
    "cifar10-tree": BEFORE["cifar10-tree"],
}


def commit(project: Path, tag: str) -> None:
    """Runs the pipeline, commits everything and tags it."""
    repro(project)
    run("git", "add", "-A", cwd=project)
    run("git", "commit", "-qm", tag, cwd=project)
    run("git", "tag", tag, cwd=project)


def edit(project: Path, **sections: Any) -> dict[str, Any]:
    """Replaces sections of params.yaml, and returns the whole."""
    path = project / "params.yaml"
    parameters = yaml.safe_load(path.read_text()) | sections
    path.write_text(yaml.safe_dump(parameters, sort_keys=False))
    return parameters  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def revisions(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the tags before, after, other_images and renamed; not to be written to."""

    def make_revisions(project: Path) -> None:
        shutil.copytree(untrained, project)
        data = edit(project, models=BEFORE)["data"]
        commit(project, "before")
        edit(project, models=AFTER)
        commit(project, "after")
        data["cifar10"]["classes"][0] = "plane"
        edit(project, data=data)
        commit(project, "renamed")
        write_toy_data(project, "cifar10", "test", images_per_class=14)
        commit(project, "other_images")

    return make_once(tmp_path_factory, "revisions", make_revisions)
