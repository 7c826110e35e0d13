"""The card of a model: what it says is right, and its program works, whatever the run."""

import hashlib
import html
import io
import json
import re
from contextlib import redirect_stdout
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnx.parser
import pytest
import yaml
from conftest import ROOT, RUNS
from huggingface_hub import ModelCard
from markdown_it import MarkdownIt
from PIL import Image

from stages.card import PARTS, read_audit, read_recipe, read_scores, read_seeds
from stages.model_card import Facts
from stages.model_card.classes import show_classes
from stages.model_card.loading import show_loading
from stages.model_card.markdown import escape, fence
from stages.model_card.metadata import describe, write_metadata
from stages.model_card.published import find_published
from stages.model_card.sections import show_results, show_training
from stages.model_file.metadata import Backbone, Metadata
from stages.runtime.errors import InputError
from stages.scoring.metrics import find_interval
from stages.scoring.predictions import read_predictions
from tools.revisions.revision import read_workspace, recipe_of

HOSTILE = ["a|b", "<b>x</b>", ": x", "`y`", "*z*", "![w](v)", "&amp;", "---", "{a: [", "@team"]
LINK = re.compile(r"\]\((\.\./[^)#]+)")


@pytest.fixture(scope="module")
def facts() -> Facts:
    """Of a committed run, but for its classes, parameters and data set, which are hostile."""
    name = "fashion_mnist-svc"
    text = (ROOT / f"plots/{name}/predictions.csv").read_text()
    classes = yaml.safe_load((ROOT / "params.yaml").read_text())["data"]["fashion_mnist"]["classes"]
    labels, predicted = read_predictions(name, text, classes)
    recipe = {
        "data": {"path": "my/```\nimages", "classes": HOSTILE},
        "model": {"framework": "sklearn", "layout": "flat", "params": {"a": "```", "b": ": \n---"}},
        "normalize": {"method": "unit"},
    }
    return Facts(
        name=name,
        metadata=Metadata(
            dataset="mine",
            classes=HOSTILE,
            normalization={"mean": [0.0], "deviation": [1.0]},
            layout="flat",
            image_shape=(28, 28, 1),
        ),
        sha256="0" * 64,
        input_shape=(784,),
        outputs=["label"],
        scores=read_scores(ROOT / f"metrics/{name}.json"),
        profile=json.loads((ROOT / f"metrics/profile/{name}.json").read_text())
        | {"processor": "<i>|`"},
        audit=read_audit(ROOT / "data/audit/fashion_mnist.json"),
        labels=labels,
        predicted=predicted,
        pictures=["confusion.png"],
        seed=1,
        recipe=recipe,
        seeds={"recipe": recipe, "validation_accuracy": [0.5, 0.6, 0.7]},
        pins=["numpy==1"],
        published=None,
    )


def test_the_text_of_others_is_text(facts: Facts) -> None:
    card = "\n\n".join(part(facts) for part in PARTS)
    body = card.split("\n---\n", 1)[1]
    shown = MarkdownIt().enable("table").render(body)
    assert "<b>" not in shown
    assert "<i>" not in shown
    assert shown.count("<img") == 1  # the confusion matrix
    tables = re.findall(r"<table>.*?</table>", shown, re.S)
    rows = re.findall(r"<td>(.*?)</td>\n" * 6, tables[-1])
    assert [row[0] for row in rows] == [
        *("a|b", "&lt;b&gt;x&lt;/b&gt;", ": x", "`y`", "*z*", "![w](v)", "&amp;amp;", "---"),
        *("{a: [", "@team"),
    ]
    (block,) = re.findall(r'<code class="language-yaml">(.*?)</code>', shown, re.S)
    assert yaml.safe_load(html.unescape(block)) == {"seed": 1, **facts.recipe}


def test_every_character_is_as_before_on_the_page() -> None:
    text = "".join(map(chr, range(33, 127)))
    shown = MarkdownIt().render(f"a {escape(text)} b")
    assert html.unescape(shown) == f"<p>a {text} b</p>\n"
    assert fence("a ```` b", "").startswith("`````\n")


def test_hugging_face_reads_its_metadata(facts: Facts) -> None:
    card = ModelCard(f"{write_metadata(facts)}\n\n# text\n", ignore_metadata_errors=False)
    data: Any = card.data
    accuracy, macro_f1 = data.eval_results
    assert (accuracy.task_type, accuracy.dataset_type) == ("image-classification", "mine")
    test = facts.scores["test"]
    assert (accuracy.metric_type, accuracy.metric_value) == ("accuracy", test["accuracy"])
    assert accuracy.dataset_args["sha256"] == facts.audit["test"]["sha256"]
    assert (macro_f1.metric_type, macro_f1.metric_value) == ("f1", test["macro_f1"])
    assert data.license == "unknown"
    assert data.model_name == facts.name


def test_the_license_is_that_of_the_data_and_weights(facts: Facts) -> None:
    for path, license_of_data in (
        ("data/sample/fashion_mnist", "mit"),
        ("data/full/cifar10/", "unknown"),
        ("my/fashion_mnist", None),
    ):
        published = find_published(path)
        assert getattr(published, "license", None) == license_of_data
    known = replace(facts, published=find_published("data/full/fashion_mnist"))
    assert describe(known)["license"] == "mit"
    assert describe(known)["datasets"] == ["zalando-datasets/fashion_mnist"]
    backbone: Any = {"backbone": "lite0", "pixels": 96, "layers": ["top"]}
    metadata = Metadata.model_validate(known.metadata.model_dump() | {"backbone": backbone})
    foreign = replace(known, metadata=metadata)
    assert describe(foreign)["license"] == "unknown"
    assert "pixels: 96" in show_training(foreign)


