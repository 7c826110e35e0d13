"""CSV files as people have them are read as they are, or refused in a line that says what to do."""

from pathlib import Path

import pytest
from own_data import (
    NAMES,
    PIXELS,
    UNNAMED,
    Row,
    both,
    first,
    labels_in,
    load,
    pixels,
    require_all,
    write_tables,
)

from stages.runtime.errors import InputError

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


def test_a_label_that_could_be_a_header(tmp_path: Path) -> None:
    write_tables(lambda row: ["Ycx"[row[0]], *row[1]])(tmp_path)
    require_all(load(tmp_path, classes=["Y", "c", "x"]))
