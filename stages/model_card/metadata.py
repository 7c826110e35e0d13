"""The metadata at the top of a model card, in the form that Hugging Face reads."""

from typing import Any

import yaml

from stages.model_card import Facts
from stages.scoring.metrics import METRICS

TASK = {"type": "image-classification", "name": "Image Classification"}
ON_THE_HUB = {"accuracy": "accuracy", "macro_f1": "f1"}  # metrics that have a page there
UNKNOWN = "unknown"  # an identifier of a license, too


def write_metadata(facts: Facts) -> str:
    """The metadata as YAML between two lines of dashes."""
    text = yaml.safe_dump(describe(facts), sort_keys=False, allow_unicode=True, width=100)
    return f"---\n{text}---"


def describe(facts: Facts) -> dict[str, Any]:
    """License, tags, and the results on the test images, as `model-index`.

    https://github.com/huggingface/hub-docs/blob/main/modelcard.md
    """
    published, test = facts.published, facts.scores["test"]
    dataset = {
        "type": published.hub if published else facts.metadata.dataset,
        "name": published.title if published else facts.metadata.dataset,
        "split": "test",
        "args": {"images": test["images"], "sha256": facts.audit["test"]["sha256"]},
    }
    results = [
        {"type": ON_THE_HUB.get(name, name), "value": test[name], "name": f"test {metric.title}"}
        for name, metric in METRICS.items()
        if name in test
    ]
    results[0]["args"] = {"interval_95": [test["accuracy_low"], test["accuracy_high"]]}
    return {
        "license": find_license(facts),
        "library_name": "onnx",
        "pipeline_tag": TASK["type"],
        "tags": ["onnx", TASK["type"], facts.recipe["model"]["framework"]],
        **({"datasets": [published.hub]} if published else {}),
        "metrics": [*ON_THE_HUB.values()],
        "model-index": [
            {
                "name": facts.name,
                "results": [{"task": TASK, "dataset": dataset, "metrics": results}],
            }
        ],
    }


def find_license(facts: Facts) -> str:
    """That of the data, unless the file also has weights that others have trained."""
    if facts.published is None or facts.metadata.backbone is not None:
        return UNKNOWN
    return facts.published.license
