"""Lists the images of a data set whose label the models find least probable.

.venv/bin/python -m tools.label_issues DATASET [--runs 'RUN RUN'] [--folds 5]
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

from stages.runtime.command import run

import numpy as np
import typer
from numpy.typing import NDArray
from tqdm import tqdm

from stages.figures.style import make_legible
from stages.runtime.errors import InputError
from stages.runtime.files import read_json
from stages.runtime.lock import find_hash
from stages.runtime.parameters import read_parameters
from tools.cluster.options import AnyProcessor, ClusterAddress, open_bench
from tools.labels.images import read_images
from tools.labels.issues import rank_labels
from tools.labels.picture import draw_issues
from tools.labels.probabilities import average, cross_validate, read_test_probabilities
from tools.labels.ranking import write_table

LISTED = 100  # of the training images, and of the test images


def main(
    dataset: Annotated[str, typer.Argument(help="a data set in params.yaml")],
    runs: Annotated[
        str, typer.Option(help="those whose models answer; default: all with probabilities")
    ] = "",
    folds: Annotated[int, typer.Option(min=2, max=20, help="of cross-validation")] = 5,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="trainings in parallel; default: one per core")
    ] = None,
    cluster: ClusterAddress = "",
    any_cpu: AnyProcessor = False,
) -> None:
    """Writes a table and a picture of the images of DATASET whose label may be wrong.

    Training and validation images are judged by models that were trained on other folds of them,
    test images by the models of the runs. It changes no label.
    """
    parameters = read_parameters()
    if dataset not in parameters["data"]:
        known = ", ".join(parameters["data"])
        raise InputError(f"params.yaml has no data set {dataset}; choose one of {known}")
    training, test = (
        read_images(dataset, *which) for which in (("train", "validation"), ("test",))
    )
    own = [name for name, one in parameters["models"].items() if one["dataset"] == dataset]
    answers = read_answers(dataset, own, runs.split(), len(test.labels))
    with (
        open_bench(cluster, any_cpu) as bench,
        tqdm(total=len(answers) * folds, desc=dataset, unit="training") as bar,
    ):
        validated = [
            cross_validate(name, dataset, training, folds, jobs, bar.update, bench)
            for name in answers
        ]
    parts = {
        "training": (training, rank_labels(training, average(validated), LISTED)),
        "test": (test, rank_labels(test, average([*answers.values()]), LISTED)),
    }
    classes = read_json(Path("data/raw", dataset, "about.json"), classes=list)["classes"]
    about = {
        "data": find_hash(Path("data/raw", dataset)),
        "runs": [*answers],
        "folds": folds,
        "seed": parameters["seed"],
    }
    table = write_table(dataset, classes, about, parts)
    picture = draw_issues(dataset, make_legible(classes), parts)
    for part, (images, ranking) in parts.items():
        typer.echo(f"{ranking.issues} of {len(images.labels)} {part} images may have a wrong label")
    typer.echo(f"{table} lists those whose label is the least probable, {picture} shows some.")


def read_answers(
    dataset: str, own: Sequence[str], named: Sequence[str], images: int
) -> dict[str, NDArray[np.float64]]:
    """The probabilities that models give the test images, (n, classes), by their runs.

    Those of the `named` runs, or else of the data set's `own` runs that give some.

    Raises:
        InputError: there is none; or one of the `named` runs gives none, or is no `own` run.
    """
    for name in named:
        if name not in own:
            raise InputError(f"{dataset} has no run {name}; choose from {', '.join(own)}")
    found = dict[str, NDArray[np.float64]]()
    for name in named or own:
        answers = read_test_probabilities(name, images)
        if answers is not None:
            found[name] = answers
        elif named:
            raise InputError(f"{name} gives no probabilities; leave it out")
    if not found:
        raise InputError(f"no run of {dataset} gives probabilities; add one to params.yaml")
    return found


if __name__ == "__main__":
    run(main, "pipeline", "labels", "plots")
