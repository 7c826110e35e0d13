"""The README tells the truth."""

import csv
import hashlib
import json
import re
import tomllib
from itertools import pairwise, product

import pytest
import yaml
from conftest import ROOT, read_lock, run

from stages.figures.comparison.tradeoff import find_best_under
from tools.learning_curves import Point, tabulate_points
from tools.results import results_table

RUNS = yaml.safe_load((ROOT / "params.yaml").read_text(encoding="utf-8"))["models"]
README = (ROOT / "README.md").read_text(encoding="utf-8")


def test_it_is_short() -> None:
    assert len(README.splitlines()) <= 200


@pytest.mark.slow
def test_the_chain_is_as_dvc_draws_it() -> None:
    drawn = run("dvc", "dag", "--mermaid", "--collapse-foreach-matrix", cwd=ROOT).stdout
    names = dict(re.findall(r'(node\d+)\["(?:data/dvc.yaml:)?(.*)"\]', drawn))
    edges = {(names[one], names[other]) for one, other in re.findall(r"(\w+)-->(\w+)", drawn)}
    (shown,) = re.findall(r"```mermaid\nflowchart LR\n(.*?)\n```", README, re.S)
    in_readme = set[tuple[str, str]]()
    for line in shown.splitlines():
        groups = [group.split(" & ") for group in line.strip().split(" --> ")]
        in_readme |= {pair for two in pairwise(groups) for pair in product(*two)}
    # That all others wait for `check`, too, is a line below the picture.
    assert in_readme == {pair for pair in edges if pair[0] != "check"} | {("check", "load")}


def test_the_table_is_that_of_the_committed_metrics() -> None:
    assert results_table(ROOT / "metrics", RUNS) in README


def test_links_and_targets_exist() -> None:
    for target in re.findall(r"\]\(([^)#:]+)\)", README):
        assert (ROOT / target).exists(), target
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    for target in re.findall(r"(?:^|`)make ([a-z-]+)", README, re.M):
        assert f"\n{target}: " in makefile, target


def test_the_lock_pins_what_pyproject_pins_and_names_no_index() -> None:
    content = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    groups = content["dependency-groups"].values()
    of_lock = {"requirements.lock": [pin for group in groups for pin in group]} | {
        f"requirements-{name}.lock": pins
        for name, pins in content["project"]["optional-dependencies"].items()
    }
    assert len(of_lock["requirements.lock"]) > 15
    assert {path.name for path in ROOT.glob("requirements*.lock")} == of_lock.keys()
    locked = dict[str, set[str]]()
    for name, pins in of_lock.items():
        lock = (ROOT / name).read_text(encoding="utf-8")
        for pin in pins:
            package, version = re.sub(r"\[.*?\]|;.*", "", pin).strip().split("==")
            plain = f"{package.replace('.', '-')}=={version}"
            assert re.search(rf"^{re.escape(plain)}\b", lock, re.M), pin
        assert "://" not in lock
        for package, version in re.findall(r"^([a-z0-9._-]+)==(\S+)", lock, re.M):
            locked.setdefault(package, set()).add(version)
    # One package has one version in all locks, but for what a version of Python needs.
    assert {one for one, versions in locked.items() if len(versions) > 1} <= {"contourpy"}


def test_the_table_of_the_full_data_is_that_of_the_recorded_run() -> None:
    folder = ROOT / "docs" / "full_data"
    recorded = [name for name in RUNS if (folder / f"metrics/{name}.json").exists()]
    assert results_table(folder / "metrics", recorded) in README
    lock = read_lock(folder)
    outs = {out["path"]: out["md5"] for stage in lock.values() for out in stage["outs"]}
    metrics = sorted([*folder.glob("metrics/*.json"), *folder.glob("data/audit/*.json")])
    assert len(metrics) == 8
    for path in metrics:
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        assert outs[path.relative_to(folder).as_posix()] == md5, path
    for dataset in ("fashion_mnist", "cifar10"):
        params = lock[f"load@{dataset}"]["params"]["params.yaml"]
        assert params[f"data.{dataset}"]["path"] == f"data/full/{dataset}"


