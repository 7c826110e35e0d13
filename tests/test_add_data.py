"""`make add-data` says what is in a folder, and its block is all that is needed."""

from pathlib import Path

import numpy as np
from conftest import ROOT, run
from own_data import NAMES, load, require_all, write_pictures, write_tables
from PIL import Image

from stages.runtime.parameters import parse
from tools.survey.block import add_block, suggest
from tools.survey.look import look_at


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
