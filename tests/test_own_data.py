"""Data sets as people have them are read as they are, or refused in a line that says what to do."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, run
from numpy.typing import NDArray
from PIL import Image, ImageEnhance

from stages.datasets.duplicates import find_exact, find_near
from stages.load import Parts, choose, describe, find_source, list_unread, read_splits
from stages.runtime.errors import InputError
from stages.runtime.parameters import parse
from stages.schema.parameters import Dataset as Schema
from stages.schema.validation import validate
from stages.sources import sheet
from stages.sources.common import idx_file
from stages.sources.common.dataset import describe_dataset
from tools.sample import write_sheet
from tools.survey.block import add_block, suggest
from tools.survey.look import look_at

NAMES = ["T-shirt", "Trouser", "Bag"]
SAMPLE = ROOT / "data/sample/fashion_mnist"


def choose_some(split: str, each: int) -> tuple[NDArray[np.uint8], NDArray[np.int64]]:
    """The first images, (n, 28, 28), of three classes of Fashion-MNIST, labeled 0 to 2."""
    images, labels = sheet.read_files(sheet.find(SAMPLE)[split])
    some = [np.flatnonzero(labels == label)[:each] for label in (0, 1, 8)]
    return images[np.concatenate(some), ..., 0], np.repeat(np.arange(3), each)


SPLITS = {"train": choose_some("train", 12), "test": choose_some("test", 4)}
Row = tuple[int, list[str]]  # its label, and its pixels as texts
PIXELS = [f"pixel{number}" for number in range(1, 785)]
UNNAMED = [*map(str, range(784))]  # as pandas numbers columns without a name


def load(folder: Path, classes: Any = None, **others: Any) -> Parts:
    """What `load` writes, after the check of the parameters."""
    parameters = {"path": str(folder), "validation_fraction": 0.25, "classes": classes or NAMES}
    validate(Schema, parameters | others, "data", "mine")
    dataset = describe_dataset("data.mine", parameters | others)
    parts = choose(read_splits(dataset), dataset, seed=100, near=0.3)
    describe(parts, dataset)
    return parts


def require_all(parts: Parts) -> None:
    """The images and labels are those of `SPLITS`."""
    for split, (expected, expected_labels) in SPLITS.items():
        images, labels, _ = parts[split]
        order = np.lexsort([*images.reshape(len(images), -1).T])
        other = np.lexsort([*expected.reshape(len(expected), -1).T])
        np.testing.assert_array_equal(images[order, ..., 0], expected[other])
        np.testing.assert_array_equal(labels[order], expected_labels[other])
    assert [len(parts[split][2]) for split in ("train", "validation", "test")] == [27, 9, 12]


def rows_of(split: str) -> list[Row]:
    images, labels = SPLITS[split]
    flat = images.reshape(len(images), -1).astype(str).tolist()
    return [*zip(labels.tolist(), flat, strict=True)]


def write_tables(
    line: Callable[[Row], list[str]],
    header: list[str] | None = None,
    *,
    name: str = "{}.csv",
    delimiter: str = ",",
    end: str = "\n",
    encoding: str = "utf-8",
) -> Callable[[Path], None]:
    """A function that writes one table per split."""

    def write(folder: Path) -> None:
        for split in SPLITS:
            lines = ([header] if header else []) + [line(row) for row in rows_of(split)]
            text = "".join(delimiter.join(values) + end for values in lines).encode(encoding)
            path = folder / name.format(split)
            path.write_bytes(gzip.compress(text) if path.suffix == ".gz" else text)

    return write


def both(*writers: Callable[[Path], None]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for one in writers:
            one(folder)

    return write


def first(row: Row) -> list[str]:
    return [str(row[0]), *row[1]]


def pixels(row: Row) -> list[str]:
    return row[1]


def labels_in(name: str, **how: Any) -> Callable[[Path], None]:
    return write_tables(lambda row: [str(row[0])], name=name, **how)


LABELS = "{}_labels.csv"
IMAGES = "{}_images.csv"
TABLES = {
    "as on Kaggle": write_tables(first, ["label", *PIXELS], name="fashion-mnist_{}.csv"),
    "compressed": write_tables(first, ["label", *PIXELS], name="fashion-mnist_{}.csv.gz"),
    "without a header": write_tables(first, name="emnist-{}.csv"),
    "labels last": write_tables(lambda row: [*row[1], str(row[0])], [*PIXELS, "class"]),
    "names as labels": write_tables(lambda row: [NAMES[row[0]], *row[1]], ["Label", *PIXELS]),
    "names without a header": write_tables(lambda row: [NAMES[row[0]], *row[1]]),
    "labels as 1.0": write_tables(lambda row: [f"{row[0]}.0", *row[1]]),
    "pixels as 7.0": write_tables(lambda row: [str(row[0]), *(f"{one}.0" for one in row[1])]),
    "columns that pandas numbered": write_tables(first, ["label", *UNNAMED]),
    "byte order mark": write_tables(first, ["label", *PIXELS], encoding="utf-8-sig"),
    "UTF-16": write_tables(first, ["label", *PIXELS], encoding="utf-16"),
    "UTF-16 without a mark": write_tables(first, ["label", *PIXELS], encoding="utf-16-be"),
    "Latin-1": write_tables(first, ["label", "Größe", *PIXELS[1:]], encoding="latin-1"),
    "semicolons": write_tables(first, ["label", *PIXELS], delimiter=";"),
    "tabs": write_tables(first, delimiter="\t"),
    "blanks": write_tables(first, delimiter=" "),
    "delimiter at the end": write_tables(first, end=",\n"),
    "carriage returns": write_tables(first, end="\r\n"),
    "quotes": write_tables(
        lambda row: [f'"{value}"' for value in first(row)], ['"label"', *PIXELS]
    ),
    "two files": both(write_tables(pixels, name=IMAGES), labels_in(LABELS)),
    "two files with headers": both(
        write_tables(pixels, PIXELS, name=IMAGES), labels_in(LABELS, header=["Klasse"])
    ),
    "Excel's first line": write_tables(first, ["sep=,"]),
    "comment": both(
        write_tables(pixels, name=IMAGES), labels_in(LABELS, header=["# 1"], encoding="utf-16")
    ),
    "another table": both(
        write_tables(first, ["label", *PIXELS]), write_tables(pixels, name="class_names.csv")
    ),
}


@pytest.mark.parametrize("name", TABLES)
def test_tables(tmp_path: Path, name: str) -> None:
    TABLES[name](tmp_path)
    require_all(load(tmp_path))


def numbered(row: Row) -> list[str]:
    return ["7", *first(row)]


WRONG_TABLES = {
    "a named index": (
        write_tables(numbered, ["Unnamed: 0", "label", *PIXELS]),
        r"train.csv: column 1, 'Unnamed: 0', numbers the rows; remove it",
    ),
    "an index": (
        write_tables(numbered),
        r"train.csv: line 1: 785 numbers besides the label are not a square image.*row numbers$",
    ),
    "pixels of 0 to 1": (
        write_tables(lambda row: [str(row[0]), *(f"{int(one) / 255:.4f}" for one in row[1])]),
        r"train.csv: line 1, column \d+: '0.\d+' is not a whole number.*multiply pixels of 0 to 1",
    ),
    "no labels": (
        write_tables(pixels),
        r"train.csv: line 1: 784 numbers are an image without a label; add a column of labels",
    ),
    "an unknown label": (
        write_tables(lambda row: [f"{row[0] * 2}" + "0" * 90, *row[1]]),
        r"train.csv: line 1, column 1: '0{40}' is not the label of a class \(0, 1, 2\)",
    ),
    "a row longer than the first, which ends with a delimiter": (
        write_tables(lambda row: first(row) + ([""] if row[0] == 0 else ["7", "7"])),
        r"train.csv: line 13: 787 values, but the first row has 785",
    ),
    "pixels of 0 and 1": (
        write_tables(lambda row: [str(row[0]), *(str(int(one != "0")) for one in row[1])]),
        r"train.csv: all pixels are 0 or 1; multiply them by 255",
    ),
    "two tables": (
        both(write_tables(first), write_tables(first, name="more_{}.csv")),
        r"more_\w+.csv and \w+.csv: which has the images\? leave one there",
    ),
    "an empty column": (
        write_tables(lambda row: [str(row[0]), "", *row[1][1:]]),
        r"train.csv: line 1, column 2: '' is not a whole number",
    ),
}


@pytest.mark.parametrize("name", WRONG_TABLES)
def test_wrong_tables(tmp_path: Path, name: str) -> None:
    write, message = WRONG_TABLES[name]
    write(tmp_path)
    with pytest.raises(InputError, match=message):
        load(tmp_path)


def test_labels_with_row_numbers(tmp_path: Path) -> None:
    write_tables(pixels, name=IMAGES)(tmp_path)
    write_tables(lambda row: ["7", str(row[0])], name=LABELS)(tmp_path)
    with pytest.raises(InputError, match=r"train_labels.csv: line 1: 2 values, expected one label"):
        load(tmp_path)


def write_idx(images: str, labels: str, change: Callable[[bytes], bytes]) -> Callable[[Path], None]:
    def write(folder: Path) -> None:
        for split in SPLITS:
            arrays: list[NDArray[Any]] = [*SPLITS[split]]
            for name, array in zip((images, labels), arrays, strict=True):
                path = folder / name.format({"train": "train", "test": "t10k"}[split], split)
                path.parent.mkdir(exist_ok=True)
                idx_file.write_array(path, array.astype(np.uint8))
                path.write_bytes(change(path.read_bytes()))

    return write


IDX = {
    "as on Kaggle": write_idx("{0}-images.idx3-ubyte", "{0}-labels.idx1-ubyte", bytes),
    "as EMNIST": write_idx(
        "emnist-digits-{1}-images-idx3-ubyte.gz",
        "emnist-digits-{1}-labels-idx1-ubyte.gz",
        gzip.compress,
    ),
    "compressed, but not called so": write_idx(
        "{0}-images-idx3-ubyte", "{0}-labels-idx1-ubyte", gzip.compress
    ),
    "called .gz, but not compressed": write_idx(
        "{0}-images-idx3-ubyte.gz", "{0}-labels-idx1-ubyte.gz", bytes
    ),
    "each in a folder": write_idx(
        "{0}-images-idx3-ubyte/{0}-images-idx3-ubyte",
        "{0}-labels-idx1-ubyte/{0}-labels-idx1-ubyte",
        bytes,
    ),
}


@pytest.mark.parametrize("name", IDX)
def test_idx_files(tmp_path: Path, name: str) -> None:
    IDX[name](tmp_path)
    require_all(load(tmp_path))


def write_pictures(folder: Path, *, names: list[str] = NAMES, **folders: str) -> None:
    """Writes a picture for each image; `folders` are those of the splits."""
    for split, (images, labels) in SPLITS.items():
        for index, (image, label) in enumerate(zip(images, labels, strict=True)):
            path = folder / folders.get(split, split) / names[label] / f"{split}{index:03}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)


@pytest.mark.parametrize("test", ["Test", "testing", "TEST_SET"])
@pytest.mark.parametrize("train", ["Train", "training"])
def test_names_of_splits(tmp_path: Path, train: str, test: str) -> None:
    write_pictures(tmp_path, train=train, test=test)
    require_all(load(tmp_path))


def test_what_programs_leave_behind_is_ignored(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    for place in ("", "train", "train/Bag"):
        for name in ("Thumbs.db", "desktop.ini", ".DS_Store", "._1.png"):
            (tmp_path / place / name).write_bytes(b"\0")
        for name in (".ipynb_checkpoints", "__MACOSX"):
            (tmp_path / place / name).mkdir()
            (tmp_path / place / name / "test1.png").write_bytes(b"\0")
    require_all(load(tmp_path))


@pytest.mark.parametrize("name", ["val", "valid", "Validation"])
def test_a_validation_split_of_its_own(tmp_path: Path, name: str) -> None:
    write_pictures(tmp_path)
    write_pictures(tmp_path / "more", test=name)
    (tmp_path / "more" / name).rename(tmp_path / name)
    parts = load(tmp_path, validation_fraction=0)
    assert [len(parts[split][2]) for split in ("train", "validation", "test")] == [36, 12, 12]
    with pytest.raises(InputError, match=r"validation_fraction: .* has a validation split; set it"):
        load(tmp_path)


def test_a_class_may_be_called_train(tmp_path: Path) -> None:
    write_pictures(tmp_path, names=["train", "plane", "ship"], train=".", test=".")
    parts = load(tmp_path, classes=["train", "plane", "ship"], test_fraction=0.25)
    assert [len(parts[split][2]) for split in ("train", "validation", "test")] == [27, 9, 12]


def test_a_test_split_is_drawn_only_if_asked_for(tmp_path: Path) -> None:
    write_pictures(tmp_path)
    with pytest.raises(InputError, match=r"test_fraction: .* has a test split; remove the param"):
        load(tmp_path, test_fraction=0.2)
    (tmp_path / "test").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=r"no test images with labels; add some, or set data.mine"):
        load(tmp_path)
    for path in [*(tmp_path / "elsewhere").glob("*/*.png")]:  # as Kaggle has them
        path.rename(tmp_path / "elsewhere" / path.name)
    for folder in NAMES:
        (tmp_path / "elsewhere" / folder).rmdir()
    (tmp_path / "elsewhere").rename(tmp_path / "test")
    with pytest.raises(InputError, match="no test images with labels"):
        load(tmp_path)


def test_drawn_test_images_have_no_duplicates_in_the_training_images(tmp_path: Path) -> None:
    """Of each image there is a copy, a brighter one, and one moved by a pixel; or only itself."""
    images, labels = SPLITS["train"]
    for index, (image, label) in enumerate(zip(images, labels, strict=True)):
        folder = tmp_path / NAMES[label]
        folder.mkdir(exist_ok=True)
        picture = Image.fromarray(image)
        copies = [picture]
        if index % 3 == 0:
            brighter = ImageEnhance.Brightness(picture).enhance(0.8)
            copies += [picture, brighter, Image.fromarray(np.roll(image, 1, axis=0))]
        for number, copy in enumerate(copies):
            copy.save(folder / f"{index}-{number}.png")
    parts = load(tmp_path, test_fraction=0.3)
    pixels, of_image, chosen = parts["test"]
    training = np.concatenate([parts[split][2] for split in ("train", "validation")])
    assert sorted([*chosen, *training]) == [*range(72)]
    assert (find_exact(pixels[chosen], pixels[training]) < 0).all()
    assert (find_near(pixels[chosen], pixels[training])[1] >= 0.3).all()
    assert np.bincount(of_image[chosen]).tolist() == [7, 7, 7]  # 24 of each class
    again = load(tmp_path, test_fraction=0.3)
    assert again["test"][2].tolist() == chosen.tolist()


def test_images_that_are_all_alike_cannot_be_drawn(tmp_path: Path) -> None:
    for name in NAMES:
        (tmp_path / name).mkdir()
        for index in range(5):
            Image.fromarray(SPLITS["train"][0][0]).save(tmp_path / name / f"{index}.png")
    with pytest.raises(InputError, match=r"of class 0, with 5 images, only 0 can be test images"):
        load(tmp_path, test_fraction=0.3)


LABELED = {1: "T-shirt", 4: "Trouser", 5: "Bag"}


@pytest.mark.parametrize("form", ["CSV", "IDX", "sheet", "pictures"])
def test_labels_with_gaps(tmp_path: Path, form: str) -> None:
    labels = np.array([*LABELED])
    for split, (images, indices) in SPLITS.items():
        numbers = labels[indices]
        if form == "sheet":
            write_sheet(tmp_path, split, images[..., None], numbers)
        elif form == "IDX":
            for name, array in (("images-idx3", images), ("labels-idx1", numbers)):
                idx_file.write_array(tmp_path / f"{split}-{name}-ubyte", array.astype(np.uint8))
    if form == "CSV":
        write_tables(lambda row: [str(labels[row[0]]), *row[1]])(tmp_path)
    if form == "pictures":
        write_pictures(tmp_path, names=["1", "4", "5"])
    require_all(load(tmp_path, classes=LABELED))
    if form != "pictures":
        with pytest.raises(InputError, match=r"'4' is not the label of a class \(0, 1, 2\); corr"):
            load(tmp_path)
        with pytest.raises(InputError) as error:
            load(tmp_path, classes=["unused", "T-shirt", "b", "c", "Trouser", "Bag"])
        assert str(error.value).endswith(
            "no training image of unused, b, c; add some, or leave the class out: "
            "data.mine.classes: {1: T-shirt, 4: Trouser, 5: Bag}"
        )


def test_a_name_that_is_the_label_of_another_class(tmp_path: Path) -> None:
    """Sorted as texts, 10 is before 2: nobody knows whether the third class is label 2."""
    write_tables(first)(tmp_path)
    for classes in (["0", "2", "1"], {0: "1", 1: "zero", 2: "b"}):
        with pytest.raises(InputError, match=r"is the name of label \d, and the label of another"):
            load(tmp_path, classes=classes)
    require_all(load(tmp_path, classes=["0", "1", "2"]))
    write_pictures(tmp_path / "more", names=["0", "2", "1"])
    require_all(load(tmp_path / "more", classes=["0", "2", "1"]))


def test_a_label_that_could_be_a_header(tmp_path: Path) -> None:
    write_tables(lambda row: ["Ycx"[row[0]], *row[1]])(tmp_path)
    require_all(load(tmp_path, classes=["Y", "c", "x"]))


def test_what_is_beside_the_data_set_is_named(tmp_path: Path) -> None:
    write_pictures(tmp_path, train="seg_train/seg_train", test="seg_test/seg_test")
    (tmp_path / "metadata.csv").write_text("a,b\n1,2\n")
    write_pictures(tmp_path / "holdout")
    (tmp_path / "seg_train/seg_train/loose.png").write_bytes(b"")
    require_all(load(tmp_path))
    assert list_unread(tmp_path, find_source(tmp_path)[1]) == [
        "holdout",
        "metadata.csv",
        "seg_train/seg_train/loose.png",
    ]
    write_tables(first)(tmp_path)
    with pytest.raises(InputError, match=r"has several data sets, such as train.csv and train/CLA"):
        load(tmp_path)


def test_pictures_of_several_scales(tmp_path: Path) -> None:
    """Of floats nobody knows whether white is 1 or 255; a file alone says only its lightest."""
    write_pictures(tmp_path)
    for path in tmp_path.glob("*/*/*.png"):
        pixels = np.asarray(Image.open(path)).astype(np.float32)
        scale = 255 if path.parent.name == "Bag" else 1
        Image.fromarray(pixels / scale).save(path.with_suffix(".tif"))
        path.unlink()
    with pytest.raises(
        InputError, match=r"which value is white\? 12 floats scaled from 0 to 1 and"
    ):
        load(tmp_path)


def test_folders_are_named_after_labels_or_classes(tmp_path: Path) -> None:
    write_pictures(tmp_path, names=["n01440764", "n02102040", "n03000684"])
    wordnet = {"n01440764": "T-shirt", "n02102040": "Trouser", "n03000684": "Bag"}
    require_all(load(tmp_path, classes=wordnet))
    write_pictures(tmp_path / "more")
    require_all(load(tmp_path / "more", classes={0: "T-shirt", 2: "Trouser", 7: "Bag"}))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"classes": [0, 1, 2]}, "data.mine.classes is [0, 1, 2]: 0 is not a text; write it in q"),
        ({"classes": "abc"}, "data.mine.classes is 'abc': choose a list of names, or labels with"),
        ({"classes": {1: "a", "1": "b"}}, "data.mine.classes: a name or label is there twice"),
        ({"classes": {1: "a", 2: "a"}}, "data.mine.classes: a name or label is there twice"),
        ({"classes": {1.5: "a", 2: "b"}}, "data.mine.classes: 1.5 is not a label; write it in qu"),
        ({"classes": ["a"]}, "data.mine.classes is ['a']: 1 classes; choose 2 to 256"),
        ({"size": [28, 28]}, "data.mine: size and fit go together: set both"),
        ({"fit": "crop"}, "data.mine: size and fit go together: set both"),
        ({"size": [28], "fit": "crop"}, "data.mine.size is [28]: List should have at least 2 it"),
        ({"size": [0, 9], "fit": "pad"}, "data.mine.size.0 is 0: Input should be greater than"),
        ({"size": [9, 9], "fit": "stretch"}, "data.mine.fit is 'stretch': Input should be 'crop'"),
        ({"test_fraction": 0}, "data.mine.test_fraction is 0: Input should be greater than 0"),
    ],
)
def test_wrong_parameters(tmp_path: Path, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        load(tmp_path, **parameters)
    assert str(error.value).startswith(message)


def test_only_pictures_are_resized(tmp_path: Path) -> None:
    write_tables(first)(tmp_path)
    with pytest.raises(InputError, match=r"data.mine.size: only pictures are resized, and .*other"):
        load(tmp_path, size=[9, 9], fit="crop")


def test_the_block_of_odd_names(tmp_path: Path) -> None:
    """What is written is what `load` reads, in a file that is otherwise as it was."""
    content = "# first\r\ndata:\r\n  a:\r\n    path: b # c\r\n    # of a\r\n\r\nseed: 1"
    for name in ("mine", "2024", "true"):
        write_pictures(tmp_path / name, names=["08", "null", "1e3"])
        block = suggest(look_at(tmp_path / name), name)
        assert block["classes"] == ["1e3", "08", "null"]
        require_all(load(tmp_path / name, classes=["08", "null", "1e3"]))
        added = add_block(content, name, block)
        assert parse(added)["data"][name] == block
        assert added.startswith(content[: content.index("\r\n\r\n")])
        assert added.endswith("\r\n\r\nseed: 1")
        assert "\n" not in added.replace("\r\n", "")
    write_tables(lambda row: [["2", "10", "x"][row[0]], *row[1]])(tmp_path)
    (tmp_path / "mine").rename(tmp_path / "other")
    block = suggest(look_at(tmp_path), "cards")
    assert block["classes"] == {2: "2", 10: "10", "x": "x"}
    require_all(load(tmp_path, classes=block["classes"]))


def test_add_data(fresh: Path) -> None:
    """The block that it writes is all that is needed; comments and order stay."""
    (fresh / ".venv").symlink_to(ROOT / ".venv")
    folder = fresh / "data/my shoes"
    for index in range(60):
        path = folder / NAMES[index % 3] / f"{index}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        image = np.random.default_rng(index).integers(0, 256, (200, 300 + index, 3), np.uint8)
        Image.fromarray(image).save(path)
    before = (fresh / "params.yaml").read_text()
    told = run("make", "add-data", "PATH=data/my shoes", cwd=fresh).stdout
    assert "data/my shoes: Picture files, in one folder per class" in told
    assert "  train: 60 images of 3 classes: Bag 20, T-shirt 20, Trouser 20" in told
    assert (fresh / "params.yaml").read_text() == before
    run("make", "add-data", "PATH=data/my shoes", "NAME=shoes", "WRITE=1", cwd=fresh)
    after = (fresh / "params.yaml").read_text()
    added = after.splitlines()[len(before[: before.index("\naudit")].splitlines()) :]
    assert after.replace("".join(f"{line}\n" for line in added[: added.index("")]), "") == before
    result = run("make", "add-data", "PATH=data/my shoes", "NAME=shoes", cwd=fresh, status=2)
    assert "params.yaml has a data set shoes; choose another name" in result.stderr
    run("python", "-m", "stages.check", "params.yaml", "out.txt", cwd=fresh)
    run("python", "-m", "stages.load", "shoes", "data/raw/shoes", cwd=fresh)
    assert np.load(fresh / "data/raw/shoes/train/images.npy").shape == (42, 64, 64, 3)
    for name in ("a b", "-x", "x: y", "../z"):
        result = run("make", "add-data", "PATH=data", f"NAME={name}", cwd=fresh, status=2)
        assert "choose letters, digits, - and _" in result.stderr
    (folder / "Bag" / "notes.txt").write_text("none")
    result = run("make", "add-data", "PATH=data/my shoes", cwd=fresh, status=2)
    assert "cannot be used: data/my shoes/Bag/notes.txt: not a valid picture" in result.stdout
    assert "what cannot be used is listed above (1); replace or remove it" in result.stderr
