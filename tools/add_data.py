"""Looks at a folder of images, says what it found, and prints or writes its block of params.yaml.

.venv/bin/python -m tools.add_data FOLDER [--name NAME] [--write]
"""

import re
from pathlib import Path
from shlex import quote
from typing import Annotated

from stages.runtime.command import run

import typer

from stages.datasets.arrays import SPLITS
from stages.load import choose, read_splits
from stages.runtime.errors import InputError
from stages.runtime.parameters import PARAMETERS, read_parameter
from stages.runtime.text import NAME, cut, show
from stages.sources.common.dataset import describe_dataset
from stages.sources.common.splits import split_of, unwrap
from tools.parameters.edit import write_text
from tools.survey.block import add_block, format_block, suggest
from tools.survey.look import Survey, look_at

SHOWN = 12  # files that cannot be used


def main(
    folder: Annotated[Path, typer.Argument(help="a folder with a data set")],
    name: Annotated[str, typer.Option(help="in params.yaml; default: the folder's name")] = "",
    write: Annotated[bool, typer.Option("--write", help="add the block to params.yaml")] = False,
) -> None:
    """Says what is in a folder and how `load` would read it.

    Raises:
        InputError: it is no data set of a known format, or a file in it cannot be used.
    """
    folder = shorten(folder)
    name = name or re.sub(r"[^A-Za-z0-9_-]+", "_", folder.name).strip("_-") or "mine"
    if not re.fullmatch(NAME, name):
        raise InputError(f"NAME is {name!r}: choose letters, digits, - and _, e.g. my_images")
    if name in read_parameter("data"):
        raise InputError(f"{PARAMETERS} has a data set {name}; choose another name: NAME=...")
    survey = look_at(folder)
    typer.echo("\n".join(describe(survey)))
    if survey.unusable:
        raise InputError(
            f"{folder}: what cannot be used is listed above ({len(survey.unusable)}); replace or "
            "remove it"
        )
    block = suggest(survey, name)
    dataset = describe_dataset(f"data.{name}", block)
    choose(read_splits(dataset), dataset, read_parameter("seed"), near=0)  # near: it takes long
    if write:
        write_text(add_block(PARAMETERS.read_bytes().decode(), name, block))
    typer.echo(f"\n{'added to params.yaml' if write else 'For params.yaml; WRITE=1 adds it'}:\n")
    typer.echo(f"data:\n{format_block(name, block, indent=2)}")
    track = (
        f"track the images with git, if they are small, or `.venv/bin/dvc add {quote(str(folder))}`"
    )
    if folder.is_absolute():
        track = "move the images into the project, so that git or DVC can track them"
    typer.echo(f"Then add a run with `dataset: {name}`, as README shows, and {track}.")


def shorten(folder: Path) -> Path:
    """The folder as params.yaml can name it: relative to the project if it is inside.

    If all that is in it is one folder, as in an extracted archive, that one.
    """
    if not folder.is_dir():
        raise InputError(f"{folder}: not a folder; name one with images: make add-data PATH=...")
    whole = unwrap(folder).resolve() if not split_of(unwrap(folder).name) else folder.resolve()
    here = Path.cwd().resolve()
    return whole.relative_to(here) if whole.is_relative_to(here) else whole


def describe(survey: Survey) -> list[str]:
    """What was found, in lines."""
    lines = [f"{survey.folder}: {survey.form}"]
    for split, labels in sorted(survey.counts.items(), key=lambda one: SPLITS.index(one[0])):
        named = [f"{label} {count:,}" for label, count in sorted(labels.items())]
        lines.append(f"  {split}: {labels.total():,} images of {len(labels)} classes: {cut(named)}")
    sizes = [
        f"{height}x{width}" + (f" ({count:,})" if len(survey.sizes) > 1 else "")
        for (height, width), count in survey.sizes.most_common()
    ]
    lines.append(f"  height x width: {cut(sizes)}; {'color' if survey.color else 'gray'}")
    lines += [f"  {count:,} of them: {done}" for done, count in sorted(survey.done.items())]
    lines += [f"  not read: {cut(survey.unread)}"] if survey.unread else []
    lines += [f"  cannot be used: {error}" for error in survey.unusable[:SHOWN]]
    return [show(line) if line[0] != " " else f"  {show(line)}" for line in lines]


if __name__ == "__main__":
    run(main, "arrays", "pictures")
