"""`make predict`: any picture file, with the pipeline's own prediction for a test image."""

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
from numpy.typing import NDArray
from PIL import ExifTags, Image

from stages.runtime.command import InputError
from tools import predict
from tools.picture_file import read_picture

Pixels = NDArray[np.uint8]

GREY, COLOR = (28, 28, 1), (32, 32, 3)
MODEL = "data/models/fashion_mnist-mlp.onnx"
REMEDY = "save it anew, say as PNG, or leave it out"


def as_light_on_black() -> Pixels:
    """Every value of grey, 1 to 255, amid black; (28, 28)."""
    image = np.zeros((28, 28), dtype=np.uint8)
    image[4:24, 4:24] = np.linspace(1, 255, 400).round().reshape(20, 20)
    return image


LIGHT = as_light_on_black()
OBJECT = LIGHT > 0
ON_WHITE = np.where(OBJECT, LIGHT, 255).astype(np.uint8)
RGBA = np.dstack([LIGHT, LIGHT, LIGHT, np.where(OBJECT, 255, 0).astype(np.uint8)])


def save(pixels: NDArray[Any], name: str = "a.png", **how: Any) -> Callable[[Path], Path]:
    """What writes `pixels`, of a type that Pillow has a mode for, into a folder."""

    def write(folder: Path) -> Path:
        Image.fromarray(pixels).save(folder / name, **how)
        return folder / name

    return write


def save_mode(mode: str, name: str = "a.png", **how: Any) -> Callable[[Path], Path]:
    """What writes LIGHT in one of Pillow's modes into a folder."""

    def write(folder: Path) -> Path:
        Image.fromarray(LIGHT).convert(mode).save(folder / name, **how)
        return folder / name

    return write


def save_palette(folder: Path) -> Path:
    """LIGHT through a palette, whose first color, the black, is transparent."""
    picture = Image.fromarray(LIGHT).convert("P")
    picture.putpalette([value for n in range(256) for value in (n, n, n)])
    picture.save(folder / "a.png", transparency=0)
    return folder / "a.png"


def save_turned(name: str, **how: Any) -> Callable[[Path], Path]:
    """What writes LIGHT lying on its side, as cameras do, with the EXIF data to turn it."""
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6  # to be turned a quarter clockwise
    return save(np.rot90(LIGHT).copy(), name, exif=exif, **how)


