"""Values are written into params.yaml so that only their lines change."""

from typing import Any

import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.runtime.errors import InputError
from stages.runtime.parameters import parse
from tools.parameters.edit import list_keys, replace, set_values
from tools.parameters.yaml_text import format_value, is_same

Lines = list[tuple[tuple[Any, ...], str]]  # the keys of each value, and its lines

TEXTS = st.text("ab1 #:,'\"[]{}&*!|>-é=<.\n", max_size=6) | st.sampled_from(["null", "1e-3", "yes"])
KEYS = st.sampled_from(["a", "b", "c d", "e.f", "g#", 1, 20]) | TEXTS.filter(bool)
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(10**6), 10**6)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXTS
)
VALUES = SCALARS | st.lists(SCALARS, max_size=3) | st.dictionaries(KEYS, SCALARS, max_size=2)
TREES = st.recursive(
    st.dictionaries(KEYS, VALUES, min_size=1, max_size=4),
    lambda trees: st.dictionaries(KEYS, trees | VALUES, min_size=1, max_size=4),
    max_leaves=6,
)
COMMENTS = st.sampled_from(["", "", " # one: {two", "   # 'three"])


def write(draw: Any, tree: dict[Any, Any], indent: int, keys: tuple[Any, ...] = ()) -> Lines:
    """The lines of a mapping, with values, comments and blanks in any style."""
    lines: Lines = []
    for key, value in tree.items():
        here, start = (*keys, key), f"{' ' * indent}{format_value(key)}:"
        if draw(st.booleans()):
            lines.append(
                ((), draw(st.sampled_from(["", f"{' ' * indent}# of the next", "# left"])))
            )
        if isinstance(value, dict) and value and draw(st.booleans()):
            lines.append(((), start + draw(COMMENTS)))
            lines += write(draw, value, indent + draw(st.sampled_from([1, 2, 4])), here)
        elif isinstance(value, list) and value and draw(st.booleans()):
            dash = " " * (indent + draw(st.sampled_from([0, 2])))
            items = [f"{dash}- {format_value(item)}{draw(COMMENTS)}" for item in value]
            lines.append((here, "\n".join([start + draw(COMMENTS), *items])))
        elif isinstance(value, list) and value and draw(st.booleans()):
            items = [f"{format_value(item)},{draw(COMMENTS)}\n{' ' * indent}  " for item in value]
            lines.append((here, f"{start} [{''.join(items)}]{draw(COMMENTS)}"))
        elif value is None and draw(st.booleans()):
            lines.append((here, start + draw(COMMENTS)))
        else:
            quote = draw(st.sampled_from(["'", '"', ""]))
            gap = draw(st.sampled_from([" ", "   "]))
            lines.append((here, f"{start}{gap}{format_value(value, quote)}{draw(COMMENTS)}"))
    return lines


def count_comments(text: str) -> list[int]:
    return [text.count(one) for one in ("# one: {two", "# 'three", "# of the next", "# left")]


@pytest.mark.slow  # many inputs
@settings(max_examples=100, deadline=None)
@given(st.data(), TREES, st.sampled_from(["\n", "\r\n"]), st.booleans())
def test_only_the_lines_of_a_value_change(
    data: Any, tree: dict[Any, Any], end: str, last: bool
) -> None:
    lines = write(data.draw, tree, 0)
    texts = [text.replace("\n", end) for _, text in lines]
    text = end.join(texts) + (end if last else "")
    assert is_same(parse(text), tree)
    index = data.draw(st.sampled_from([i for i, (keys, _) in enumerate(lines) if keys]))
    keys, value = lines[index][0], data.draw(VALUES)
    name = ".".join(map(str, keys))
    if len([*list_keys(tree, name)]) > 1:
        with pytest.raises(InputError, match="is the name of several values"):
            set_values(text, {name: value})
        return
    changed = set_values(text, {name: value})
    assert is_same(parse(changed), replace(tree, keys, value))
    before = "".join(f"{text}{end}" for text in texts[:index])
    after = "".join(f"{end}{text}" for text in texts[index + 1 :]) + (end if last else "")
    assert changed.startswith(before)
    assert changed.endswith(after)
    assert count_comments(changed) == count_comments(text)
    assert "\n" not in changed.replace(end, "")


