"""Writes the card of a model: what it is for, how good it is, and how to load it."""

import hashlib
import json
from pathlib import Path
from typing import Any

from stages.runtime.command import run

from stages.model_card import Facts
from stages.model_card.classes import show_classes
from stages.model_card.loading import show_loading
from stages.model_card.metadata import write_metadata
from stages.model_card.published import find_published
from stages.model_card.sections import (
    show_cost,
    show_data,
    show_pictures,
    show_purpose,
    show_results,
    show_training,
)
from stages.model_file.metadata import Backbone, parse_model
from stages.runtime.files import (
    NUMBER,
    REMEDY,
    atomic_write,
    read_bytes,
    read_json,
    read_text,
    require_values,
)
from stages.runtime.inputs import reading
from stages.runtime.parameters import read_parameter, read_pins
from stages.scoring.predictions import read_predictions

PARTS = (
    *(write_metadata, show_purpose, show_loading, show_data, show_training),
    *(show_results, show_classes, show_pictures, show_cost),
)
SCORES = ("accuracy", "accuracy_low", "accuracy_high", "images")
COSTS = ("latency_median_ms", "latency_p95_ms", "throughput_images_per_s")
SIZES = ("file_bytes", "parameters", "tree_nodes")
SPLIT = {"images": int, "sha256": str}


def main(
    model: Path,
    layout: str,
    framework: str,
    model_name: str,
    audit: Path,
    metrics: Path,
    profile: Path,
    predictions: Path,
    pictures: Path,
    noise: Path,
    out: Path,
) -> None:
    """Writes `out` (Markdown) of `model`, whose run has the name of its file.

    The other paths are what `audit`, `evaluate`, `profile` and `plot` wrote; `noise` is the folder
    of what `make noise` measured, which need not have this run.
    """
    name = model.stem
    content = read_bytes(model)
    with reading(model, "ONNX model", REMEDY):
        network, metadata = parse_model(content)
        (images,), outputs = network.graph.input, network.graph.output
        input_shape = tuple(one.dim_value for one in images.type.tensor_type.shape.dim)[1:]
    block = {"dataset": metadata.dataset, "layout": layout}
    block |= {"framework": framework, "model": model_name}
    recipe = read_recipe(name, block, metadata.backbone)
    text = read_text(predictions)
    labels, predicted = read_predictions(predictions, text, metadata.classes)
    facts = Facts(
        name=name,
        metadata=metadata,
        sha256=hashlib.sha256(content).hexdigest(),
        input_shape=input_shape,
        outputs=[output.name for output in outputs],
        scores=read_scores(metrics),
        profile=read_json(
            profile, **dict.fromkeys(COSTS, NUMBER), **dict.fromkeys(SIZES, int), processor=str
        ),
        audit=read_audit(audit),
        labels=labels,
        predicted=predicted,
        pictures=list_files(pictures, REMEDY),
        seed=read_parameter("seed"),
        recipe=recipe,
        seeds=read_seeds(noise / f"{name}.json"),
        pins=list_pins(framework),
        published=find_published(recipe["data"]["path"]),
    )
    with atomic_write(out) as path:
        path.write_text("\n\n".join(part(facts) for part in PARTS) + "\n", encoding="utf-8")
    print(f"{out}: accuracy {facts.scores['test']['accuracy']:.4f}")


def read_recipe(name: str, block: dict[str, str], backbone: Backbone | None) -> dict[str, Any]:
    """The blocks of params.yaml that the training of a run depends on, as `make noise` has them.

    `block` is what dvc.yaml gives of the run's own, `backbone` what the model has of `features`.
    """
    recipe = {
        "model": {**block, "params": read_parameter(f"models.{name}.params")},
        "data": read_parameter(f"data.{block['dataset']}"),
        "normalize": read_parameter("normalize"),
        **({"features": backbone.model_dump()} if backbone else {}),
    }
    as_json: dict[str, Any] = json.loads(json.dumps(recipe))  # labels become texts, as on disk
    return as_json


def list_pins(framework: str) -> list[str]:
    """The packages that computed the model and its scores, on this kind of machine."""
    pins = read_pins("arrays", "onnx", framework)
    return [f"{p.name}{p.specifier}" for p in pins if p.marker is None or p.marker.evaluate()]


def read_scores(path: Path) -> dict[str, Any]:
    """The metrics on the test images, and on the validation images if any were held out."""
    splits: dict[str, Any] = read_json(path, test=dict)
    require_values(path, splits, dict.fromkeys(splits, dict), REMEDY)
    for scores in splits.values():
        require_values(path, scores, dict.fromkeys([*SCORES, *scores], NUMBER), REMEDY)
    return splits


def read_audit(path: Path) -> dict[str, Any]:
    """What the audit counted: `images` and `sha256` of each split, and duplicates."""
    splits = dict.fromkeys(("train", "validation", "test"), dict)
    counts = dict.fromkeys(("test_in_training", "test_near_training"), int)
    audit: dict[str, Any] = read_json(path, **splits, **counts)
    for split in splits:
        require_values(path, audit[split], SPLIT, REMEDY)
    return audit


def read_seeds(path: Path) -> dict[str, Any] | None:
    """`recipe` and `validation_accuracy` over seeds; None if nobody measured them.

    Before November 2026 the file had accuracies on the test images, by which nobody should choose.
    """
    if path.name not in list_files(path.parent, "take docs/noise/README.md from git"):
        return None
    seeds: dict[str, Any] = read_json(path, recipe=dict)
    if "validation_accuracy" not in seeds:
        return None
    with reading(path, "measured spread", "run `make noise` again"):
        accuracies = seeds["validation_accuracy"]
        if len(accuracies) < 2 or not all(0 <= one <= 1 for one in accuracies):
            raise ValueError(f"validation_accuracy is {accuracies!r:.40}")
    return seeds


def list_files(folder: Path, remedy: str) -> list[str]:
    """The names in a folder."""
    with reading(folder, "folder", remedy):
        return sorted(path.name for path in folder.iterdir())


if __name__ == "__main__":
    run(main, "arrays", "onnx", "cards")
