"""Text of others appears as itself in a report."""

import html

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tools.revisions.markdown import code, code_in_html, split_code, tabulate_cells, write_text

HOSTILE = [
    "b\n\n**Better** (all)",
    "<img src=x>",
    "@team",
    "`",
    "``a`b``",
    "a|b",
    "$x$",
    "\r",
    " a",
]


@given(st.text(max_size=30))
@example("")
def test_code_is_one_piece_of_code_with_all_of_the_text(text: str) -> None:
    rendered = MarkdownIt().render(f"before {code(text)} after")
    start, end = "<p>before <code>", "</code> after</p>\n"
    assert rendered.startswith(start)
    assert rendered.endswith(end)
    shown = html.unescape(rendered.removeprefix(start).removesuffix(end))
    assert "<" not in rendered.removeprefix(start).removesuffix(end)
    expected = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text)
    assert shown.strip(" ") == expected.strip(" ")


@given(st.text(max_size=30))
@example("")
@example(" ")
@example(" 0 ")
@example(" ` ")
def test_code_is_found_again(text: str) -> None:
    shown = "".join(one if one.isprintable() else repr(one)[1:-1] for one in text) or " "
    pieces = [("before ", False), (shown, True), (" or ", False), (shown, True)]
    assert split_code(f"before {code(text)} or {code(text)}") == pieces
    assert split_code(text.replace("`", "")) == ([(text, False)] if text else []) or "`" in text


def test_no_text_leaves_its_cell() -> None:
    rows = [[code(text), "value"] for text in HOSTILE]
    rendered = MarkdownIt().enable("table").render(tabulate_cells(rows, ["name", "b"]))
    assert rendered.count("<tr>") == 1 + len(HOSTILE)
    assert rendered.count("<code>") == len(HOSTILE)
    assert rendered.count("<td>value</td>") == len(HOSTILE)
    assert "<img" not in rendered
    assert "<strong>" not in rendered


@pytest.mark.parametrize(
    "text",
    [
        "**a**",
        "_a_",
        "<b>a</b>",
        "[a](b)",
        "![a](b)",
        "a &amp; b",
        "~~a~~",
        r"a \* b",
        "a_b <0.01",
        "`",
    ],
)
def test_what_is_no_code_appears_as_itself(text: str) -> None:
    rendered = MarkdownIt("commonmark").enable("strikethrough").render(write_text(text))
    assert rendered == f"<p>{html.escape(text)}</p>\n"


def test_nobody_is_mentioned_and_code_stays_code() -> None:
    assert write_text("run `make *x*` of @team") == r"run `make *x*` of \@team"
    assert code_in_html("a\n<b>") == r"<code>a\n&lt;b&gt;</code>"
