"""The section of data: counts, classes, overlap of test and training images, and samples."""

from collections.abc import Mapping
from typing import Any, NamedTuple

from stages.datasets.arrays import SPLITS
from stages.runtime.inputs import reading
from tools.labels.ranking import PICTURE as WRONG_LABELS
from tools.labels.ranking import TABLE as LABELS
from tools.pages.picture import Figure, Picture
from tools.pages.table import Cell, Table, to_cell
from tools.revisions.recorded import COMMIT, read_audit, read_text
from tools.revisions.revision import Revision
from tools.trials.table import read_csv

NEAREST = LEAST_PROBABLE = 10  # rows of the tables of near duplicates and of labels
COUNTS = {"images": "images", "imbalance": "most to least frequent class"}
COUNTS |= {"repeated": "repeated images", "constant": "images of one color"}
PAIRS = "Test images (above) and their nearest training images (below)."
DOUBTFUL = "Images whose label the models find least probable, and what they answer."
CURVES = "Validation accuracy against the number of training images, with 95% intervals."


class Dataset(NamedTuple):
    """What the page shows of a data set; a table is None, and `overlap` empty, before the audit.

    `labels` says how many labels may be wrong, and `doubtful` lists some.
    """

    name: str
    path: str
    run: str
    overlap: str
    splits: Table | None
    classes: Table | None
    nearest: Table | None
    labels: str
    doubtful: Table | None
    figures: list[Figure]
    has_curves: bool


def describe_datasets(revision: Revision, pictures: Mapping[str, Picture]) -> list[Dataset]:
    """All data sets, in the order of params.yaml.

    Raises:
        InputError: an audit is not valid.
    """
    return [describe_dataset(revision, name, pictures) for name in revision.parameters["data"]]


def describe_dataset(revision: Revision, name: str, pictures: Mapping[str, Picture]) -> Dataset:
    """One data set."""
    path = f"data/audit/{name}.json"
    audit = read_audit(revision, name) if revision.files.isfile(path) else None
    runs = [run for run, block in revision.runs.items() if block["dataset"] == name]
    splits = classes = None
    overlap = ""
    if audit is not None:
        with reading(f"{revision.name}: {path}", "audit", COMMIT):
            splits, classes = tabulate_splits(audit), tabulate_classes(audit)
            overlap = describe_overlap(audit)
    labels, doubtful = describe_labels(revision, name)
    return Dataset(
        name,
        revision.parameters["data"][name]["path"],
        runs[0] if runs else "RUN",
        overlap,
        splits,
        classes,
        tabulate_nearest(revision, name),
        labels,
        doubtful,
        list_figures(name, runs, pictures),
        f"plots/learning_curves/{name}.png" in pictures,
    )


def tabulate_splits(audit: dict[str, Any]) -> Table:
    """The number of images of each split, and what is unusual about them."""
    rows = [
        [
            Cell(split),
            *(to_cell(audit[split].get(key), 2 if key == "imbalance" else 0) for key in COUNTS),
            Cell(audit[split].get("sha256", "")[:16]),
        ]
        for split in SPLITS
    ]
    return Table("splits", ["split", *COUNTS.values(), "SHA-256 of the pixels, its start"], rows)


def tabulate_classes(audit: dict[str, Any]) -> Table:
    """The number of images of each class in each split."""
    names = dict.fromkeys(name for split in SPLITS for name in audit[split]["classes"])
    rows = [
        [Cell(name), *(to_cell(audit[split]["classes"].get(name, 0), 0) for split in SPLITS)]
        for name in names
    ]
    return Table("images of each class", ["class", *SPLITS], rows)


def describe_overlap(audit: dict[str, Any]) -> str:
    """How many images are in two splits."""
    return (
        f"{audit['test_in_training']:,} test images are also training images, and "
        f"{audit['test_near_training']:,} nearly equal one. {audit['validation_in_train']:,} "
        "validation images are also training images."
    )


def tabulate_nearest(revision: Revision, dataset: str) -> Table | None:
    """The test images that are nearest to a training image; None if none is near."""
    path = f"data/audit/{dataset}.csv"
    if not revision.files.isfile(path):
        return None
    with reading(f"{revision.name}: {path}", "list of near duplicates", COMMIT):
        text = read_text(revision, path)
        if text.count("\n") < 2:  # only its header
            return None
        _, pairs = read_csv(text)
        pairs.sort(key=lambda pair: float(pair["distance"]))
        rows = [
            [
                Cell(pair["test_index"], int(pair["test_index"])),
                Cell(f"{pair['split']} {pair['index']}"),
                to_cell(float(pair["distance"]), 3),
            ]
            for pair in pairs[:NEAREST]
        ]
    shown = f"the nearest {len(rows)} of " if len(rows) < len(pairs) else ""
    title = f"near duplicates: {shown}{len(pairs)}, distance 0 to 1"
    return Table(title, ["test image", "nearest image", "distance"], rows)


def describe_labels(revision: Revision, dataset: str) -> tuple[str, Table | None]:
    """How many labels may be wrong, and those that are the least probable; none if not judged."""
    path = LABELS.format(dataset=dataset)
    if not revision.files.isfile(path):
        return "", None
    with reading(
        f"{revision.name}: {path}", "table of labels", f"run `make label-issues DATASET={dataset}`"
    ):
        about, rows = read_csv(read_text(revision, path))
        counts = [
            f"{about['issues'][part]:,} of {images:,} {part} labels"
            for part, images in about["images"].items()
        ]
        said = (
            f"Taken for wrong by {len(about['runs'])} runs on {about['folds']} folds: "
            f"{' and '.join(counts)}."
        )
        outs = revision.stages.get(f"load@{dataset}", {}).get("outs", [])
        if about["data"] not in [out["md5"] for out in outs]:
            said += f" Of other data than now: run `make label-issues DATASET={dataset}`."
        rows.sort(key=lambda row: float(row["probability_of_label"]))
        cells = [
            [
                Cell(f"{row['split']} {row['index']}"),
                Cell(row["label"]),
                Cell(row["suggested"]),
                to_cell(float(row["probability_of_label"]), 3),
            ]
            for row in rows[:LEAST_PROBABLE]
        ]
    return said, Table(
        f"labels that may be wrong: the least probable {len(cells)}",
        ["image", "label", "models answer", "probability of the label"],
        cells,
    )


def list_figures(name: str, runs: list[str], pictures: Mapping[str, Picture]) -> list[Figure]:
    """Some test images, the nearest pairs, doubtful labels, accuracy by the number of images."""
    drawn = [run for run in runs if f"plots/{run}/pictures/examples.png" in pictures]
    shown = {
        f"plots/{run}/pictures/examples.png": (
            "samples",
            f"Random test images, with what {run} predicts.",
        )
        for run in drawn[:1]
    }
    shown |= {
        f"plots/audit/{name}.png": ("nearest pairs", PAIRS),
        WRONG_LABELS.format(dataset=name): ("labels that may be wrong", DOUBTFUL),
        f"plots/learning_curves/{name}.png": ("more images", CURVES),
    }
    return [
        Figure(pictures[path], title, f"{name}: {caption}", caption)
        for path, (title, caption) in shown.items()
        if path in pictures
    ]