ALL_RUNS = ROOT / "docs" / "all_runs"


def read_all_runs() -> dict[str, dict[str, float]]:
    """What is known of each of the runs in docs/all_runs, by its name."""
    known = dict[str, dict[str, float]]()
    for path in ALL_RUNS.glob("metrics/*.json"):
        scores = json.loads(path.read_text())
        profile = json.loads((ALL_RUNS / "metrics" / "profile" / path.name).read_text())
        accuracies = {
            "accuracy": scores["validation"]["accuracy"],
            "test": scores["test"]["accuracy"],
        }
        known[path.stem] = profile | accuracies
    assert known.keys() == yaml.safe_load((ALL_RUNS / "params.yaml").read_text())["models"].keys()
    return known


@pytest.mark.parametrize(
    ("dataset", "title"), [("cifar10", "CIFAR-10"), ("fashion_mnist", "Fashion-MNIST")]
)
def test_the_best_under_each_time_is_that_of_the_recorded_runs(dataset: str, title: str) -> None:
    runs = {name: one for name, one in read_all_runs().items() if name.startswith(dataset)}
    (row,) = re.findall(rf"^\| {title} \| (.*) \|$", README, re.M)
    best = [find_best_under(runs, limit) for limit in (0.1, 1, 10, 100)]
    assert best.pop() == best[-1]  # one column for two limits
    for name, cell in zip(best, row.split(" | "), strict=True):
        assert name is not None
        assert cell.startswith(f"`{name.removeprefix(f'{dataset}-')}`")
        assert cell.endswith(f" {runs[name]['test']:.3f}")


def test_the_table_of_all_runs_is_that_of_their_metrics() -> None:
    known = read_all_runs()
    rows = re.findall(
        r"^\| `(.*)` \| .* \| (.*) \| (.*) \| (.*) \|$", (ALL_RUNS / "README.md").read_text(), re.M
    )
    assert len(rows) > 10
    for name, *figures in rows:
        one = known[name]
        shown = [f"{one['latency_median_ms']:.2f}", f"{one['accuracy']:.4f}", f"{one['test']:.4f}"]
        assert figures == shown, name


@pytest.mark.parametrize("dataset", ["cifar10", "fashion_mnist"])
def test_the_learning_curves_are_those_of_the_committed_trials(dataset: str) -> None:
    text = (ROOT / "metrics" / "learning_curves" / f"{dataset}.csv").read_text()
    rows = csv.DictReader(line for line in text.splitlines() if not line.startswith("#"))
    points = [
        Point(
            one["run"], int(one["training_images"]), float(one["accuracy"]), int(one["images"]), {}
        )
        for one in rows
    ]
    assert tabulate_points(points) in (ROOT / "docs" / "pretrained.md").read_text()


def test_the_tuned_runs_are_the_best_of_the_searches_with_their_recorded_scores() -> None:
    """On the full data; each is the best row of the committed search on the sample."""
    row = r"^\| `([\w-]+)` +\| `([^`]+)` +\| ([\d.]+) → ([\d.]+) +\| ([\d.]+) → ([\d.]+) \("
    rows = re.findall(row, (ROOT / "docs" / "tune.md").read_text(), re.M)
    assert len(rows) == 3
    folder = ROOT / "docs" / "full_data"
    for run_name, params, *figures in rows:
        path = f"metrics/{run_name}.json"
        scores = [json.loads((folder / one / path).read_text()) for one in (".", "tuned")]
        splits = ("validation", "test")
        assert figures == [f"{one[split]['accuracy']:.4f}" for split in splits for one in scores]
        text = (ROOT / "metrics" / "tune" / f"{run_name}.csv").read_text()
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        trials = [one for one in csv.DictReader(lines) if one["state"] == "complete"]
        best = max(trials, key=lambda one: float(one["accuracy"]))
        for name, value in yaml.safe_load(f"{{{params}}}").items():
            assert yaml.safe_load(best[name]) == value, name
        report = (folder / "tuned" / "report.md").read_text()
        assert re.search(rf"\| `{run_name}` +\| accuracy +\| {figures[0]} → {figures[1]} ", report)
