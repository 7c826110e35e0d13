"""How a CSV file is written: its encoding, delimiter and header."""

import codecs
import csv
import gzip
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import IO

from stages.runtime.errors import InputError
from stages.runtime.inputs import MB, reading, require_at_most, require_file
from stages.sources.common.dataset import NUMBER, to_label

LONGEST = 40 * MB  # bytes of a line
REMEDY = "correct it"
GZIP = b"\x1f\x8b"  # the first bytes of a compressed file
DELIMITERS = ",;\t|"
BOMS = {codecs.BOM_UTF8: "utf-8-sig", codecs.BOM_UTF16_LE: "utf-16", codecs.BOM_UTF16_BE: "utf-16"}
LABEL = {"label", "labels", "class", "classes", "target", "category", "y"}  # as people name it
FEWEST = 16  # columns whose names are taken for their numbers: fewer may be an image
INDEX = {"", "id", "index", "idx", "no", "row", "unnamed: 0"}  # of a column that numbers the rows


@dataclass(frozen=True)
class Table:
    """A CSV file: its encoding, delimiter, which is None for blanks, and names of columns, if any.

    The first `skip` lines have no values. `columns` is how many the first row has; if `ended`, each
    line ends with one more delimiter.
    """

    path: Path
    encoding: str
    delimiter: str | None
    header: list[str]
    skip: int
    columns: int
    ended: bool


def open_table(path: Path, largest: int, labels: Collection[str]) -> Table:
    """A CSV file of at most `largest` bytes; `labels` are those of the classes, if known.

    Raises:
        InputError: it is missing, too large or empty, or has a line without end.
    """
    require_file(path, largest, "a data set of this format needs it")
    with reading(path, "CSV file", REMEDY):
        encoding = find_encoding(path, largest)
        with open_text(path, encoding) as file:
            filled = ((number, line) for number, line in enumerate(file) if is_content(line))
            lines = [*islice(filled, 2)]
        if not lines:
            raise InputError(f"{path}: empty")
        delimiter = find_delimiter(lines[-1][1])
        rows = [split_line(line, delimiter) for _, line in lines]
        header = rows[0] if is_header(rows[0], rows[-1], labels) else []
        if header and len(lines) == 1:
            raise InputError(f"{path}: empty but for a header")
        first, skip = (rows[-1], lines[-1][0]) if header else (rows[0], lines[0][0])
        ended = len(first) > 1 and not first[-1]
        return Table(path, encoding, delimiter, header, skip, len(first) - ended, ended)


def is_content(line: str) -> bool:
    """Whether a line is a row or a header: neither blank, nor a comment, nor Excel's `sep=;`."""
    return bool(line.strip()) and not line.startswith("#") and not re.match(r"sep=.\s*$", line)


def find_encoding(path: Path, largest: int) -> str:
    """The encoding of a file, after a look at all of it: UTF-8 or UTF-16, or else Latin-1."""
    with open_bytes(path) as file:
        start = file.read(4)
        if start.startswith(GZIP):
            raise InputError(f"{path}: compressed; let its name end in .csv.gz")
        encoding = next((name for bom, name in BOMS.items() if start.startswith(bom)), "")
        if not encoding and 0 in start:
            encoding = "utf-16-be" if start[0] == 0 else "utf-16-le"
        file.seek(0)
        decoder = codecs.getincrementaldecoder("utf-8")()
        size, length, lines = 0, 0, 1
        while block := file.read(MB):
            size += len(block)
            require_at_most(largest, size, path, REMEDY)
            first, *others = block.split(b"\n")
            length += len(first)
            if length > LONGEST:
                raise InputError(
                    f"{path}: line {lines} has more than {LONGEST / MB:,.0f} MB; {REMEDY}"
                )
            if others:
                lines, length = lines + len(others), len(others[-1])
            try:
                decoder.decode(b"" if encoding else block)
            except UnicodeDecodeError:
                encoding = "latin-1"
    return encoding or "utf-8"


def open_bytes(path: Path) -> IO[bytes]:
    """A file to read, decompressed if its name ends in `.gz`, as for NumPy."""
    return gzip.open(path) if path.suffix == ".gz" else path.open("rb")  # type: ignore[return-value]


def open_text(path: Path, encoding: str) -> IO[str]:
    """The text of a file, decompressed if its name ends in `.gz`."""
    if path.suffix == ".gz":
        return gzip.open(path, "rt", encoding=encoding)  # type: ignore[return-value]
    return path.open(encoding=encoding)


def find_delimiter(line: str) -> str | None:
    """The delimiter that occurs most often in a line; None for blanks."""
    best = max(DELIMITERS, key=line.count)
    if best in line:
        return best
    return None if len(line.split()) > 1 and any(map(is_number, line.split())) else ","


def split_line(line: str, delimiter: str | None) -> list[str]:
    """The values in a line, without quotes and blanks around them."""
    fields = next(csv.reader([line], delimiter=delimiter)) if delimiter else line.split()
    return [field.strip() for field in fields]


def read_rows(table: Table) -> Iterator[tuple[int, list[str]]]:
    """The number of each line that has values, and its values."""
    with open_text(table.path, table.encoding) as file:
        for number, line in enumerate(file, start=1):
            if number > table.skip and line.strip():
                fields = split_line(line, table.delimiter)
                yield number, fields[:-1] if table.ended and not fields[-1] else fields


def is_header(fields: list[str], row: list[str], labels: Collection[str]) -> bool:
    """Whether the values of the first line are names of columns; `row` is the next line.

    If there are several, none is a number, as pixels are, or they number the columns, as pandas
    does, but for a usual name of labels or of an index.
    """
    if len(fields) == 1:
        name = fields[0]
        if is_number(name) or to_label(name) in labels:
            return False
        return bool(labels) or name.lower() in LABEL or is_number(row[0])
    numbers = [field for field in fields if field.lower() not in LABEL | INDEX]
    count = len(numbers)
    counting = numbers in ([*map(str, range(count))], [*map(str, range(1, count + 1))])
    if counting and (count >= FEWEST or count < len(fields)):
        return True
    return not any(map(is_number, fields))


def is_number(text: str) -> bool:
    """Whether a text is a number, or one of the values of floats that are none."""
    return bool(NUMBER.fullmatch(text)) or text.lower().strip("+-") in {"nan", "inf", "infinity"}
