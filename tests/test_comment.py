"""The comment on a pull request, posted to a local server with the API that it needs."""

import json
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from conftest import ENVIRONMENT, ROOT

from tools.ci.comment import AUTHOR, LONGEST, MARKER


class GitHub(ThreadingHTTPServer):
    """The part of GitHub's API that comments need; records the write requests."""

    daemon_threads = True
    comments: list[dict[str, Any]]
    wrote: list[str]
    fault: int

    def add(self, author: str | None, body: str) -> dict[str, Any]:
        number = 1000 + len(self.comments)
        user = None if author is None else {"login": author}
        url = f"https://example.org/pull/7#{number}"
        self.comments.append({"id": number, "user": user, "body": body, "html_url": url})
        return self.comments[-1]


class Handler(BaseHTTPRequestHandler):
    server: GitHub

    def do_GET(self) -> None:
        asked = re.fullmatch(
            r"/repos/owner/name/issues/7/comments\?per_page=(\d+)&page=(\d+)", self.path
        )
        assert asked is not None, self.path
        size, page = min(int(asked[1]), 100), int(asked[2])
        self.answer(200, self.server.comments[size * (page - 1) : size * page])

    def do_POST(self) -> None:
        assert self.path == "/repos/owner/name/issues/7/comments"
        self.write(self.server.add(AUTHOR, ""), 201)

    def do_PATCH(self) -> None:
        number = self.path.removeprefix("/repos/owner/name/issues/comments/")
        (comment,) = [one for one in self.server.comments if str(one["id"]) == number]
        self.write(comment, 200)

    def write(self, comment: dict[str, Any], status: int) -> None:
        body = json.loads(self.rfile.read(int(self.headers["Content-Length"])))["body"]
        if len(body) > LONGEST:
            self.answer(422, {"message": "Body is too long"})
            return
        comment["body"] = body
        self.server.wrote.append(f"{self.command} {comment['id']}")
        self.answer(status, comment)

    def answer(self, status: int, content: object) -> None:
        if self.headers["Authorization"] != "Bearer secret":
            status, content = 401, {"message": "Bad credentials"}
        if self.server.fault:
            status, content = self.server.fault, {"message": "Resource\nnot accessible"}
        self.send_response(status)
        self.end_headers()
        self.wfile.write(json.dumps(content).encode())

    def log_message(self, format: str, *args: object) -> None:
        pass


@pytest.fixture
def github() -> Iterator[GitHub]:
    with GitHub(("127.0.0.1", 0), Handler) as server:
        server.comments, server.wrote, server.fault = [], [], 0
        threading.Thread(target=server.serve_forever, args=[0.01], daemon=True).start()
        yield server
        server.shutdown()


def comment(
    folder: Path, url: str, report: str = "The report", status: int = 0, **environment: str
) -> str:
    """Runs the script as the workflow does; -S: only the standard library."""
    (folder / "report.md").write_text(report, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "tools" / "ci" / "comment.py", folder / "report.md"],
        env=ENVIRONMENT
        | {
            "GITHUB_API_URL": url,
            "GITHUB_REPOSITORY": "owner/name",
            "GITHUB_TOKEN": "secret",
            "PULL_REQUEST": "7",
            "RUN_URL": "https://example.org/runs/5",
        }
        | environment,
        capture_output=True,
        encoding="utf-8",
        check=False,
    )
    assert result.returncode == status, result.stderr
    assert result.stderr.count("\n") == (status != 0)
    return result.stderr if status else result.stdout


def address(server: GitHub) -> str:
    return f"http://127.0.0.1:{server.server_port}"


def test_one_comment_is_made_and_then_updated(github: GitHub, tmp_path: Path) -> None:
    assert comment(tmp_path, address(github)) == "https://example.org/pull/7#1000\n"
    comment(tmp_path, address(github), "Another report: é →")
    assert github.wrote == ["POST 1000", "PATCH 1000"]
    assert github.comments[0]["body"] == f"{MARKER}\nAnother report: é →"


def test_its_comment_is_found_beyond_the_first_page(github: GitHub, tmp_path: Path) -> None:
    for _ in range(230):
        github.add("someone", "Nice")
    own = github.add(AUTHOR, f"{MARKER}\r\nold")
    github.add("someone", "Nice")
    comment(tmp_path, address(github))
    assert github.wrote == [f"PATCH {own['id']}"]


def test_comments_of_others_stay_as_they_are(github: GitHub, tmp_path: Path) -> None:
    before = [
        github.add("someone", f"{MARKER}\nquoted"),
        github.add(None, f"{MARKER}\nof an account that is gone"),
        github.add(AUTHOR, "of another workflow"),
    ]
    bodies = [one["body"] for one in before]
    comment(tmp_path, address(github))
    assert github.wrote == ["POST 1003"]
    assert [one["body"] for one in before] == bodies


def test_a_long_report_is_cut_at_a_line_and_says_where_the_rest_is(
    github: GitHub, tmp_path: Path
) -> None:
    comment(tmp_path, address(github), "| a row é |\n" * 10_000)
    body = github.comments[0]["body"]
    assert LONGEST - 50 < len(body) <= LONGEST
    assert body.startswith(f"{MARKER}\nToo long for a comment")
    assert "https://example.org/runs/5" in body
    assert body.endswith("| a row é |")


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (403, "403 Forbidden.*not accessible.*`permissions: pull-requests: write`.*"),
        (500, "500 Internal Server Error.*run the job again"),
    ],
)
def test_a_refusal_is_one_clear_line(github: GitHub, tmp_path: Path, fault: int, said: str) -> None:
    github.fault = fault
    assert re.search(
        f"^comment: error: GET .*{said}$", comment(tmp_path, address(github), status=1)
    )


def test_a_wrong_token_is_refused(github: GitHub, tmp_path: Path) -> None:
    assert "401" in comment(tmp_path, address(github), status=1, GITHUB_TOKEN="other")


def test_no_connection_is_one_clear_line(tmp_path: Path) -> None:
    said = comment(tmp_path, "http://127.0.0.1:9", status=1)
    assert re.search("error: GET http://127.0.0.1:9/.*Connection refused.*run the job again$", said)


def test_a_variable_that_is_not_set_is_named(tmp_path: Path) -> None:
    said = comment(tmp_path, "http://127.0.0.1:9", status=1, PULL_REQUEST="")
    assert "PULL_REQUEST is not set" in said
