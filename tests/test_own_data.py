"""Data sets as people have them are read as they are, or refused in a line that says what to do."""

import gzip
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from own_data import (
    NAMES,
    SPLITS,
    first,
    load,
    require_all,
    write_pictures,
    write_tables,
)
from PIL import Image, ImageEnhance

from stages.datasets.duplicates import find_exact, find_near
from stages.runtime.errors import InputError
from stages.sources.common import idx_file
from stages.sources.common.formats import find_source, list_unread
from tools.sample import write_sheet


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