def test_classes_by_hand(facts: Facts) -> None:
    labels, predicted = np.array([0, 0, 0, 0, 1, 1]), np.array([0, 0, 1, 2, 1, 0])
    rows = show_classes(replace(facts, labels=labels, predicted=predicted)).splitlines()[4:]
    low, high = find_interval(0.5, 4)
    assert rows[0] == (
        rf"| a\|b | 4 | 0.500 ({low:.3f} to {high:.3f}) | 0.667 | 0.571 | "
        r"\<b\>x\</b\> (1) |"
    )
    assert rows[2] == r"| \: x | 0 |  | 0.000 | 0.000 |  |"
    assert rows[3] == r"| \`y\` | 0 |  |  |  |  |"


def test_the_spread_over_seeds(facts: Facts, tmp_path: Path) -> None:
    said = show_results(facts)
    assert "0.6000 on average, with a standard deviation of 0.1000 (0.5000 to 0.7000)" in said
    assert said.endswith("measured with these parameters.")
    other = {"recipe": {}, "validation_accuracy": [0.5, 0.6]}
    assert show_results(replace(facts, seeds=other)).endswith("measured with other parameters.")
    assert "was not measured" in show_results(replace(facts, seeds=None))
    path = tmp_path / "a.json"
    assert read_seeds(path) is None
    path.write_text('{"recipe": {}, "accuracy": [0.5, 0.6]}')  # of test images
    assert read_seeds(path) is None
    for wrong in ('{"recipe": {}, "validation_accuracy": [0.5]}', '{"recipe": {}', "[]"):
        path.write_text(wrong)
        with pytest.raises(InputError, match=f"^{path}: "):
            read_seeds(path)
    with pytest.raises(InputError, match=r"take docs/noise/README\.md from git"):
        read_seeds(tmp_path / "nowhere" / "a.json")


def test_nothing_held_out(facts: Facts) -> None:
    alone = replace(facts, scores={"test": facts.scores["test"]})
    assert "| accuracy | none held out | 0." in show_results(alone)


@pytest.mark.parametrize("name", yaml.safe_load((ROOT / "params.yaml").read_text())["models"])
def test_the_links_of_committed_cards_resolve(name: str) -> None:
    path = ROOT / f"data/models/{name}.md"
    links = LINK.findall(path.read_text())
    assert len(links) >= 4
    for link in links:
        assert (path.parent / link).resolve().is_file(), link


MEAN = """
<ir_version: 9, opset_import: ["" : 18]>
mean (float[n, 12] images) => (int64[n] label) {
    axes = Constant<value_ints = [1]>()
    value = ReduceMean<keepdims = 0>(images, axes)
    rounded = Round(value)
    label = Cast<to = 7>(rounded)
}
"""


def test_the_program_normalizes_each_channel(
    facts: Facts, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By hand: (0.2 - 0) / 0.1, (0.4 - 0.2) / 0.1 and (0.8 - 0.5) / 0.1 are 2.3 on average."""
    known = {"mean": [0.0, 0.2, 0.5], "deviation": [0.1, 0.1, 0.1]}
    changes = {"normalization": known, "image_shape": (2, 2, 3)}
    metadata = Metadata.model_validate(facts.metadata.model_dump() | changes)
    model = onnx.parser.parse_model(MEAN)
    values = metadata.model_dump(mode="json")
    onnx.helper.set_model_props(model, {key: json.dumps(one) for key, one in values.items()})
    onnx.save(model, tmp_path / f"{facts.name}.onnx")
    Image.new("RGB", (2, 2), (51, 102, 204)).save(tmp_path / "picture.png")
    monkeypatch.chdir(tmp_path)
    said = run_program(show_loading(replace(facts, metadata=metadata, input_shape=(12,))))
    assert said == f"{HOSTILE[2]}\n"


def run_program(card: str) -> str:
    """What the program in a card prints, with no code of this project."""
    (program,) = re.findall(r"^```python\n(.*?)\n```$", card, re.M | re.S)
    with redirect_stdout(io.StringIO()) as said:
        exec(compile(program, "card", "exec"), {})
    return said.getvalue()


@pytest.mark.parametrize("name", RUNS)
def test_the_program_in_a_card_predicts_what_was_recorded(
    trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    text = (trained / f"data/models/{name}.md").read_text()
    model = trained / f"data/models/{name}.onnx"
    (tmp_path / model.name).symlink_to(model)
    assert hashlib.sha256(model.read_bytes()).hexdigest() in text
    images = np.load(trained / f"data/raw/{RUNS[name]['dataset']}/test/images.npy")
    rows = (trained / f"plots/{name}/predictions.csv").read_text().splitlines()[1:]
    monkeypatch.chdir(tmp_path)
    for index in range(0, len(images), 25):
        Image.fromarray(images[index].squeeze()).save("picture.png")
        assert run_program(text) == rows[index].split(",")[1] + "\n"


def test_seed_noise_of_other_features_is_of_other_parameters(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`make noise` and the card have the same blocks, and the network's is one of them."""
    monkeypatch.chdir(ROOT)
    revision, name = read_workspace(), "cifar10-pretrained"
    block = {key: revision.runs[name][key] for key in ("dataset", "layout", "framework", "model")}
    features = revision.parameters["features"][block["layout"]]
    backbone = {key: features[key] for key in ("backbone", "pixels", "layers")}
    recipe = recipe_of(revision, name)
    assert recipe == read_recipe(name, block, Backbone(**backbone))
    assert recipe != read_recipe(name, block, Backbone(**backbone | {"pixels": 64}))
