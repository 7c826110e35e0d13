"""The sections of a model card that people read."""

import statistics

import yaml

from stages.model_card import Facts
from stages.model_card.markdown import escape, fence, tabulate_rows
from stages.scoring.metrics import METRICS

SPLITS = ("train", "validation", "test")
SHOWN = ("examples", "confusion", "reliability")  # of the pictures; the others are a link away
NOISE = "../../docs/review.md#how-much-the-seed-alone-changes"


def show_purpose(facts: Facts) -> str:
    """What the model does, how well, and what it is not for."""
    height, width, channels = facts.metadata.image_shape
    kind = "gray" if channels == 1 else "RGB"
    test = facts.scores["test"]
    return "\n\n".join(
        [
            f"# {escape(facts.name)}",
            f"Classifies {kind} images of {width} x {height} pixels as one of the "
            f"{len(facts.metadata.classes)} classes of {name_data(facts)}. Accuracy on "
            f"{test['images']:,} test images: {with_interval(test)}. This page is in "
            "`data/models/` of the repository that trained the model; its links lead from there.",
            "## What it is for, and what not",
            "It is for images that were made like its training images, and for comparing "
            "classifiers on this data set. It gives any picture one of its classes, also one that "
            "shows none of them. How accurate it is on images from elsewhere was not measured. Do "
            "not let it decide about people or about anything where a mistake does harm.",
        ]
    )


def name_data(facts: Facts) -> str:
    """The data set, with a link to its page if it is published."""
    if facts.published:
        return f"[{facts.published.title}]({facts.published.page})"
    return f"the data set `{facts.metadata.dataset}`"


def with_interval(scores: dict[str, float]) -> str:
    """The accuracy on a split, with its 95% interval."""
    low, high = scores["accuracy_low"], scores["accuracy_high"]
    return f"{scores['accuracy']:.4f} (95% interval {low:.3f} to {high:.3f})"


def show_data(facts: Facts) -> str:
    """The images, their hashes, classes, license, and what the audit found."""
    audit, test = facts.audit, facts.scores["test"]
    others = test.get("accuracy_without_near_duplicates")
    rows = [[one, f"{audit[one]['images']:,}", f"`{audit[one]['sha256']}`"] for one in SPLITS]
    terms = facts.published.terms if facts.published else "The license of the images is unknown."
    if (backbone := facts.metadata.backbone) is not None:
        terms += (
            f" The file also contains {backbone.backbone} with weights that were learned on "
            "ImageNet, whose license is not recorded here."
        )
    return "\n\n".join(
        [
            "## Data",
            f"Classes, in the order of their labels from 0: "
            f"{', '.join(map(escape, facts.metadata.classes))}.",
            tabulate_rows(["split", "images", "SHA-256 of pixels and labels"], rows),
            f"The audit found {audit['test_in_training']:,} test images that are also training "
            f"images, and {audit['test_near_training']:,} near duplicates of training images"
            + ("." if others is None else f"; accuracy on all other test images: {others:.4f}."),
            terms,
        ]
    )


def show_training(facts: Facts) -> str:
    """Seed and parameters of data and model, and the packages that computed it."""
    parameters = {"seed": facts.seed} | facts.recipe
    if (backbone := facts.metadata.backbone) is not None:
        parameters["features"] = {facts.recipe["model"]["layout"]: backbone.model_dump()}
    text = yaml.safe_dump(parameters, allow_unicode=True, width=100)
    return "\n\n".join(
        [
            "## Training",
            "Of `params.yaml`:",
            fence(text, "yaml"),
            f"Computed with {', '.join(f'`{pin}`' for pin in facts.pins)}.",
        ]
    )


def show_results(facts: Facts) -> str:
    """The metrics on both splits, the spread over seeds, and the figures of each class."""
    splits = {split: facts.scores.get(split, {}) for split in ("validation", "test")}
    rows = [
        [metric.title, *(f"{one[name]:.4f}" if name in one else "" for one in splits.values())]
        for name, metric in METRICS.items()
        if name in splits["test"]
    ]
    rows[0][1:] = [with_interval(one) if one else "none held out" for one in splits.values()]
    rows.append(["images", *(f"{one['images']:,}" if one else "" for one in splits.values())])
    return "\n\n".join(
        [
            "## Results",
            tabulate_rows(["metric", "validation", "test"], rows),
            "Intervals are Wilson's; they tell nothing of other seeds. " + describe_seeds(facts),
        ]
    )


def describe_seeds(facts: Facts) -> str:
    """How much the accuracy varies with the seed, if that was measured."""
    if facts.seeds is None:
        return f"[How much the seed changes]({NOISE}) was not measured for this run."
    accuracies = facts.seeds["validation_accuracy"]
    same = facts.seeds["recipe"] == facts.recipe
    return (
        f"Over {len(accuracies)} [seeds]({NOISE}) the accuracy on validation images is "
        f"{statistics.mean(accuracies):.4f} on average, with a standard deviation of "
        f"{statistics.stdev(accuracies):.4f} ({min(accuracies):.4f} to {max(accuracies):.4f}), "
        f"measured with {'these' if same else 'other'} parameters."
    )


def show_pictures(facts: Facts) -> str:
    """Some pictures of the run, and a link to all of them."""
    folder = f"../../plots/{facts.name}/pictures"
    shown = [name for name in SHOWN if f"{name}.png" in facts.pictures]
    return "\n\n".join(
        [
            "## Pictures",
            *(f"![{escape(facts.name)}: {name}]({folder}/{name}.png)" for name in shown),
            f"[All pictures, with what they show]({folder}/README.md)",
        ]
    )


def show_cost(facts: Facts) -> str:
    """Time, size, and the hash of the file."""
    profile = facts.profile
    sizes = [f"{profile['file_bytes']:,} bytes", f"{profile['parameters']:,} parameters"]
    if profile["tree_nodes"]:
        sizes.append(f"{profile['tree_nodes']:,} nodes of trees")
    return "\n\n".join(
        [
            "## Time and size",
            f"One image takes {profile['latency_median_ms']:.3f} ms (median; 95th percentile "
            f"{profile['latency_p95_ms']:.3f} ms), and a second is enough for "
            f"{profile['throughput_images_per_s']:,.0f} images in batches, on one thread of "
            f"{escape(profile['processor'])} in ONNX Runtime.",
            f"The file has {', '.join(sizes)}. Its SHA-256, with which "
            f"`sha256sum --check {facts.name}.md` compares the one beside this page:",
            fence(f"{facts.sha256}  {facts.name}.onnx", ""),
        ]
    )
