"""Invalid input gives one clear line and an exit code, and leaves nothing half-written."""

import copy
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import ROOT, run
from conftest import edit as edit_parameters
from PIL import Image

from stages import check, load
from stages.datasets.arrays import read_split, write_split
from stages.model_file.classifier import open_classifier
from stages.models import estimator
from stages.runtime.errors import InputError
from stages.runtime.pins import require_pins
from stages.sources import sheet
from tools.sample import write_sheet

MODELS = ", ".join(sorted(path.stem for path in (ROOT / "stages/models").glob("*.py")))
FRAMEWORKS = ", ".join(sorted(p.parent.name for p in (ROOT / "stages/frameworks").glob("*/fit.py")))
PARAMS = yaml.safe_load((ROOT / "params.yaml").read_text())

# A key of params.yaml, a value for it (... removes it), and what the message says.
WRONG_PARAMETERS: list[tuple[str, Any, list[str]]] = [
    (
        "sed",
        1,
        [
            "params.yaml: unknown key sed; choose from seed, threads, fold, data, audit, "
            "normalize, profile, plot, review, features, models, more"
        ],
    ),
    ("seed", ..., ["seed: Field required"]),
    ("seed", "100", ["seed is '100'", "valid integer"]),
    ("seed", True, ["seed is True", "valid integer"]),
    ("seed", -1, ["seed is -1", "greater than or equal to 0"]),
    ("threads", 0, ["threads is 0", "greater than or equal to 1"]),
    ("audit.max_overlap", -1, ["audit.max_overlap is -1", "greater than or equal to 0"]),
    ("audit.near", 2, ["audit.near is 2", "less than or equal to 1"]),
    ("normalize.method", "minmax", ["normalize.method is 'minmax'", "'unit' or 'standardize'"]),
    ("data.cifar10.validation_fraction", 1, ["validation_fraction is 1", "less than 1"]),
    ("data.cifar10.classes", ["a", "a"], ["data.cifar10.classes", "twice"]),
    *(
        ("data.cifar10.classes", ["a", name], ["classes", repr(name)[:40], "printable characters"])
        for name in ("", " b", "b\n**Better**", "b\r", "\x1b[2J", "\u202eb", "b" * 81)
    ),
    ("data.cifar10.classes", ["a", "\ud800"], ["not a valid YAML file"]),
    (
        "data.cifar10.pth",
        "x",
        ["data.cifar10: unknown key pth; choose from path, validation_fraction"],
    ),
    ("data.my.data", {}, ["data.my"]),
    ("models.cifar10-cnn.dataset", "cifar", ["is 'cifar'", "cifar10, fashion_mnist"]),
    ("models.cifar10-cnn.layout", "square", ["is 'square'", "choose from flat, image"]),
    ("models.cifar10-cnn.framework", "none", ["is 'none'", f"choose from {FRAMEWORKS}"]),
    ("models.cifar10-cnn.model", "none", ["is 'none'", f"choose from {MODELS}"]),
    ("models.cifar10-cnn.model", "estimator", ["keras does not go with model estimator"]),
    (
        "models.cifar10-cnn.params.epoch",
        1,
        ["unknown key epoch; choose from", "epochs", "learning_rate"],
    ),
    ("models.cifar10-cnn.params.epochs", 0, ["params.epochs is 0", "greater than 0"]),
    ("models.cifar10-cnn.params.epochs", 1.5, ["params.epochs is 1.5", "valid integer"]),
    ("models.cifar10-cnn.params.filters", [16, 0], ["params.filters.1 is 0", "greater than 0"]),
    ("models.cifar10-cnn.params.padding", "full", ["is 'full'", "'valid' or 'same'"]),
    ("models.cifar10-cnn.params.units", ..., ["models.cifar10-cnn.params.units: Field required"]),
    ("models.fashion_mnist-mlp.params.dropout", 1.0, ["dropout is 1.0", "less than 1"]),
    ("models.fashion_mnist-svc.layout", "image", ["scikit-learn takes flat"]),
    (
        "models.fashion_mnist-svc.params.c",
        1.0,
        ["SVC has no parameter c", "its parameters are C, "],
    ),
    (
        "models.fashion_mnist-decision_tree.params.depth",
        3,
        ["params: DecisionTreeClassifier has no parameter depth; its parameters are max_depth, "],
    ),
    ("models.fashion_mnist-svc.params.random_state", 1, ["random_state is the parameter `seed`"]),
    ("models.fashion_mnist-svc.params.estimator", "sklearn.svm.SVX", ["sklearn.svm.SVX"]),
    ("models.fashion_mnist-svc.params.seed", 1, ["params.seed: remove it; the parameter `seed`"]),
    ("models.fashion_mnist-svc.params.estimator", ..., ["expected an import path, e.g. sklearn"]),
    (
        "models.fashion_mnist-svc.params.estimator",
        5,
        ["expected an import path, e.g. sklearn.svm.SVC"],
    ),
    ("models.cifar10-cnn.params.learning_rate", float("inf"), ["learning_rate is inf"]),
    ("models.fashion_mnist-svc.params.estimator", "os.system", ["not from scikit-learn"]),
    ("models.fashion_mnist-svc.params.estimator", "sklearn.svm.SVR", ["SVR", "classifier"]),
]


