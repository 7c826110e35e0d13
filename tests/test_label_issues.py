"""make label-issues: wrong labels that were planted are among the first that it lists."""

import csv
import hashlib
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from conftest import ROOT, repro, run, write_toy_data

from stages.runtime.errors import InputError
from stages.sources import sheet
from tools.labels.probabilities import read_test_probabilities

FOREST, SVC = "fashion_mnist-random_forest", "fashion_mnist-svc"
DATASET = "fashion_mnist"
COMMAND = ["python", "-m", "tools.label_issues", DATASET]
TABLE = f"metrics/label_issues/{DATASET}.csv"
PICTURE = f"plots/label_issues/{DATASET}.png"
WRONG = 20


def plant(path: Path, seed: int) -> None:
    """Changes `WRONG` labels in a file with one per line."""
    random = np.random.default_rng(seed)
    labels = np.loadtxt(path, dtype=np.int64)
    chosen = random.choice(len(labels), WRONG, replace=False)
    labels[chosen] = (labels[chosen] + random.integers(1, 10, WRONG)) % 10
    path.write_text("".join(f"{label}\n" for label in labels))


def read_labels() -> dict[bytes, int]:
    """The true label of each image, by its pixels."""
    found = dict[bytes, int]()
    for files in sheet.find(ROOT / "data/sample" / DATASET).values():
        images, labels = sheet.read_files(files)
        found |= {one.tobytes(): int(label) for one, label in zip(images, labels, strict=True)}
    return found


def test_planted_labels_are_listed_first(untrained: Path, tmp_path: Path) -> None:
    project = shutil.copytree(untrained, tmp_path / "project")
    for split, images in (("train", 150), ("test", 40)):
        write_toy_data(project, DATASET, split, images)
        plant(project / f"data/toy/{DATASET}/{split}_labels.txt", seed=images)
    path = project / "params.yaml"
    parameters = yaml.safe_load(path.read_text())
    parameters["models"] = {name: parameters["models"][name] for name in (FOREST, SVC)}
    parameters["models"][FOREST]["params"]["n_estimators"] = 100
    path.write_text(yaml.safe_dump(parameters, sort_keys=False))
    repro(project, f"evaluate@{FOREST}", f"evaluate@{SVC}")
    refused = run(*COMMAND, "--runs", SVC, cwd=project, status=2).stderr
    assert f"{SVC} gives no probabilities; leave it out" in refused

    said = run(*COMMAND, "--folds", "4", cwd=project).stdout
    assert re.search(r"(?m)^\d+ of 1500 training images may have a wrong label$", said)
    text = (project / TABLE).read_text()
    assert f'# runs: ["{FOREST}"]\n# folds: 4\n' in text
    rows = list(csv.DictReader(line for line in text.splitlines() if line[0] != "#"))
    true = read_labels()
    classes = parameters["data"][DATASET]["classes"]
    pixels = {
        split: np.load(project / f"data/raw/{DATASET}/{split}/images.npy")
        for split in ("train", "validation", "test")
    }
    for splits in (("train", "validation"), ("test",)):
        listed = [row for row in rows if row["split"] in splits]
        quality = [float(row["probability_of_label"]) for row in listed]
        assert quality == sorted(quality)
        wrong = [
            row["label"] != classes[true[pixels[row["split"]][int(row["index"])].tobytes()]]
            for row in listed[:40]
        ]
        assert sum(wrong) >= 15, splits
    assert (project / PICTURE).read_bytes().startswith(b"\x89PNG")

    run(*COMMAND, "--folds", "4", cwd=project)  # from the cache
    assert (project / TABLE).read_text() == text

    answers = project / f"data/probabilities/{FOREST}.npy"
    probabilities = np.load(answers)
    answers.unlink()  # it may be a link into the cache
    np.save(answers, np.full_like(probabilities, np.nan))
    said = run(*COMMAND, cwd=project, status=2).stderr
    assert f"{answers.relative_to(project)}: not the one that dvc.lock names" in said
    assert (project / TABLE).read_text() == text


def test_what_it_cannot_judge_is_said(untrained: Path) -> None:
    for arguments, reason in (
        (["other"], "params.yaml has no data set other; choose one of fashion_mnist, cifar10"),
        ([DATASET], f"data/raw/{DATASET}/train/images.npy"),
    ):
        said = run(*COMMAND[:-1], *arguments, cwd=untrained, status=2).stderr
        assert reason in said
        assert said.count("\n") == 1


def test_only_recorded_finite_probabilities_are_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    path = Path("data/probabilities/a.npy")
    path.parent.mkdir(parents=True)
    for value, wrong in ((0.5, ""), (np.nan, "a value is not a finite number; run `make repro`")):
        np.save(path, np.full((3, 2), value, dtype=np.float32))
        Path("dvc.lock").unlink(missing_ok=True)
        with pytest.raises(InputError, match=f"{path}: dvc.lock does not name it; run"):
            read_test_probabilities("a", 3)
        md5 = hashlib.md5(path.read_bytes()).hexdigest()
        out = {"path": str(path), "hash": "md5", "md5": md5, "size": path.stat().st_size}
        stages = {"evaluate@a": {"cmd": "x", "outs": [out]}}
        Path("dvc.lock").write_text(yaml.safe_dump({"schema": "2.0", "stages": stages}))
        if wrong:
            with pytest.raises(InputError, match=f"{path}: {wrong}"):
                read_test_probabilities("a", 3)
        else:
            found = read_test_probabilities("a", 3)
            assert found is not None
            assert found.tolist() == [[0.5, 0.5]] * 3
