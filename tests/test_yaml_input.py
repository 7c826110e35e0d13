"""An error in params.yaml, dvc.yaml or dvc.lock names file, line, column and remedy, everywhere."""

import re
from pathlib import Path

import pytest
from conftest import run

from stages.runtime.errors import InputError
from stages.runtime.lock import read_lock
from stages.runtime.parameters import read_parameters
from tools.engine.readable import require_readable

CONFLICT = "<<<<<<< HEAD\na: 1\n||||||| base\na: 0\n=======\na: 2\n>>>>>>> other\n"
TWICE = "key C is there twice (first in line"
MISTAKES = {
    "a conflict": (f"b: 1\n{CONFLICT}", "line 2, column 1: a merge conflict (<<<<<<<); "),
    "the base of one": ("a: 1\n||||||| base\n", "line 2, column 1: a merge conflict (|||||||); "),
    "its middle": ("a: 1\n=======\nb: 1\n", "line 2, column 1: a merge conflict (=======); "),
    "its end": ("a: 1\r\n>>>>>>> o\r\n", "line 2, column 1: a merge conflict (>>>>>>>); "),
    "a tab": ("a:\n\tb: 1\n", "line 2, column 1: a tab; indent with spaces"),
    "a tab after a value": ("a:\n  b: 1\n\tc: 2\n", "line 3, column 1: a tab; indent with spaces"),
    "a tab after blanks": ("a:\n  b: 1\n  \tc: 2\n", "line 3, column 3: a tab; indent with spaces"),
    "a tab before a value": ("a: \t@\n", "line 1, column 5: not a valid"),
    "a key twice": ("a:\n  C: 1\n  D: 2\n  C: 3\n", f"line 4, column 3: {TWICE} 2); remove one"),
    "a key twice in braces": ("a: {C: 1,\n  C: 2}\n", f"line 2, column 3: {TWICE} 1); remove one"),
    "quoted": ('"C": 1\n? "C"\n: 2\n', f"line 2, column 3: {TWICE} 1); remove one"),
    "in a list": ("- [x, C, C, {C: [C], C: 1}]\n", f"line 1, column 22: {TWICE} 1); remove one"),
    "an open list": ("a: [\n\n", "line 1, column 5: not a valid"),
    "not a character": ("a: 1\nb: \x07\n", "line 2, column 4: not a valid"),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_keeps_its_place(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    monkeypatch.chdir(tmp_path)
    text, said = MISTAKES[name]
    for file in ("params.yaml", "dvc.yaml", "dvc.lock", "data/dvc.lock", "data/mine.dvc"):
        path = tmp_path / file
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(text.encode())
        with pytest.raises(InputError, match=f"^{re.escape(f'{file}: {said}')}") as error:
            require_readable()
        generated = file.endswith(".lock") and "conflict" in said
        assert ("`make resolve`" in str(error.value)) == generated
        path.unlink()


def test_what_is_no_mistake_is_read(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    text = 'a: {x: &x {C: 1}, y: *x}\nb: [{C: 1}, {C: 2}]\n1: 2\n"1": 3\nc:\t4 #\t5\n'
    path.write_text(f"{text}d: {{<<: *x, C: 5}}\ne: |\n  <<<<<<< of no merge\n  =======\n")
    content = read_parameters(path)
    assert content["d"] == {"C": 5}
    assert content["e"] == "<<<<<<< of no merge\n=======\n"
    assert (content[1], content["1"]) == (2, 3)


def test_what_is_not_utf_8_keeps_its_place(tmp_path: Path) -> None:
    path = tmp_path / "params.yaml"
    path.write_bytes("a: 1\nb: é\xff".encode("latin-1"))
    with pytest.raises(InputError, match=r"params.yaml: line 2, column 4: not a valid YAML file"):
        read_parameters(path)
    with pytest.raises(InputError, match=r"dvc.lock: line 2, column 4: not a valid lock file of D"):
        read_lock(path.read_bytes())


def test_a_conflict_in_the_pins(tmp_path: Path) -> None:
    path = tmp_path / "pyproject.toml"
    path.write_text(CONFLICT)
    with pytest.raises(InputError, match=r"pyproject.toml: line 1, column 1: a merge conflict"):
        read_parameters(path)


TOOLS = {
    "repro": [],
    "review": ["HEAD"],
    "noise": ["fashion_mnist-svc"],
    "experiments": [],
    "push": [],
    "pull": [],
    "verify_files": [],
    "check_lock": [],
    "check_dependencies": [],
    "release": ["fashion_mnist-svc", "1.0.0"],
    "results": [],
    "first_numbers": ["data/first"],
    "predict": ["data/models/fashion_mnist-svc.onnx", "."],
}
DAMAGES = {  # a line of each file that has only one such line
    "params.yaml": r"^seed: .*\n",
    "dvc.yaml": r"^  compare:\n",
    "dvc.lock": r"^  compare:\n",
}


@pytest.mark.parametrize("tool", TOOLS)
def test_every_command_names_the_place(project: Path, tool: str) -> None:
    for number, (name, line) in enumerate(DAMAGES.items()):
        path = project / name
        before = path.read_text()
        found = re.search(line, before, re.M)
        assert found is not None
        damage, said = [
            (f"<<<<<<< HEAD\n{found[0]}=======\n{found[0]}>>>>>>> other\n", "column 1: a merge"),
            (f"\t{found[0]}", "column 1: a tab; indent with spaces"),
            (found[0].replace("\n", " {}\n") + found[0], "is there twice (first in line "),
        ][(number + len(tool)) % 3]
        path.write_text(before[: found.start()] + damage + before[found.end() :])
        seen = (tool != "predict" or name != "dvc.yaml") and (
            tool != "check_dependencies" or name != "dvc.lock"
        )
        result = run("python", "-m", f"tools.{tool}", *TOOLS[tool], cwd=project, status=None)
        if seen:
            assert result.returncode == 2, result.stdout
            assert re.fullmatch(rf"{tool}: error: {name}: line \d+, .*", result.stderr.strip())
            assert said in result.stderr
        path.write_text(before)


@pytest.mark.parametrize("name", DAMAGES)
def test_a_revision_with_a_conflict_is_named(project: Path, name: str) -> None:
    path = project / name
    before = path.read_text()
    path.write_text(CONFLICT + before)
    run("git", "commit", "-qam", "a conflict", cwd=project)
    path.write_text(before)
    place = rf"HEAD( \(\w+\))?: {name}: line 1, column 1: a merge conflict \(<<<<<<<\); "
    for tool in (["review", "HEAD"], ["noise", "fashion_mnist-svc", "--base", "HEAD"]):
        said = run("python", "-m", f"tools.{tool[0]}", *tool[1:], cwd=project, status=2).stderr
        assert re.fullmatch(f"{tool[0]}: error: {place}choose another revision\n", said)
    said = run("python", "-m", "tools.experiments", cwd=project, status=2).stderr
    assert re.fullmatch(f"experiments: error: {place}correct and commit it\n", said)
