"""make learning-curves: the most accurate trial per run and number of training images."""

import csv
import json
from pathlib import Path

from conftest import read_lock, replace, run

RUN = "fashion_mnist-decision_tree"
COMMAND = ["python", "-m", "tools.learning_curves"]
TABLE = "metrics/learning_curves/fashion_mnist.csv"
PICTURE = "plots/learning_curves/fashion_mnist.png"
IMAGES = "data.fashion_mnist.training_images"


def test_the_most_accurate_of_each_number_of_images(project: Path) -> None:
    error = run(*COMMAND, "fashion_mnist", cwd=project, status=2).stderr
    assert error.startswith("learning_curves: error: no trial that was made with what is here now")
    assert f"SET='{IMAGES}=100,500,2000'` makes some" in error
    error = run(*COMMAND, "mnist", cwd=project, status=2).stderr
    assert "params.yaml has no data set mnist; choose one of fashion_mnist, cifar10" in error

    sweep = ["python", "-m", "tools.sweep", RUN]
    run(*sweep, f"{IMAGES}=40,200 max_depth=1,12", cwd=project)
    run(*sweep, "max_depth=12", cwd=project)  # of all images: on no curve
    said = run(*COMMAND, "fashion_mnist", cwd=project).stdout
    assert f"{TABLE} has the parameters, {PICTURE} shows it." in said
    lines = (project / TABLE).read_text().splitlines()
    deps = {dep["path"]: dep for dep in read_lock(project)["load@fashion_mnist"]["deps"]}
    assert lines[0] == f'# data: "{deps["data/toy/fashion_mnist"]["md5"]}"'
    assert lines[1] == "# seed: 100"
    rows = list(csv.DictReader(lines[2:]))
    assert [row["training_images"] for row in rows] == ["40", "200"]
    made = [json.loads(row) for row in (project / "logs/trials.jsonl").read_text().splitlines()]
    for row in rows:
        images = int(row["training_images"])
        of_size = [one for one in made if one["values"].get(IMAGES) == images]
        best = max(of_size, key=lambda one: float(one["accuracy"]))
        assert len(of_size) == 2
        assert float(row["accuracy"]) == round(best["accuracy"], 6)
        assert row["parameters"] == f"max_depth={best['values'][f'models.{RUN}.params.max_depth']}"
        assert f"{best['accuracy']:.4f}" in said
    assert (project / PICTURE).read_bytes().startswith(b"\x89PNG")

    replace(project / "params.yaml", "seed: 100", "seed: 101")  # so these were made with another
    assert "no trial" in run(*COMMAND, "fashion_mnist", cwd=project, status=2).stderr
