"""The block of a data set in params.yaml: suggests, formats and adds it."""

from typing import Any

import yaml

from stages.runtime.errors import InputError
from stages.runtime.parameters import parse
from stages.schema.parameters import Dataset
from stages.schema.validation import validate
from tools.survey.look import Survey

VALIDATION, TEST = 0.1, 0.2  # shares of the training images that are held out
SMALL = 128  # pixels; pictures of one size with longer sides are resized
SIDE = 64  # pixels of the sides to which larger pictures are resized
COMMENTS = {
    "test_fraction": "of the training images of each class: there are no test images",
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
    block["classes"] = name_classes(set().union(*survey.counts.values()))
    validate(Dataset, block, "data", name)
    return block


def name_classes(labels: set[str]) -> list[str] | dict[int, str]:
    """The names of classes: the labels themselves, by number unless these are 0, 1, ..."""
    if not all(label.isdecimal() for label in labels):
        return sorted(labels)
    numbers = sorted(map(int, labels))
    if numbers == [*range(len(numbers))]:
        return [*map(str, numbers)]
    return {number: str(number) for number in numbers}


def format_block(name: str, block: dict[str, Any], indent: int) -> str:
    """A data set as lines of params.yaml."""
    lines = [f"{name}:"]
    for key, value in block.items():
        comment = f" # {COMMENTS[key]}" if COMMENTS.get(key) else ""
        lines.append(f"  {key}: {format_value(value)}{comment}")
    return "".join(f"{' ' * indent}{line}\n" for line in lines)


def format_value(value: Any) -> str:
    """A value in one line of YAML."""
    text = yaml.safe_dump(value, default_flow_style=True, allow_unicode=True, width=10**6)
    return text.removesuffix("...\n").strip()


def add_block(content: str, name: str, block: dict[str, Any]) -> str:
    """The content of params.yaml with one more data set, after the last; the rest is as it was.

    Raises:
        InputError: `data` is not written with one line per key.
    """
    root = yaml.compose(content, yaml.SafeLoader)
    data = next(value for key, value in root.value if key.value == "data")
    if data.flow_style:
        raise InputError("params.yaml: data is in braces; add the block by hand")
    lines = content.splitlines(keepends=True)
    after = last_line(data) + 1
    added = format_block(name, block, indent=data.start_mark.column)
    changed = "".join([*lines[:after], added, *lines[after:]])
    expected = parse(content)
    expected["data"][name] = block
    if parse(changed) != expected:
        raise InputError("params.yaml: data ends in an unusual way; add the block by hand")
    return changed


def last_line(node: Any) -> int:
    """The number of the last line of what a node of YAML has, without what follows it, from 0."""
    if isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value:
        return int(node.end_mark.line)
    last = node.value[-1]
    return last_line(last[1] if isinstance(last, tuple) else last)