def save_frames(name: str) -> Callable[[Path], Path]:
    others = [Image.fromarray(255 - LIGHT), Image.fromarray(LIGHT // 2)]
    return save(LIGHT, name, save_all=True, append_images=others)


def save_link(folder: Path) -> Path:
    save(LIGHT, "target.png")(folder)
    (folder / "link.png").symlink_to("target.png")
    return folder / "link.png"


def filled(height: int, width: int, value: int) -> Pixels:
    return np.full((height, width), value, dtype=np.uint8)


def with_box(image: Pixels, top: int, left: int, height: int, width: int, value: Any) -> Pixels:
    image = image.copy()
    image[top : top + height, left : left + width] = value
    return image


def blocks(*colors: tuple[int, int, int]) -> Pixels:
    """Blocks of 32x32 side by side."""
    return np.hstack([np.full((32, 32, 3), color, dtype=np.uint8) for color in colors])


PADDED = "resized from {}: cut to its object, padded with its background"
INVERTED = "inverted: light border"
BLACK = filled(28, 28, 0)
RED, GREEN, BLUE = (255, 0, 0), (0, 255, 0), (0, 0, 255)

# How a picture is written, what is said to be done, the pixels, and how far they may be off.
ODD: dict[str, tuple[Callable[[Path], Path], list[str], NDArray[Any], int]] = {
    "8 bits of grey": (save(LIGHT), ["used as it is"], LIGHT, 0),
    "light border, the model's size": (save(255 - LIGHT), ["used as it is"], 255 - LIGHT, 0),
    "grey as RGB": (save_mode("RGB"), ["made grey"], LIGHT, 0),
    "RGB on dark grey, the model's size": (
        save(np.dstack([np.maximum(LIGHT, 19)] * 3)),
        ["made grey"],
        np.maximum(LIGHT, 19),
        0,
    ),
    "16 bits": (
        save(LIGHT.astype(np.uint16) * 257),
        ["scaled from 0 to 65535"],
        LIGHT,
        0,
    ),
    "1 bit": (save(LIGHT > 127), ["made grey"], np.where(LIGHT > 127, 255, 0), 0),
    "palette with transparency": (
        save_palette,
        ["transparency put on white", "made grey", INVERTED],
        255 - ON_WHITE,
        0,
    ),
    "grey with opaque alpha": (save_mode("LA"), ["made grey"], LIGHT, 0),
    "RGBA": (
        save(RGBA),
        ["transparency put on white", "made grey", INVERTED],
        255 - ON_WHITE,
        0,
    ),
    "CMYK JPEG": (save_mode("CMYK", "a.jpg", quality=100), ["made grey"], LIGHT, 5),
    "turned JPEG": (
        save_turned("a.jpg", quality=100),
        ["turned as its EXIF data say"],
        LIGHT,
        5,
    ),
    "turned PNG": (save_turned("a.png"), ["turned as its EXIF data say"], LIGHT, 0),
    "animated GIF": (save_frames("a.gif"), ["first of 3 frames"], LIGHT, 0),
    "TIFF of 3 pages": (save_frames("a.tiff"), ["first of 3 frames"], LIGHT, 0),
    "WebP": (save_mode("RGB", "a.webp", lossless=True), ["made grey"], LIGHT, 0),
    "BMP": (save(LIGHT, "a.bmp"), ["used as it is"], LIGHT, 0),
    "float TIFF to 1": (
        save(LIGHT.astype(np.float32) / 255, "a.tif"),
        ["scaled from 0 to 1"],
        LIGHT,
        0,
    ),
    "float TIFF to 255": (
        save(LIGHT.astype(np.float32), "a.tif"),
        ["scaled from 0 to 255"],
        LIGHT,
        0,
    ),
    "32 bits TIFF": (
        save(LIGHT.astype(np.int32) * 257, "a.tif"),
        ["scaled from 0 to 65535"],
        LIGHT,
        0,
    ),
    "uppercase suffix": (save(LIGHT, "A.PNG"), ["used as it is"], LIGHT, 0),
    "no suffix": (save(LIGHT, "picture", format="PNG"), ["used as it is"], LIGHT, 0),
    "wrong suffix": (save(LIGHT, "a.jpg", format="PNG"), ["used as it is"], LIGHT, 0),
    "name with blanks": (save(LIGHT, "ein schöner Schuh, 靴.png"), ["used as it is"], LIGHT, 0),
    "link": (save_link, ["used as it is"], LIGHT, 0),
    "1x1": (save(filled(1, 1, 255)), [PADDED.format("1x1"), INVERTED], BLACK, 0),
    "1x1000": (save(filled(1000, 1, 0)), [PADDED.format("1x1000")], BLACK, 0),
    "30000x1": (
        save(filled(1, 30000, 200)),
        [PADDED.format("30000x1"), INVERTED, "background made black"],
        BLACK,
        0,
    ),
    "dark square on white": (
        save(with_box(filled(200, 300, 255), 30, 180, 100, 100, 0)),
        [PADDED.format("300x200"), INVERTED],
        filled(28, 28, 255),
        0,
    ),
    "dark bar on light grey": (
        save(with_box(filled(200, 300, 235), 30, 80, 100, 200, 0)),
        [PADDED.format("300x200"), INVERTED, "background made black"],
        with_box(BLACK, 7, 0, 14, 28, 255),
        0,
    ),
    "light bar on dark grey": (
        save(with_box(filled(200, 300, 20), 0, 80, 200, 100, 255)),
        [PADDED.format("300x200"), "background made black"],
        with_box(BLACK, 0, 7, 28, 14, 255),
        0,
    ),
    "photo": (
        save(blocks(RED, GREEN, BLUE)),
        ["resized from 96x32: cropped to its center"],
        blocks(GREEN),
        0,
    ),
    "upright photo": (
        save(blocks(RED, GREEN, BLUE).swapaxes(0, 1).copy()),
        ["resized from 32x96: cropped to its center"],
        blocks(GREEN),
        0,
    ),
    "object on red": (
        save(with_box(np.full((81, 163, 3), RED, dtype=np.uint8), 40, 9, 32, 64, BLUE)),
        [PADDED.format("163x81")],
        with_box(blocks(RED), 8, 0, 16, 32, BLUE),
        0,
    ),
    "grey for a color model": (
        save(filled(32, 32, 255)),
        ["made RGB"],
        blocks((255, 255, 255)),
        0,
    ),
    "color for a color model": (save(blocks(BLUE)), ["used as it is"], blocks(BLUE), 0),
}


@pytest.mark.parametrize("name", ODD)
def test_odd_pictures(tmp_path: Path, name: str) -> None:
    write, done, expected, tolerance = ODD[name]
    shape = COLOR if expected.ndim == 3 else GREY
    pixels, said = read_picture(write(tmp_path), shape, invert=None)
    assert said == done
    assert pixels.shape == shape
    assert pixels.dtype == np.uint8
    assert np.abs(pixels.reshape(expected.shape).astype(int) - expected).max() <= tolerance


@pytest.mark.parametrize(
    ("image", "invert", "done", "expected"),
    [
        (LIGHT, True, ["inverted: as told"], 255 - LIGHT),
        (LIGHT, False, ["used as it is"], LIGHT),
        (filled(9, 9, 250), False, [PADDED.format("9x9")], filled(28, 28, 250)),
        (
            filled(9, 9, 250),
            True,
            [PADDED.format("9x9"), "inverted: as told", "background made black"],
            BLACK,
        ),
        (blocks(RED), True, ["inverted: as told"], blocks((0, 255, 255))),
    ],
)
def test_inverting_as_told(
    tmp_path: Path, image: Pixels, invert: bool, done: list[str], expected: Pixels
) -> None:
    shape = COLOR if expected.ndim == 3 else GREY
    pixels, said = read_picture(save(image)(tmp_path), shape, invert)
    assert said == done
    np.testing.assert_array_equal(pixels.reshape(expected.shape), expected)


def text(name: str, content: str) -> Callable[[Path], Path]:
    def write(folder: Path) -> Path:
        (folder / name).write_text(content)
        return folder / name

    return write


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
NO_PICTURE = f"not a picture, or of no format Pillow reads; {REMEDY}"
NAN = np.where(OBJECT, LIGHT, np.nan).astype(np.float32)
USABLE = "where 0 to 1 or 255 or 65535 is usable"
# How a file is made, and what is said of it after its path.
WRONG: dict[str, tuple[Callable[[Path], Path], str]] = {
    "empty file": (text("a.png", ""), NO_PICTURE),
    "text": (text("a.png", "no picture"), NO_PICTURE),
    "SVG": (text("a.svg", "<svg xmlns='http://www.w3.org/2000/svg'/>"), NO_PICTURE),
    "truncated PNG": (
        cut(save(NOISE), 0.5),
        f"not a usable picture (image file is truncated); {REMEDY}",
    ),
    "truncated JPEG": (cut(save(NOISE, "a.jpg"), 0.6), "not a usable picture (image file is trunc"),
    "truncated GIF": (cut(save(NOISE, "a.gif"), 0.7), "not a usable picture (image file is trunc"),
    "truncated BMP": (cut(save(NOISE, "a.bmp"), 0.7), "not a usable picture (image file is trunc"),
    "truncated TIFF": (cut(save(NOISE, "a.tif"), 0.7), "not a usable picture ("),
    "TIFF cut short": (cut(save(NOISE, "a.tif"), 0.001), NO_PICTURE),
    "NaN": (save(NAN, "a.tif"), f"not a usable picture (pixels of nan to nan, {USABLE}); {REMEDY}"),
    "negative": (
        save(-1 - LIGHT.astype(np.float32), "a.tif"),
        f"not a usable picture (pixels of -256 to -1, {USABLE}); {REMEDY}",
    ),
    "beyond white": (
        save(LIGHT.astype(np.int32) * 1000, "a.tif"),
        "not a usable picture (pixels of 0 to 255000, where 0 to 255 or 65535 is usable)",
    ),
    "bomb": (save_bomb, "too large (Image size (100000000 pixels) exceeds limit of 89478485"),
    "missing": (lambda folder: folder / "a.png", "No such file or directory; look at its name"),
    "dangling link": (link_to("nothing.png"), "No such file or directory; look at its name"),
    "link to itself": (link_to("link.png"), "Too many levels of symbolic links; look at"),
    "long name": (lambda folder: folder / ("a" * 300), "File name too long; look at its name"),
    "below a file": (lambda folder: text("a", "")(folder) / "b.png", "Not a directory; look at"),
    "pipe": (make_pipe, "not a file; name a picture or a folder of them"),
    "folder without pictures": (make_folder, "no pictures in this folder; name its subfolders: "),
    "empty folder": (make_empty_folder, "no pictures in this folder; name one that has some"),
    "name that is not UTF-8": (
        lambda folder: text(os.fsdecode(b"\xff.png"), "")(folder),
        NO_PICTURE,
    ),
}


@pytest.fixture(scope="module")
def of_wrong(trained: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What one call says of all wrong files, with a right one between them, by name."""
    paths = {}
    for index, (name, (make, _)) in enumerate([*WRONG.items(), ("right", (save(LIGHT), ""))]):
        folder = tmp_path_factory.mktemp(f"wrong{index}")
        paths[name] = make(folder)
    command = ["python", "-m", "tools.predict", MODEL, "--json"]
    # The right one stands first and last.
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
    assert result["error"].startswith(f"{result['image']}: {WRONG[name][1]}")


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
        with pytest.raises(PermissionError):
            read_picture(path, GREY, invert=None)
    finally:
        if superuser:
            os.seteuid(0)
    assert predict.explain(path, PermissionError(13, "Permission denied")) == (
        f"{path}: Permission denied; look at its name and permissions"
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
    assert {tuple(result["done"]) for result in results} == {("used as it is",)}
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
    about = {entry.key: entry.value for entry in proto.metadata_props}
    about |= {key: json.dumps(value) for key, value in values.items()}
    del proto.metadata_props[:]
    for key, value in about.items():
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
    session = predict.open_model(path)
    (result,) = predict.predict(session, [save(LIGHT)(tmp_path)], invert=None)
    pixels = (LIGHT.reshape(1, 784).astype(np.float32) / 255 - np.float32(0.3)) / np.float32(0.2)
    expected = session.run(["probability"], {"images": pixels})[0][0]
    best = [int(c) for c in np.argsort(expected)[:-4:-1]]
    assert [one["class"] for one in result["top"]] == [classes[c] for c in best]
    assert [one["probability"] for one in result["top"]] == [float(expected[c]) for c in best]


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"classes": None}, "not a model of this pipeline: the model's metadata lack classes"),
        ({"layout": "square"}, "not a model of this pipeline: layout 'square' is unknown"),
        ({"image_shape": [28, 28]}, "not a model of this pipeline: not enough values"),
        ({"image_shape": [32, 32, 3]}, "say images of [32, 32, 3], layout flat, but it takes [784"),
        ({"image_shape": [14, 28, 2]}, "say images of [14, 28, 2], layout flat"),
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
    result = run("make", "predict", f"MODEL={MODEL}", f"IMAGE='{folder}'", cwd=project, status=2)
    line, *rows = result.stdout.splitlines()
    assert line == f"{folder}/b.png: used as it is"
    assert len(rows) == 3
    assert all(0 <= float(row.split()[-1]) <= 1 for row in rows)
    assert result.stderr.startswith(f"predict: error: {folder}/a.png: {NO_PICTURE}\nmake: ")

    shutil.copy(folder / "b.png", project)
    svc = ["MODEL=data/models/fashion_mnist-svc.onnx", "IMAGE=b.png"]
    result = run("make", "predict", *svc, "INVERT=yes", cwd=project)
    assert result.stdout.startswith("b.png: inverted: as told\n  ")
    assert result.stdout.endswith("  no probability\n")
    (told,) = json.loads(run("make", "predict", *svc, "INVERT=no", "JSON=1", cwd=project).stdout)
    assert (told["image"], told["done"]) == ("b.png", ["used as it is"])


@pytest.mark.parametrize(
    ("model", "message"),
    [
        (
            "none.onnx",
            "none.onnx: no such model; MODEL is a file, here data/models/cifar10-cnn.onnx",
        ),
        (
            "data/models",
            "data/models: no such model; MODEL is a file, here data/models/cifar10-cnn",
        ),
        ("params.yaml", "params.yaml: not an ONNX model"),
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