PARAMETERS = """\
data:
  mine: # own
    path: "a b"   # one
    part: 0.1     # two
    long: 1       # three
    classes: {1: A, 2: "B", a.b: C}
  other:
    classes:
    - A # first
    - B # second
      # of the last
models:
  svc: &svc
    params: &unused {C: 1.0, gamma: scale} # of a line
    dataset: mine
  again: *svc
  more:
    <<: *svc
    units: [1, # in
      2, # out
      ] # end
    text: | # as it is
      a

    none: {}
"""
EDITS = [  # a name, a value, and the lines that change
    ("data.mine.path", "x", ['    path: "x"     # one']),
    ("data.mine.part", 0.25, ["    part: 0.25    # two"]),
    ("data.mine.long", 12345678, ["    long: 12345678 # three"]),
    ("data.mine.classes.1", "A, b", ["    classes: {1: 'A, b', 2: \"B\", a.b: C}"]),
    ("data.mine.classes.2", "D", ['    classes: {1: A, 2: "D", a.b: C}']),
    ("data.mine.classes.a.b", "D", ['    classes: {1: A, 2: "B", a.b: D}']),
    ("data.mine.classes.10", "D", ['    classes: {1: A, 2: "B", a.b: C, 10: D}']),
    ("data.mine.fold", 2, ["    fold: 2"]),
    ("data.other.fold", 2, ["    fold: 2"]),
    ("data.other.classes", ["C"], ["    classes: [C]", "      # first", "      # second"]),
    ("models.more.units", [], ["    units: [] # end", "      # in", "      # out"]),
    ("models.more.text", "b", ["    text: b", "      # as it is"]),
    ("models.more.none.a", None, ["    none: {a: null}"]),
    ("models.more.dataset", "other", ["    dataset: other"]),
    ("seed", 1, ["seed: 1"]),
]
REFUSED = {  # a name, and what is said of it
    "models.svc.params.C": "models.svc (line 13) has the anchor &svc, which line 18 uses; write",
    "models.again.dataset": "models.again (line 16) is the alias *svc; write out its value there",
    "models.more.params.C": "models.more.params comes from a merge (<<); write it out there",
    "models.svm.params.C": "has no 'models.svm.params.C' and no mapping to set it in",
    "data.mine.path.x": "has no 'data.mine.path.x' and no mapping",
    "": "has no '' and no mapping",
}


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize(("name", "value", "lines"), EDITS)
def test_how_a_value_is_written(name: str, value: Any, lines: list[str], end: str) -> None:
    before = PARAMETERS.replace("\n", end)
    after = set_values(before, {name: value})
    assert [line for line in after.split(end) if line not in before.split(end)] == lines
    assert set_values(after, {name: value}) == after
    for ending in ("", "\n\n", "\n# end"):
        text = PARAMETERS.rstrip("\n") + ending
        assert parse(set_values(text, {name: value})) == parse(after)


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_change_other_values_is_refused(name: str) -> None:
    with pytest.raises(InputError) as caught:
        set_values(PARAMETERS, {"data.mine.part": 0.5, name: 3})
    assert REFUSED[name] in str(caught.value)


def test_a_name_of_several_values_and_an_unusual_place_are_refused() -> None:
    with pytest.raises(InputError, match=r"a\.b is the name of several values"):
        set_values("a: {b: 1}\na.b: 2\n", {"a.b": 3})
    with pytest.raises(InputError, match="a is written in an unusual way; set it by hand to 3"):
        set_values("a: [&x 1]\nb: *x\n", {"a": 3})


@pytest.mark.slow  # many inputs
def test_every_value_of_the_repository_can_be_written() -> None:
    """The old values again change nothing, new ones one line each, or the lines of a list."""
    text = (ROOT / "params.yaml").read_text()
    svc = "models.fashion_mnist-svc.params"
    assert set_values(text, {f"{svc}.C": 10, f"{svc}.gamma": 1e-3}) == text.replace(
        "C: 1.0", "C: 10"
    ).replace("gamma: scale #", "gamma: 0.001 #")
    old = {
        f"{svc}.{key}": value for key, value in parse(text)["models"][svc[7:-7]]["params"].items()
    }
    assert set_values(text, old) == text
    folds = set_values(text, {"data.cifar10.folds": 5, "fold": 2})
    in_folds = text.replace("ship, truck]\n", "ship, truck]\n    folds: 5\n")
    assert folds == in_folds.replace("fold: 1 #", "fold: 2 #")


def test_a_value_that_is_there_already_stays_as_it_is_written() -> None:
    assert set_values("a: 1e-3\nb: 'x'\n", {"a": 0.001, "b": "x"}) == "a: 1e-3\nb: 'x'\n"
    assert set_values("a: 1\n", {"a": True}) == "a: true\n"
    assert set_values("a: 1\n", {"a": ":1"}) == 'a: ":1"\n'  # ruamel.yaml itself writes [:1]
