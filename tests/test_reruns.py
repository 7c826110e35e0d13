"""An edit reruns exactly what it should."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import BEFORE, FEW, edit, make_repro, repro
from conftest import RUNS as ALL_RUNS

from stages.sources import sheet
from tools.sample import write_sheet


def substitute(name: str, old: str, new: str) -> Callable[[Path], None]:
    def edit(project: Path) -> None:
        content = (project / name).read_text()
        assert content.count(old) == 1, f"{old!r} occurs {content.count(old)} times in {name}"
        (project / name).write_text(content.replace(old, new))

    return edit


def add_comment(name: str) -> Callable[[Path], None]:
    def edit(project: Path) -> None:
        with (project / name).open("a") as file:
            file.write("# a comment\n")

    return edit


def move_data(project: Path) -> None:
    shutil.move(project / "data/toy/fashion_mnist", project / "data/toy/moved")
    substitute("params.yaml", "data/toy/fashion_mnist", "data/toy/moved")(project)


def take_other_test_images(project: Path) -> None:
    shutil.copytree(project / "data/toy/cifar10", project / "data/toy/other")
    images, labels = sheet.read_files(sheet.find(project / "data/toy/cifar10")["test"])
    write_sheet(project / "data/toy/other", "test", images[::-1], labels[::-1])
    substitute("params.yaml", "data/toy/cifar10", "data/toy/other")(project)


def measure_seeds(project: Path) -> None:
    (project / "docs/noise/fashion_mnist-svc.json").write_text('{"recipe": {}, "accuracy": []}')


def add_run(project: Path) -> None:
    with (project / "params.yaml").open("a") as file:
        file.write(
            "  fashion_mnist-bayes:\n    {dataset: fashion_mnist, layout: flat, "
            "framework: sklearn, model: estimator,\n"
            "     params: {estimator: sklearn.naive_bayes.GaussianNB}}\n"
        )


def of_run(name: str) -> set[str]:
    return {f"{stage}@{name}" for stage in ("train", "evaluate", "profile", "plot", "card")}


DATA = {
    f"{stage}@{dataset}"
    for stage in ("load", "audit", "normalize")
    for dataset in ("fashion_mnist", "cifar10")
} | {f"reshape@{d}-{layout}" for d in ("fashion_mnist", "cifar10") for layout in ("flat", "image")}
RUNS = {name: ALL_RUNS[name] for name in FEW}
CIFAR10 = {name for name, settings in RUNS.items() if settings["dataset"] == "cifar10"}
SKLEARN = {name for name, settings in RUNS.items() if settings["framework"] == "sklearn"}

EDITS: dict[str, tuple[Callable[[Path], None], set[str]]] = {
    "one model's parameter": (
        substitute("params.yaml", "max_depth: null", "max_depth: 3"),
        {"check", "compare"} | of_run("fashion_mnist-decision_tree"),
    ),
    "another's epochs": (
        substitute(
            "params.yaml", "epochs: 2\n      batch_size: 16", "epochs: 4\n      batch_size: 16"
        ),
        {"check", "compare"} | of_run("cifar10-cnn"),
    ),
    "a model file": (  # a comment: the models are the same, so nothing after them reruns
        add_comment("stages/models/cnn.py"),
        {"check", *(f"train@{name}" for name, block in RUNS.items() if block["model"] == "cnn")},
    ),
    "a framework's pin": (  # the same version in other words: the only one that is installed
        substitute("pyproject.toml", '"scikit-learn==', '"scikit-learn == '),
        {"check"} | {f"{stage}@{name}" for stage in ("train", "card") for name in SKLEARN},
    ),
    "the plot code": (add_comment("stages/plot.py"), {f"plot@{name}" for name in RUNS}),
    "a data path, same content": (  # the cards name it
        move_data,
        {"check", "load@fashion_mnist"} | {f"card@{name}" for name in RUNS.keys() - CIFAR10},
    ),
    "a spread over seeds": (
        measure_seeds,
        {f"card@{name}" for name in RUNS},
    ),
    "a data path, other test images": (
        take_other_test_images,
        {"check", "load@cifar10", "audit@cifar10", "normalize@cifar10", "reshape@cifar10-flat"}
        # The same images in another order: the same scores, so that `compare` has nothing to do.
        | {
            "reshape@cifar10-image",
            *(f"{stage}@{name}" for stage in ("evaluate", "plot", "card") for name in CIFAR10),
        },
    ),
    "a new run": (add_run, {"check", "compare"} | of_run("fashion_mnist-bayes")),
    "the space that is searched": (
        substitute(
            "params.yaml",
            "params: {estimator: sklearn.svm.SVC, C: 1.0, kernel: rbf}",
            "params: {estimator: sklearn.svm.SVC, C: 1.0, kernel: rbf}\n"
            "    tune: {C: {low: 0.1, high: 10.0}}",
        ),
        {"check"},
    ),
    "a comment in README": (add_comment("README.md"), set()),
    "a comment in params.yaml": (add_comment("params.yaml"), set()),
}


def test_another_seed_reruns_everything(revisions: Path, tmp_path: Path) -> None:
    project = shutil.copytree(revisions, tmp_path / "project")
    trees = {name: BEFORE[name] for name in ("fashion_mnist-tree", "cifar10-tree")}
    edit(project, seed=7, models=trees)
    expected = {"check", "compare"} | DATA | set().union(*map(of_run, trees))
    assert make_repro(project) == dict.fromkeys(expected, "ran")
    assert repro(project) == []


@pytest.mark.parametrize("name", EDITS)
def test_an_edit_reruns_exactly_what_it_should(project: Path, name: str) -> None:
    change, expected = EDITS[name]
    change(project)
    assert make_repro(project) == dict.fromkeys(expected, "ran")
    assert repro(project) == []
