"""Which column of a table has labels, and what images the others make."""

from math import isqrt

from stages.runtime.errors import InputError
from stages.sources.common.tables import INDEX, LABEL, Table


def find_label_column(table: Table) -> int:
    """The column of labels: the one with a usual name, or else the first."""
    names = [name.lower() for name in table.header]
    return next((column for column, name in enumerate(names) if name in LABEL), 0)


def find_shape(table: Table, labels: int | None) -> tuple[int, int, int]:
    """The height, width and channels of the images, from the number of columns."""
    for column, name in enumerate(table.header[: table.columns]):
        if name.lower() in INDEX:
            raise InputError(
                f"{table.path}: column {column + 1}, {name!r}, numbers the rows; remove it"
            )
    numbers = table.columns - (labels is not None)
    shape = find_square(numbers)
    if shape:
        return shape
    if labels is not None and find_square(table.columns):
        raise InputError(
            f"{table.path}: line {table.skip + 1}: {table.columns} numbers are an image without a "
            "label; add a column of labels, or remove the file"
        )
    besides = "" if labels is None else " besides the label"
    raise InputError(
        f"{table.path}: line {table.skip + 1}: {numbers} numbers{besides} are not a square image, "
        "in gray (such as 784) or color (such as 3072); remove other columns, such as labels "
        "or row numbers"
    )


def find_square(numbers: int) -> tuple[int, int, int] | None:
    """The height, width and channels of a square image of so many numbers, if there is one."""
    for channels in (1, 3):
        side = isqrt(numbers // channels)
        if side and side * side * channels == numbers:
            return side, side, channels
    return None