@pytest.mark.parametrize(("key", "value", "expected"), WRONG_PARAMETERS)
def test_wrong_parameters(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, key: str, value: Any, expected: list[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    params: Any = copy.deepcopy(PARAMS)
    *parents, last = key.split(".")
    section = params
    for parent in parents:
        section = section.setdefault(parent, {})
    if value is ...:
        del section[last]
    else:
        section[last] = value
    Path("params.yaml").write_text(yaml.safe_dump(params))
    Path("pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    with pytest.raises(InputError, match=r"^params\.yaml: ") as error:
        check.main(Path("params.yaml"), Path("out/params.txt"))
    for part in expected:
        assert part in str(error.value)
    assert not (tmp_path / "out").exists()


def test_the_parameters_as_they_stand_are_right(tmp_path: Path) -> None:
    check.main(ROOT / "params.yaml", tmp_path / "params.txt")
    check.main(ROOT / "tests" / "params.yaml", tmp_path / "toy.txt")
    assert (tmp_path / "params.txt").read_bytes() == (tmp_path / "toy.txt").read_bytes()


def test_dvc_stops_at_a_wrong_parameter(project: Path) -> None:
    before = run("git", "status", "--porcelain", cwd=project).stdout
    content = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(content.replace("layout: image", "layout: square", 1))
    result = run("dvc", "repro", cwd=project, status=255)
    errors = [line for line in result.stderr.splitlines() if line.startswith("check: error:")]
    assert errors == [
        "check: error: params.yaml: models.cifar10-cnn.layout is 'square': choose from flat, image"
    ]
    assert "Traceback" not in result.stderr
    (project / "params.yaml").write_text(content)
    run("dvc", "repro", cwd=project)
    assert run("git", "status", "--porcelain", cwd=project).stdout == before


def drop(name: str) -> Callable[[Path], None]:
    return lambda folder: (folder / name).unlink()


def cut(name: str) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        (folder / name).write_bytes((folder / name).read_bytes()[:2000])

    return damage


def overwrite(folder: Path) -> None:
    (folder / "train_images.png").write_text("x")


def resize(folder: Path) -> None:
    with Image.open(folder / "train_images.png") as picture:
        resized = picture.resize((picture.width // 2, picture.height - 28))
    resized.save(folder / "train_images.png")


def write_labels(change: Callable[[list[str]], list[str]]) -> Callable[[Path], None]:
    def damage(folder: Path) -> None:
        path = folder / "train_labels.txt"
        path.write_text("\n".join(change(path.read_text().splitlines())) + "\n")

    return damage


def drop_class(folder: Path) -> None:
    images, labels = sheet.read_files(sheet.find(folder)["train"])
    write_sheet(folder, "train", images[labels != 3], labels[labels != 3])


DAMAGE: dict[str, tuple[Callable[[Path], None], list[str]]] = {
    "no images": (drop("train_images.png"), ["train_images.png: missing; restore it"]),
    "missing images": (drop("test_images.png"), ["test_images.png: missing"]),
    "missing labels": (drop("train_labels.txt"), ["train_labels.txt: missing"]),
    "truncated": (cut("train_images.png"), ["train_images.png: not a valid PNG file"]),
    "not a picture": (overwrite, ["train_images.png: not a valid PNG file"]),
    "another size": (resize, ["train_images.png: 1400x84 pixels", "do not fit 400 labels"]),
    "more labels": (write_labels(lambda lines: [*lines, "1"]), ["do not fit 401 labels"]),
    "fewer labels": (write_labels(lambda lines: lines[:250]), ["do not fit 250 labels"]),
    "one label fewer": (
        write_labels(lambda lines: lines[:-1]),
        ["more images than the 399 labels"],
    ),
    "label outside": (
        write_labels(lambda lines: ["10", *lines[1:]]),
        ["train_labels.txt: image 0: '10' is not the label of a class (0, 1, ... 9)"],
    ),
    "label no number": (
        write_labels(lambda lines: [*lines[:2], "boot", *lines[3:]]),
        ["train_labels.txt: line 3: 'boot' is not a class number"],
    ),
    "label negative": (write_labels(lambda lines: ["-1", *lines[1:]]), ["line 1: '-1'"]),
    "no image of a class": (drop_class, ["no training image of Dress"]),
}


@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_data(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    damage, expected = DAMAGE[name]
    shutil.copytree(untrained / "data", tmp_path / "data")
    shutil.copyfile(untrained / "params.yaml", tmp_path / "params.yaml")
    damage(tmp_path / "data/toy/fashion_mnist")
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError) as error:
        load.main("fashion_mnist", Path("data/raw/fashion_mnist"))
    for part in expected:
        assert part in str(error.value)
    assert not (tmp_path / "data/raw/fashion_mnist").exists()


def test_no_validation_images_is_allowed(
    untrained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = yaml.safe_load((untrained / "params.yaml").read_text())
    params["data"]["cifar10"]["validation_fraction"] = 0
    (tmp_path / "params.yaml").write_text(yaml.safe_dump(params))
    (tmp_path / "data").symlink_to(untrained / "data")
    monkeypatch.chdir(tmp_path)
    load.main("cifar10", tmp_path / "raw")
    images, labels = read_split(tmp_path / "raw" / "validation")
    assert (images.shape, labels.shape) == ((0, 32, 32, 3), (0,))
    assert len(read_split(tmp_path / "raw" / "train")[1]) == 400


def test_arrays_that_do_not_fit(tmp_path: Path) -> None:
    images, labels = np.zeros((3, 4), dtype=np.float32), np.zeros(3, dtype=np.uint8)
    write_split(tmp_path / "counts", images, labels)
    np.save(tmp_path / "counts" / "labels.npy", labels[:2])
    with pytest.raises(InputError, match=r"counts: 3 images but labels of shape \(2,\)"):
        read_split(tmp_path / "counts")
    images[1, 2] = np.nan
    write_split(tmp_path / "nan", images, labels)
    with pytest.raises(InputError, match=r"nan/images.npy: image 1 has a pixel that is NaN"):
        read_split(tmp_path / "nan")
    content = (tmp_path / "nan" / "images.npy").read_bytes()
    (tmp_path / "nan" / "images.npy").write_bytes(content[:-8])
    with pytest.raises(InputError, match=r"nan/images.npy: not a valid array file"):
        read_split(tmp_path / "nan")
    (tmp_path / "nan" / "images.npy").unlink()
    with pytest.raises(InputError, match=r"nan/images.npy: missing; run `dvc repro`"):
        read_split(tmp_path / "nan")


def test_a_model_that_is_not_one(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_text("not a model")
    (tmp_path / "empty.onnx").touch()
    content = (trained / "data/models/fashion_mnist-mlp.onnx").read_bytes()
    (tmp_path / "cut.onnx").write_bytes(content[: len(content) // 2])
    for name in ("text", "empty", "cut"):
        with pytest.raises(InputError, match=f"{name}.onnx: "):
            open_classifier(tmp_path / f"{name}.onnx", threads=1)


HOSTILE_NAMES = [
    "a; touch pwned; echo ",
    "$(touch pwned)",
    "a`touch pwned`",
    "a\ntouch pwned",
    "../x",
]


@pytest.mark.parametrize("tool", ["dvc repro", "python -m tools.repro"])
def test_no_name_reaches_a_shell(fresh: Path, tool: str) -> None:
    """Not even that of a run whose arrays no stage makes: every stage waits for `check`."""
    parameters = edit_parameters(fresh)
    models, block = parameters["models"], parameters["models"]["fashion_mnist-decision_tree"]
    for name in ("about.json", "train/images.npy", "validation/images.npy"):
        (fresh / "data/x-flat" / name).parent.mkdir(parents=True, exist_ok=True)
        (fresh / "data/x-flat" / name).touch()
    in_places = [
        *({name: block | {"dataset": "../x"}, **models} for name in HOSTILE_NAMES),
        *({"a": block | {"dataset": name}, **models} for name in HOSTILE_NAMES),
        {"a": block | {"layout": "flat; touch pwned #"}, **models},
    ]
    for number, changed in enumerate(in_places):
        edit_parameters(fresh, models=changed)
        result = run(*tool.split(), cwd=fresh, status=None)
        assert result.returncode, number
        assert "Traceback" not in result.stdout + result.stderr
        assert "train@" not in result.stdout
    assert not list(fresh.rglob("*pwned*"))


def test_a_stage_prints_one_line_and_leaves_nothing(project: Path) -> None:
    (project / "data/models/fashion_mnist-mlp.onnx").unlink()  # read-only: a link into the cache
    (project / "data/models/fashion_mnist-mlp.onnx").write_text("not a model")
    (project / "metrics/fashion_mnist-mlp.json").unlink()
    command = (
        "python -m stages.evaluate data/models/fashion_mnist-mlp.onnx "
        "data/reshaped/fashion_mnist-flat/test data/validation/fashion_mnist-mlp "
        "data/audit/fashion_mnist.csv metrics/fashion_mnist-mlp.json plots/new.csv "
        "data/probabilities/new.npy"
    )
    result = run(*command.split(), cwd=project, status=2)
    assert result.stdout == ""
    (line,) = result.stderr.splitlines()
    assert line.startswith(
        "evaluate: error: data/models/fashion_mnist-mlp.onnx: not the one that dvc.lock names"
    )
    assert not (project / "metrics/fashion_mnist-mlp.json").exists()
    assert not (project / "plots/new.csv").exists()


def test_a_model_for_other_images(project: Path) -> None:
    command = (
        "python -m stages.evaluate data/models/fashion_mnist-mlp.onnx "
        "data/reshaped/cifar10-flat/test data/validation/fashion_mnist-mlp data/audit/cifar10.csv "
        "metrics/x.json plots/x.csv x.npy"
    )
    result = run(*command.split(), cwd=project, status=2)
    assert "an image has shape (3072,)" in result.stderr
    assert "takes (784,)" in result.stderr


def test_a_classifier_that_cannot_be_exported_stops_before_it_trains(project: Path) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    block = params["models"]["fashion_mnist-svc"]
    block["params"] = {"estimator": "sklearn.neighbors.NearestCentroid"}
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    result = run("dvc", "repro", "train@fashion_mnist-svc", cwd=project, status=255)
    assert (
        "train: error: models.fashion_mnist-svc: NearestCentroid cannot be exported: "
        "skl2onnx does not know it; choose another" in result.stderr
    )
    assert not (project / "data/models/fashion_mnist-svc.onnx").exists()


@pytest.mark.parametrize(
    ("edit", "message"),
    [
        ({"kernel_sizes": [2, 2]}, "the model cannot be built: 3 filters but 2 kernel_sizes"),
        ({"pool_size": 50}, "the model cannot be built: "),
        ({"layout": "flat"}, "the model cannot be built: "),
    ],
)
def test_a_model_that_cannot_be_built(project: Path, edit: dict[str, Any], message: str) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    block = params["models"]["cifar10-cnn"]
    (block if "layout" in edit else block["params"]).update(edit)
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    result = run("dvc", "repro", "train@cifar10-cnn", cwd=project, status=255)
    assert f"train: error: models.cifar10-cnn: {message}" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_model_without_softmax(project: Path) -> None:
    path = project / "stages/models/cnn.py"
    path.write_text(path.read_text().replace(', activation="softmax"', ""))
    result = run("dvc", "repro", "train@cifar10-cnn", cwd=project, status=255)
    assert "the model's outputs do not sum to 1; end it with a softmax" in result.stderr


def test_what_cannot_be_fitted(project: Path) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["models"]["fashion_mnist-svc"]["params"]["kernel"] = "precomputed"
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    result = run("dvc", "repro", "train@fashion_mnist-svc", cwd=project, status=255)
    assert "train: error: models.fashion_mnist-svc: SVC cannot be fitted: " in result.stderr
    assert "Traceback" not in result.stderr


def test_a_network_that_diverges_leaves_nothing(project: Path) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["models"]["fashion_mnist-mlp"]["params"]["learning_rate"] = 1e30
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    result = run("dvc", "repro", "train@fashion_mnist-mlp", cwd=project, status=255)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("train: error:")]
    assert line == (
        "train: error: models.fashion_mnist-mlp: training diverged: the loss is nan after epoch 1 "
        "of 2; lower learning_rate, now 1e+30"
    )
    assert "Epoch 2" not in result.stdout
    assert not (project / "data/models/fashion_mnist-mlp.onnx").exists()
    assert not (project / "plots/fashion_mnist-mlp/learning_curve.csv").exists()
    assert not list(project.rglob("*.tmp*"))


def test_a_wrong_value_for_a_classifier(project: Path) -> None:
    params = yaml.safe_load((project / "params.yaml").read_text())
    params["models"]["fashion_mnist-svc"]["params"]["C"] = -1.0
    (project / "params.yaml").write_text(yaml.safe_dump(params))
    result = run("dvc", "repro", "train@fashion_mnist-svc", cwd=project, status=255)
    (line,) = [line for line in result.stderr.splitlines() if line.startswith("train: error:")]
    assert line.startswith("train: error: models.fashion_mnist-svc")
    assert "The 'C' parameter of SVC must be a float in the range (0.0, inf]. Got -1.0" in line
    assert "Traceback" not in result.stderr


def test_another_version_than_pinned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    content = (ROOT / "pyproject.toml").read_text()
    (tmp_path / "pyproject.toml").write_text(content.replace("numpy==2.4.6", "numpy==2.4.5"))
    monkeypatch.chdir(tmp_path)
    require_pins("plots")
    with pytest.raises(InputError, match=r"numpy is 2.4.6 in .*==2.4.5; run `make install`"):
        require_pins("arrays")


def test_an_estimator_is_seeded() -> None:
    model = estimator.build(7, estimator="sklearn.tree.DecisionTreeClassifier")
    assert model.get_params()["random_state"] == 7
