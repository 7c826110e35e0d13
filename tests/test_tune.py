"""make tune on a real pipeline: what it writes, says and refuses."""

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from conftest import ENVIRONMENT, ROOT, make_repro, replace, run

from stages.runtime.errors import InputError
from stages.runtime.files import write_json
from tools.tune import make_plan, require_held_out

RUN = "fashion_mnist-decision_tree"
TABLE, PICTURE = f"metrics/tune/{RUN}.csv", f"plots/tune/{RUN}.png"

# Like a stage of a killed search, writes to its folder for as long as it runs.
WRITE_ON = """
import itertools, pathlib, sys
folder = pathlib.Path(sys.argv[1])
for number in itertools.count():
    folder.mkdir(exist_ok=True)
    folder.joinpath(str(number % 1000)).touch()
"""


def prepare(project: Path, default: str, tune: str) -> None:
    """Gives the run a parameter and a space; takes away the folders of test images."""
    replace(project / "params.yaml", "max_depth: null}", f"{default}}}\n    tune: {tune}")
    for folder in project.glob("data/*/*/test"):
        shutil.rmtree(folder)


def tune(project: Path, *options: str, status: int = 0) -> subprocess.CompletedProcess[str]:
    return run("python", "-m", "tools.tune", RUN, *options, cwd=project, status=status)


def test_the_same_bytes_with_one_and_two_workers_and_after_a_kill(
    project: Path, few: Path, tmp_path: Path
) -> None:
    other = shutil.copytree(few, tmp_path / "other")
    for folder in (project, other):
        prepare(folder, "max_depth: null", "{max_depth: {low: 1, high: 3}}")
    searched = ["--folds", "2", "--trials", "7"]
    said = tune(project, *searched, "--jobs", "1").stdout
    lines = re.findall(r"(?m)^ +(\d+)  0\.\d{4} ± 0\.\d{4}  best 0\.\d{4} \(trial 0\) .*", said)
    assert lines == [str(number) for number in range(7)]
    assert "The best is the default: no better than the default." in said
    assert f"models of `{RUN}`" in said or f"model of `{RUN}`" in said  # how often test was scored

    command = [sys.executable, "-m", "tools.tune", RUN, *searched]
    with subprocess.Popen(
        command, cwd=other, env=ENVIRONMENT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        for _ in range(4):
            process.stdout.readline()
        process.kill()
    assert not (other / TABLE).exists()
    with subprocess.Popen(
        [sys.executable, "-c", WRITE_ON, ".dvc/tmp/trials-1"], cwd=other
    ) as orphan:
        try:
            again = tune(other, *searched, "--jobs", "2").stdout
        finally:
            orphan.kill()
    assert again == said.replace("1 train", "2 train")
    for name in (TABLE, PICTURE):
        assert (other / name).read_bytes() == (project / name).read_bytes()
    text = (project / TABLE).read_text()
    about = '# space: {"max_depth": {"low": 1, "high": 3}}\n# seed: 100\n# folds: 2\n# data: {'
    assert about in text
    assert re.search(r"^0,complete,0\.\d{6},0\.\d{6},400,null,$", text, re.M)  # of every image
    assert "scikit-learn==" in text
    assert str(project) not in text
    assert run("dvc", "status", "compare", cwd=project).stdout.count("metrics") == 0


def test_a_better_recipe_is_written_as_one_line_and_its_model_is_in_the_cache(
    project: Path,
) -> None:
    prepare(project, "max_depth: 1", "{max_depth: {choices: [1, 8]}}")
    run("git", "commit", "-qam", "space", cwd=project)
    said = tune(project, "--folds", "0", "--trials", "4", "--apply").stdout
    assert re.search(r"corrected for the best of 1: better than the default\.$", said, re.M)
    assert re.search(r"^\| 1101 +\| 0\.\d{4} +\| 0\.\d{4} +\|$", said, re.M)
    assert "params.max_depth: 8. Now `make repro` scores the test images, once." in said
    diff = run("git", "diff", "-U0", "params.yaml", cwd=project).stdout.splitlines()
    changed = [line for line in diff if re.match(r"[-+] ", line)]
    assert len(changed) == 2
    assert "max_depth: 8}" in changed[1]
    run("dvc", "checkout", "-q", cwd=project)
    assert make_repro(project)[f"train@{RUN}"] == "from the cache"


def test_what_fails_is_a_row_and_what_is_no_better_is_not_written(project: Path) -> None:
    tune_block = "{criterion: {choices: [gini, nonsense]}}"
    prepare(project, "max_depth: 1, criterion: gini", tune_block)
    before = (project / "params.yaml").read_bytes()
    result = tune(project, "--folds", "2", "--trials", "6", "--apply", status=2)
    assert "failed: criterion=nonsense: models." in result.stdout
    assert "parameter of DecisionTreeClassifier must be a str among" in result.stdout
    (line,) = result.stderr.splitlines()
    assert line == (
        "tune: error: APPLY=1: params.yaml stays as it is: trial 0 is no better than the default"
    )
    assert (project / "params.yaml").read_bytes() == before
    assert re.search(r'^\d,failed,,,,nonsense,"models\.', (project / TABLE).read_text(), re.M)

    replace(project / "params.yaml", "1, criterion: gini}", "1, criterion: nonsense}")
    replace(project / "params.yaml", "choices: [gini, nonsense]", "choices: [wrong, nonsense]")
    result = tune(project, "--folds", "0", "--trials", "2", status=1)
    assert result.stderr.startswith("all 2 trials failed: models.")
    assert "Traceback" not in result.stderr


def test_data_that_hold_nothing_out_are_refused_before_the_search(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    audit = tmp_path / "data" / "audit"
    audit.mkdir(parents=True)
    write_json(audit / "mine.json", {"validation": {"images": 0}})
    with pytest.raises(InputError, match=r"^data\.mine holds no validation images out, on which"):
        require_held_out("mine")


@pytest.mark.parametrize(
    ("name", "folds", "edits", "message"),
    [
        ("nothing", 5, {}, "params.yaml has no run nothing; choose one of fashion_mnist-mlp, "),
        (RUN, 5, {"tune": {}}, f"models.{RUN} has no space to search; add e.g. `tune: {{estimator"),
        (RUN, 1, {}, "FOLDS is 1; choose 2 or more, or 0 for the images that the run holds out"),
        (RUN, 5, {"layout": "image"}, "params.yaml: models.fashion_mnist-decision_tree.layout"),
        (
            RUN,
            5,
            {"tune": {"max_depht": {"low": 1, "high": 2}}},
            f"params.yaml: models.{RUN}.tune.max_depht: not in params, which has estimator, max_d",
        ),
    ],
)
def test_what_cannot_be_searched(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    folds: int,
    edits: dict[str, Any],
    message: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    content = yaml.safe_load((ROOT / "tests" / "params.yaml").read_text())
    content["models"][RUN] |= {"tune": {"max_depth": {"low": 1, "high": 9}}} | edits
    Path("params.yaml").write_text(yaml.safe_dump(content, sort_keys=False))
    Path("pyproject.toml").symlink_to(ROOT / "pyproject.toml")
    with pytest.raises(InputError) as error:
        make_plan(name, folds)
    assert str(error.value).startswith(message)
