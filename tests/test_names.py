"""Class names in any script are legible in every picture, or a line says why not."""

from importlib import import_module
from itertools import pairwise
from pathlib import Path
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from conftest import ROOT
from matplotlib import font_manager
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.ft2font import FT2Font
from matplotlib.text import Text
from numpy.typing import NDArray
from planted_network import UNIT, make_network

from stages.figures.pairs import draw_pairs
from stages.figures.run import Run
from stages.figures.style import (
    END_ISOLATE,
    ISOLATE,
    count_columns,
    lacking,
    make_legible,
    new_figure,
    save,
    wrap,
)
from tools.engine.processes import find_warnings

SCRIPTS = {
    "Chinese": "运动鞋",
    "Japanese": "ネコとねこ",
    "Korean": "고양이",
    "Arabic": "قطة صغيرة",
    "Hebrew": "חתול קטן",
    "Latin": "Ankle boot",
    "long": "运动鞋和靴子" * 13,
    "long Arabic": "كتاب جميل " * 7 + "جدا",
}
NAMES = list(SCRIPTS.values())
WITH_CAPTIONS = ("examples", "mistakes", "saliency")
KINDS = ("confusion", "confused_pairs", "feature_maps", "feature_space", *WITH_CAPTIONS)


@pytest.fixture(autouse=True)
def fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undoes a choice of fonts."""
    monkeypatch.setitem(mpl.rcParams, "font.family", ["sans-serif"])


@pytest.fixture
def asian_font() -> None:
    """Skips a test if no font has East Asian characters."""
    for path in font_manager.findSystemFonts():
        if not lacking(FT2Font(path), set("运ネ고")):
            return
    pytest.skip("no font has 运, ネ and 고: install e.g. Debian's fonts-wqy-microhei")


def answers(classes: list[str]) -> Run:
    """A run that confuses each class with the next."""
    labels = np.arange(len(classes))
    probabilities = np.full((len(classes), len(classes)), 1 / len(classes), dtype=np.float32)
    return Run(
        name="a-run",
        classes=classes,
        images=np.zeros((len(classes), 8, 8, 1), dtype=np.uint8),
        labels=labels,
        predicted=np.roll(labels, 1),
        probabilities=probabilities,
        curve={},
        model=make_network(np.zeros((2, len(classes))), side=8),
        normalization=UNIT,
        backbone=None,
        examples=len(classes),
        mistakes=len(classes),
        seed=1,
    )


def draw_all(classes: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch) -> list[Text]:
    """Every kind of picture with class names; a character without a font warns, and so fails."""
    texts: list[Text] = []
    for kind in KINDS:
        figure = import_module(f"stages.figures.run.{kind}").draw(answers(classes))
        save(figure, folder / f"{kind}.png")
        texts += figure.findobj(Text)
    image = np.zeros((8, 8, 1), np.uint8)
    captions = [f"{one} / {other}\n0.1" for one, other in pairwise(classes)]
    draw_pairs([(image, image)] * len(captions), captions, "a title", folder / "pairs.png")
    return texts


def test_every_module_that_shows_class_names_is_drawn_here() -> None:
    folder = ROOT / "stages" / "figures" / "run"
    found = {path.stem for path in folder.glob("*.py") if "run.classes" in path.read_text()}
    assert found | {*WITH_CAPTIONS} == set(KINDS)


@pytest.mark.slow  # many inputs
@pytest.mark.usefixtures("asian_font")
def test_names_in_other_scripts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown = make_legible(NAMES)
    assert [name.strip(ISOLATE + END_ISOLATE) for name in shown] == NAMES
    assert [name.startswith(ISOLATE) for name in shown] == [False] * 3 + [True] * 2 + [
        False,
        False,
        True,
    ]
    assert capsys.readouterr().err == ""
    texts = draw_all(shown, tmp_path / "one", monkeypatch)
    for name in shown[:6]:
        assert sum(name in text.get_text() for text in texts) >= 6
    mpl.rcParams["font.family"] = ["sans-serif"]
    draw_all(make_legible(NAMES), tmp_path / "other", monkeypatch)
    pictures = sorted((tmp_path / "one").iterdir())
    assert len(pictures) == len(KINDS) + 1
    for picture in pictures:
        assert picture.read_bytes() == (tmp_path / "other" / picture.name).read_bytes()


def test_characters_that_no_font_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    shown = make_legible(NAMES)
    assert shown[0] == "class 0"
    assert [shown[index] for index in (1, 2, 6)] == ["class 1", "class 2", "class 6"]
    assert shown[5] == "Ankle boot"
    (line,) = capsys.readouterr().err.splitlines()
    assert ": warning: no installed font has " in line
    assert "ね (U+306D)" in line
    assert " more; pictures show the label of such a class, not its name; install" in line
    assert "fonts-noto-cjk" in line
    assert len(line) <= 300
    draw_all(shown, tmp_path, monkeypatch)


def test_the_line_names_the_package_of_the_script(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(font_manager, "findSystemFonts", list)
    assert make_legible(["แมว", "cat"]) == ["class 0", "cat"]
    said = capsys.readouterr().err
    assert "has ม (U+0E21), ว (U+0E27), แ (U+0E41); pictures" in said
    assert "fonts-noto-core" in said


def test_names_that_the_default_font_has_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise AssertionError("looks for fonts")

    monkeypatch.setattr(font_manager, "findSystemFonts", refuse)
    names = ["T-shirt", "Ça", "Ελληνικά", "Русский", "\u2708\ufe0f"]  # a selector needs no glyph
    assert make_legible(names) == names
    assert mpl.rcParams["font.family"] == ["sans-serif"]


def test_a_file_that_is_no_font_is_left_out(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.ttf").write_text("no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(tmp_path / "a.ttf")])
    assert make_legible(["猫", "b"]) == ["class 0", "b"]


def test_a_name_from_right_to_left_does_not_turn_the_text_around_it() -> None:
    (name,) = make_legible(["חתול"])

    def draw(text: str) -> NDArray[np.uint8]:
        figure = new_figure(width=4, height=0.5)
        figure.text(0.01, 0.3, text)
        canvas: Any = FigureCanvasAgg(figure)  # type: ignore[no-untyped-call]
        canvas.draw()
        return np.asarray(canvas.buffer_rgba())[..., 0]

    alone, within = draw(name), draw(f"{name} predicted as T-shirt")
    end = int(np.flatnonzero((alone < 255).any(axis=0))[-1]) + 1
    assert end > 20
    np.testing.assert_array_equal(alone[:, :end], within[:, :end])
    turned = draw("חתול predicted as T-shirt")
    assert (alone[:, :end] != turned[:, :end]).any()


@pytest.mark.parametrize(
    ("text", "columns", "expected"),
    [
        ("predicted Ankle boot 0.97", 26, "predicted Ankle boot 0.97"),
        ("actual a\npredicted b", 11, "actual a\npredicted b"),
        ("one two three", 8, "one two\nthree"),
        ("abcdefgh", 3, "abc\ndef\ngh"),
        ("actual 运动鞋和靴子", 11, "actual 运动\n鞋和靴子"),
        ("  two  blanks", 20, "  two  blanks"),
        (
            f"is {ISOLATE}אב גד{END_ISOLATE} 1",
            5,
            f"is {ISOLATE}אב{END_ISOLATE}\n{ISOLATE}גד{END_ISOLATE} 1",
        ),
        ("", 5, ""),
    ],
)
def test_long_lines_are_broken(text: str, columns: int, expected: str) -> None:
    assert wrap(text, columns) == expected
    assert all(count_columns(line) <= columns for line in expected.split("\n"))


def test_lines_are_left_out() -> None:
    assert wrap("one two three four", 5, most=2) == "one\ntwo..."
    assert wrap("one two", 5, most=2) == "one\ntwo"
    assert wrap(f"{ISOLATE}אב גד{END_ISOLATE}", 3, most=1) == f"{ISOLATE}אב...{END_ISOLATE}"


def test_make_repro_shows_the_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "logs").mkdir()
    said = "plot: warning: no installed font has 猫 (U+732B)"
    (tmp_path / "logs/plot@a.log").write_text(f"a: 3 pictures\n{said}\nno warning: this\n")
    assert find_warnings("plot@a") == [f"    {said}"]
