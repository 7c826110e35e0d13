"""`make predict` gives the pipeline's prediction for a test image, and one line per bad file."""

import csv
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from conftest import ROOT, run
from picture_files import GRAY, LIGHT, OBJECT, save, text
from PIL import Image

from stages.runtime.errors import LONGEST, InputError
from tools import predict
from tools.prediction.fit_picture import read_picture

MODEL = "data/models/fashion_mnist-mlp.onnx"
REMEDY = "re-save it, e.g. as PNG, or leave it out"


def cut(written: Callable[[Path], Path], share: float) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        path = written(folder)
        content = path.read_bytes()
        path.write_bytes(content[: int(len(content) * share)])
        return path

    return write


def make_folder(folder: Path) -> Path:
    (folder / "sub" / "subsub").mkdir(parents=True)
    (folder / "sub" / ".hidden.png").touch()
    return folder / "sub"


def make_empty_folder(folder: Path) -> Path:
    (folder / "empty").mkdir()
    return folder / "empty"


def make_pipe(folder: Path) -> Path:
    os.mkfifo(folder / "pipe.png")
    return folder / "pipe.png"


def link_to(target: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / "link.png").symlink_to(target)
        return folder / "link.png"

    return write


def save_bomb(folder: Path) -> Path:
    Image.new("1", (10000, 10000)).save(folder / "a.png", compress_level=1)
    return folder / "a.png"


NOISE = np.random.default_rng(0).integers(0, 256, (60, 60, 3), dtype=np.uint8)
NO_PICTURE = "not a valid picture (cannot identify image file"
NAN = np.where(OBJECT, LIGHT, np.nan).astype(np.float32)
USABLE = "usable: 0 to 1 or 255 or 65535"
# How a file is made, and what is said of it after its path.
WRONG: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty file": (text("a.png", ""), NO_PICTURE),
    "text": (text("a.png", "no picture"), NO_PICTURE),
    "SVG": (text("a.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"), NO_PICTURE),
    "truncated PNG": (
        cut(save(NOISE), 0.5),
        f"not a valid picture (image file is truncated); {REMEDY}",
    ),
    "truncated JPEG": (cut(save(NOISE, "a.jpg"), 0.6), "not a valid picture (image file is trunc"),
    "truncated GIF": (cut(save(NOISE, "a.gif"), 0.7), "not a valid picture (image file is trunc"),
    "truncated BMP": (cut(save(NOISE, "a.bmp"), 0.7), "not a valid picture (image file is trunc"),
    "truncated TIFF": (cut(save(NOISE, "a.tif"), 0.7), "not a valid picture ("),
    "TIFF cut short": (cut(save(NOISE, "a.tif"), 0.001), NO_PICTURE),
    "NaN": (
        save(NAN, "a.tif"),
        f"not a valid picture (pixels from nan to nan; {USABLE}); {REMEDY}",
    ),
    "negative": (
        save(-1 - LIGHT.astype(np.float32), "a.tif"),
        f"not a valid picture (pixels from -256 to -1; {USABLE}); {REMEDY}",
    ),
    "beyond white": (
        save(LIGHT.astype(np.int32) * 1000, "a.tif"),
        "not a valid picture (pixels from 0 to 255000; usable: 0 to 255 or 65535)",
    ),
    "bomb": (save_bomb, "too large: 10000x10000 pixels; at most 89,478,485 are read; save it"),
    **{
        name: (save(pixels), "nothing in it: all its pixels have nearly the same color; leave it")
        for name, pixels in {
            "blank": np.full((50, 40), 255, np.uint8),
            "blank, the model's size": np.full((28, 28), 9, np.uint8),
            "one pixel": np.full((1, 1, 3), 7, np.uint8),
            "one line": np.full((1, 3000), 200, np.uint8),
            "all transparent": np.zeros((50, 50, 4), np.uint8),
            "one dark pixel on white": np.where(np.arange(90000) == 7, 0, 255)
            .reshape(300, 300)
            .astype(np.uint8),
            "one line on white": np.where(np.arange(90000) // 300 == 99, 0, 255)
            .reshape(300, 300)
            .astype(np.uint8),
            "noise, the model's size": np.random.default_rng(0).integers(
                246, 256, (28, 28), np.uint8
            ),
            "noise on white": np.random.default_rng(0).integers(240, 256, (90, 70, 3), np.uint8),
        }.items()
    },
    "missing": (lambda folder: folder / "a.png", "missing; name a picture or a folder"),
    "dangling link": (link_to("nothing.png"), "missing; name a picture or a folder"),
    "link to itself": (link_to("link.png"), "Too many levels of symbolic links; check"),
    "long name": (lambda folder: folder / ("a" * 300), "File name too long; check its name"),
    "below a file": (lambda folder: text("a", "")(folder) / "b.png", "Not a directory; check"),
    "pipe": (make_pipe, "not a file; name a picture or a folder of pictures"),
    "folder without pictures": (make_folder, "no pictures in this folder; name its subfolders: "),
    "empty folder": (
        make_empty_folder,
        "no pictures in this folder; name one with pictures",
    ),
    "name that is not UTF-8": (
        lambda folder: text(os.fsdecode(b"\xff.png"), "")(folder),
        NO_PICTURE,
    ),
}


