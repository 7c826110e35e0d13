"""The block of a data set in params.yaml: suggests, formats and adds it."""

import re
from typing import Any

from ruamel.yaml import YAML

from stages.runtime.errors import InputError
from stages.runtime.parameters import parse
from stages.schema.parameters import Dataset
from stages.schema.validation import validate
from stages.sources.common.dataset import NUMBER
from tools.parameters.yaml_text import add_lines, format_value
from tools.survey.look import Survey

VALIDATION, TEST = 0.1, 0.2  # shares of the training images that are held out
SMALL = 128  # pixels; pictures of one size with longer sides are resized
SIDE = 64  # pixels of the sides to which larger pictures are resized
COMMENTS = {
    "test_fraction": "of the training images of each class: there are no labeled test images",
    "fit": "pictures are cropped to their center; or pad: all of them, between bars",
}


def suggest(survey: Survey, name: str) -> dict[str, Any]:
    """The parameters of a data set, with a default for what it does not have itself.

    Raises:
        InputError: its classes cannot be used.
    """
    block: dict[str, Any] = {"path": str(survey.folder)}
    if "test" not in survey.counts:
        block["test_fraction"] = TEST
    block["validation_fraction"] = 0 if "validation" in survey.counts else VALIDATION
    most = survey.sizes.most_common(1)[0][0]
    if survey.of_pictures and (len(survey.sizes) > 1 or max(most) > SMALL):
        block |= {"size": [*most] if max(most) <= SIDE else [SIDE, SIDE], "fit": "crop"}
    labels = set[str]().union(*survey.counts.values())
    block["classes"] = name_folders(labels) if survey.of_pictures else name_labels(labels)
    validate(Dataset, block, "data", name)
    return block


def name_folders(names: set[str]) -> list[str]:
    """The names of classes that are those of folders, 2 before 10."""
    return sorted(names, key=lambda name: [*map(pad_number, re.split(r"(\d+)", name))])


def pad_number(text: str) -> str:
    """A text to sort by: of numbers, as many digits."""
    return text.zfill(20) if text.isdecimal() else text


def name_labels(labels: set[str]) -> list[str] | dict[int | str, str]:
    """The names of classes whose labels are in a file: until someone names them, the labels.

    As a list if they all are names, or 0, 1, ...
    """
    numbers = sorted(int(label) for label in labels if NUMBER.fullmatch(label))
    others = sorted(label for label in labels if not NUMBER.fullmatch(label))
    if not numbers or (numbers == [*range(len(numbers))] and not others):
        return [*map(str, numbers), *others]
    labeled: list[int | str] = [*numbers, *others]
    return {label: str(label) for label in labeled}


def format_block(name: str, block: dict[str, Any], indent: int) -> str:
    """A data set as lines of params.yaml."""
    lines = [f"{format_value(name)}:"]
    for key, value in block.items():
        comment = f" # {COMMENTS[key]}" if COMMENTS.get(key) else ""
        lines.append(f"  {key}: {format_value(value)}{comment}")
    return "".join(f"{' ' * indent}{line}\n" for line in lines)


def add_block(content: str, name: str, block: dict[str, Any]) -> str:
    """The content of params.yaml with one more data set, after the last; the rest is as it was.

    Raises:
        InputError: `data` is not written with one line per key.
    """
    data = next(value for key, value in YAML().compose(content).value if key.value == "data")
    if data.flow_style:
        raise InputError("params.yaml: data is in braces; add the block by hand")
    changed = add_lines(content, data, format_block(name, block, indent=0).splitlines())
    expected = parse(content)
    expected["data"][name] = block
    if parse(changed) != expected:
        raise InputError("params.yaml: data ends in an unusual way; add the block by hand")
    return changed
