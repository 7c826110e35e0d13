"""Posts a report as a comment on a pull request, or updates its earlier comment.

python3 -I tools/ci/comment.py report.md

It runs with a token that may write, so it needs only the standard library and treats the report as
text.
"""

import json
import os
import sys
from contextlib import suppress
from http.client import HTTPException
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import Request, urlopen

MARKER = "<!-- what a change did to every run -->"  # identifies the comment; invisible to readers
AUTHOR = "github-actions[bot]"
LONGEST = 65_536  # characters, GitHub's limit for a comment
PER_PAGE = 100
PAGES = 100
LARGEST = 50_000_000  # bytes of an answer; a page of the longest comments has 26 million
LINE = 270  # characters of an error or address
SAID = 200  # bytes of GitHub's reason that are shown
TIMEOUT = 30  # seconds


class CommentError(Exception):
    """The comment cannot be posted; the message says why and what to do."""


def main(path: str) -> str:
    """Posts or updates the comment, and returns its address.

    Raises:
        CommentError: the environment is incomplete, or GitHub refuses or cannot be reached.
    """
    repository = f"{read_variable('GITHUB_API_URL')}/repos/{read_variable('GITHUB_REPOSITORY')}"
    thread = f"{repository}/issues/{read_variable('PULL_REQUEST')}/comments"
    body = {
        "body": fit(
            Path(path).read_text(encoding="utf-8", errors="replace"), read_variable("RUN_URL")
        )
    }
    known = find_comment(thread)
    if known is None:
        return read_address(ask("POST", thread, body))
    return read_address(ask("PATCH", f"{repository}/issues/comments/{known}", body))


def fit(report: str, run_url: str) -> str:
    """The text of the comment: as many whole lines of the report as GitHub accepts."""
    text = f"{MARKER}\n{report}"
    if len(text) <= LONGEST:
        return text
    # At the top, where no unclosed table or <details> of the cut report hides it.
    text = f"{MARKER}\nToo long for a comment; in full: [summary of the run]({run_url})\n\n{report}"
    return text[:LONGEST].rpartition("\n")[0]


def find_comment(thread: str) -> int | None:
    """The number of the earlier comment, on any page of the thread; None if there is none."""
    for page in range(1, PAGES + 1):
        url = f"{thread}?per_page={PER_PAGE}&page={page}"
        comments = ask("GET", url)
        try:
            for comment in comments:
                author = (comment["user"] or {}).get("login")  # null: the account was deleted
                if author == AUTHOR and (comment["body"] or "").startswith(MARKER):
                    return int(comment["id"])
        except (TypeError, LookupError, AttributeError, ValueError, OverflowError):
            raise unexpected(url, comments) from None
        if not comments:
            return None
    raise CommentError(f"{thread}: none of the first {PAGES * PER_PAGE} comments is the report's")


def read_address(comment: Any) -> str:
    """The address of a comment that was written."""
    try:
        return in_one_line(comment["html_url"])
    except (TypeError, KeyError):
        raise unexpected("the answer", comment) from None


def unexpected(url: str, answer: object) -> CommentError:
    """The error for an answer of another form than GitHub documents."""
    return CommentError(f"{url}: not what GitHub's API answers: {answer!r:.100}; run the job again")


def ask(method: str, url: str, body: dict[str, str] | None = None) -> Any:
    """The answer of GitHub's API.

    Raises:
        CommentError: it refuses or cannot be reached.
    """
    try:
        request = Request(url, None if body is None else json.dumps(body).encode(), method=method)
    except ValueError as error:
        raise CommentError(f"{url}: {error}; set GITHUB_API_URL") from None
    request.add_header("Accept", "application/vnd.github+json")
    request.add_header("Content-Type", "application/json")
    # Not sent after a redirect: no other server gets the token.
    request.add_unredirected_header("Authorization", f"Bearer {read_variable('GITHUB_TOKEN')}")
    try:
        with urlopen(request, timeout=TIMEOUT) as response:
            content = response.read(LARGEST + 1)
    except HTTPError as error:
        said = ""
        with error, suppress(OSError, HTTPException):
            said = error.read(SAID).decode(errors="replace")
        remedy = "run the job again"
        if error.code in (401, 403, 404):
            remedy = "give the job `permissions: pull-requests: write`; no fork's token has that"
        raise CommentError(
            f"{method} {url}: {error.code} {error.reason}: {said}; {remedy}"
        ) from None
    except (OSError, HTTPException, ValueError) as error:
        raise CommentError(f"{method} {url}: {error!s:.100}; run the job again") from None
    if len(content) > LARGEST:
        raise CommentError(f"{method} {url}: an answer of more than {LARGEST} bytes")
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        raise unexpected(f"{method} {url}", content) from None


def in_one_line(said: object) -> str:
    """A text in at most `LINE` characters that can be printed: its start and its end."""
    text = "".join(one if one.isprintable() else "?" for one in " ".join(str(said).split()))
    return text if len(text) <= LINE else f"{text[: LINE - 115]} ... {text[-110:]}"


def read_variable(name: str) -> str:
    """The value of a required environment variable."""
    if value := os.environ.get(name):
        return value
    raise CommentError(f"{name} is not set; see the job `comment` in .github/workflows/review.yml")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit("comment: error: give one file: python3 -I tools/ci/comment.py report.md")
    try:
        print(main(sys.argv[1]))
    except (CommentError, OSError) as error:
        sys.exit(f"comment: error: {in_one_line(error)}")