@pytest.fixture(scope="module")
def of_wrong(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The output of one call for all bad files and a valid one, by name."""
    paths = {}
    for index, (name, (make, _)) in enumerate([*WRONG.items(), ("right", (save(LIGHT), ""))]):
        folder = tmp_path_factory.mktemp(f"wrong{index}")
        paths[name] = make(folder)
    command = ["python", "-m", "tools.predict", MODEL, "--json"]
    # The valid one is first and last.
    result = run(*command, paths["right"], *paths.values(), cwd=trained, status=1)
    assert "Traceback" not in result.stderr
    first, *others = json.loads(result.stdout)
    of_name = dict(zip(paths, others, strict=True))
    assert first == of_name["right"]
    return of_name


@pytest.mark.parametrize("name", WRONG)
def test_wrong_files(of_wrong: dict[str, Any], name: str) -> None:
    result = of_wrong[name]
    assert set(result) == {"image", "error"}
    if name != "long name":
        assert result["error"].startswith(f"{result['image']}: ")
    assert f": {WRONG[name][1]}" in result["error"]
    assert len(result["error"]) <= LONGEST


def test_the_others_still_run(of_wrong: dict[str, Any]) -> None:
    result = of_wrong["right"]
    assert set(result) == {"image", "top", "done"}
    assert len(result["top"]) == 3
    assert of_wrong["name that is not UTF-8"]["image"].endswith("\\xff.png")


def test_a_file_that_may_not_be_read(tmp_path: Path) -> None:
    path = save(LIGHT)(tmp_path)
    path.chmod(0)
    superuser = os.geteuid() == 0
    if superuser:
        os.seteuid(65534)
    try:
        with pytest.raises(InputError, match="Permission denied; check its name and permissions"):
            read_picture(path, GRAY, invert=None)
    finally:
        if superuser:
            os.seteuid(0)
    assert predict.explain(path, PermissionError(13, "Permission denied")) == (
        f"{path}: Permission denied; check its name and permissions"
    )


RUNS = ("fashion_mnist-mlp", "fashion_mnist-cnn", "cifar10-cnn", "fashion_mnist-svc")


@pytest.mark.parametrize("name", RUNS)
def test_a_test_image_gets_the_prediction_of_the_pipeline(
    trained: Path, tmp_path: Path, name: str
) -> None:
    images = np.load(trained / "data" / "raw" / name.split("-")[0] / "test" / "images.npy")
    for index, image in enumerate(images):
        Image.fromarray(image.squeeze()).save(tmp_path / f"{index:05}.png")
    command = ["python", "-m", "tools.predict", f"data/models/{name}.onnx", "--json"]
    results = json.loads(run(*command, tmp_path, cwd=trained).stdout)

    with (trained / "plots" / name / "predictions.csv").open(newline="") as file:
        predicted = [row["predicted"] for row in csv.DictReader(file)]
    assert len(predicted) == len(images) == 150
    assert [result["top"][0]["class"] for result in results] == predicted
    assert {tuple(result["done"]) for result in results} == {("used as is",)}
    probabilities = np.load(trained / "data" / "probabilities" / f"{name}.npy")
    if name == "fashion_mnist-svc":
        assert probabilities.shape == (150, 0)
        assert all(
            result["top"] == [{"class": label, "probability": None}]
            for result, label in zip(results, predicted, strict=True)
        )
        return
    classes = json.loads((trained / "data" / "raw" / name.split("-")[0] / "about.json").read_text())
    for result, expected in zip(results, probabilities, strict=True):
        top = [(one["class"], np.float32(one["probability"])) for one in result["top"]]
        assert dict(top).items() <= dict(zip(classes["classes"], expected, strict=True)).items()
        np.testing.assert_array_equal([p for _, p in top], np.sort(expected)[:-4:-1])


def edit_metadata(model: Path, out: Path, **values: Any) -> Path:
    proto = onnx.load(model)
    metadata = {entry.key: entry.value for entry in proto.metadata_props}
    metadata |= {key: json.dumps(value) for key, value in values.items()}
    del proto.metadata_props[:]
    for key, value in metadata.items():
        if value != "null":
            proto.metadata_props.add(key=key, value=value)
    onnx.save(proto, out)
    return out


def test_statistics_of_the_training_images_come_from_the_model(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(trained)
    classes = list("abcdefghij")
    statistics = {"mean": [0.3], "deviation": [0.2]}
    path = edit_metadata(
        trained / MODEL, tmp_path / "m.onnx", normalization=statistics, classes=classes
    )
    classifier = predict.open_model(path)
    (result,) = predict.predict(classifier, [save(LIGHT)(tmp_path)], invert=None)
    pixels = (LIGHT.reshape(1, 784).astype(np.float32) / 255 - np.float32(0.3)) / np.float32(0.2)
    expected = classifier.session.run(["probability"], {"images": pixels})[0][0]
    best = [int(c) for c in np.argsort(expected)[:-4:-1]]
    assert [one["class"] for one in result["top"]] == [classes[c] for c in best]
    assert [one["probability"] for one in result["top"]] == [float(expected[c]) for c in best]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": None}, "not a valid ONNX model (KeyError 'classes')"),
        ({"dataset": None}, "not a valid model of this pipeline (dataset: Field required)"),
        ({"classes": ["\x1b[2J"] * 10}, "(classes: 0: a class name is 1 to 80 printable"),
        ({"classes": ["a"] * 9 + ["\ud800"]}, "not a valid"),
        ({"layout": "square"}, "layout square, but its input is (784,)"),
        ({"layout": "image"}, "layout image, but its input is (784,)"),
        ({"image_shape": [28, 28]}, "(image_shape: 2: Field required)"),
        ({"image_shape": [32, 32, 3]}, "(normalization: expected mean and deviation of 3"),
        (
            {"image_shape": [14, 28, 1]},
            "gives images of (14, 28, 1), but its input is (784,)",
        ),
        ({"image_shape": [14, 28, 2]}, "(image_shape: 2: Input should be 1 or 3)"),
        ({"image_shape": [10**9, 10**9, 1]}, "(image_shape: 0: Input should be less than or equal"),
        ({"normalization": {"mean": [0.0], "deviation": [0.0]}}, "a deviation is below 1e-09"),
        ({"normalization": {"mean": [float("nan")], "deviation": [1.0]}}, "finite number"),
        ({"normalization": {"mean": [1e300], "deviation": [1.0]}}, "less than or equal to 1"),
        ({"normalization": [[0], [1]]}, "(normalization: "),
    ],
)
def test_metadata_that_are_not_of_this_pipeline(
    trained: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    values: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(trained)
    path = edit_metadata(trained / MODEL, tmp_path / "m.onnx", **values)
    with pytest.raises(InputError) as error:
        predict.open_model(path)
    assert str(error.value).startswith(f"{path}: ")
    assert message in str(error.value)


def test_the_predicted_class_leads() -> None:
    probabilities = np.array([0.2, 0.1, 0.4, 0.3, 0.2], dtype=np.float32)
    top = predict.list_top(list("abcde"), 3, probabilities)
    assert [one["class"] for one in top] == ["d", "c", "a"]
    assert [one["class"] for one in predict.list_top(["a", "b"], 1, probabilities[:2])] == [
        "b",
        "a",
    ]


def test_make_predict_prints_text(project: Path, tmp_path: Path) -> None:
    (project / ".venv").symlink_to(ROOT / ".venv")
    folder = tmp_path / "my pictures"
    folder.mkdir()
    save(LIGHT, "b.png")(folder)
    text("a.png", "no picture")(folder)
    (folder / ".hidden").touch()
    (folder / "subfolder").mkdir()
    result = run("make", "predict", f"MODEL={MODEL}", f"IMAGE={folder}", cwd=project, status=2)
    line, *rows = result.stdout.splitlines()
    assert line == f"{folder}/b.png: used as is"
    assert len(rows) == 3
    assert all(0 <= float(row.split()[-1]) <= 1 for row in rows)
    assert result.stderr.startswith(f"predict: error: {folder}/a.png: {NO_PICTURE}")

    shutil.copy(folder / "b.png", project)
    svc = ["MODEL=data/models/fashion_mnist-svc.onnx", "IMAGE=b.png"]
    result = run("make", "predict", *svc, "INVERT=yes", cwd=project)
    assert result.stdout.startswith("b.png: inverted: as requested\n  ")
    assert result.stdout.endswith("  no probability\n")
    (told,) = json.loads(run("make", "predict", *svc, "INVERT=no", "JSON=1", cwd=project).stdout)
    assert (told["image"], told["done"]) == ("b.png", ["used as is"])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "none.onnx",
            "none.onnx: no such model file; choose one of data/models/cifar10-cnn.onnx",
        ),
        (
            "data/models",
            "data/models: no such model file; choose one of data/models/cifar10-cnn",
        ),
        ("params.yaml", "params.yaml: not a valid ONNX model"),
    ],
)
def test_a_wrong_model(trained: Path, model: str, message: str) -> None:
    result = run("python", "-m", "tools.predict", model, "a.png", cwd=trained, status=2)
    assert result.stdout == ""
    assert result.stderr.startswith(f"predict: error: {message}")
    assert len(result.stderr.splitlines()) == 1


def test_it_starts_quickly() -> None:
    program = "import sys, tools.predict; print(*sys.modules)"
    loaded = run("python", "-c", program, cwd=ROOT).stdout.split()
    assert "onnxruntime" in loaded
    assert not {"tensorflow", "keras", "sklearn", "scipy", "matplotlib", "dvc"} & set(loaded)
