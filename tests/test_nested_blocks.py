"""`check` knows blocks within blocks, and class weights by name."""

from typing import Any

import pytest
import yaml
from conftest import ROOT, of_scikit_learn
from nested import (
    CLASSES,
    FAITHFUL,
    NB,
    PARAMS,
    SCALER,
    SVC,
    block,
    calibrated,
    one_vs_rest,
    pipeline,
    stacking,
    take,
    voting,
)

from stages.check import check
from stages.models import estimator
from stages.runtime.errors import InputError
from stages.train import number_classes


def check_block(params: dict[str, Any]) -> None:
    """Has the stage `check` check a run with these parameters."""
    run = of_scikit_learn("") | {"params": params}
    check(PARAMS | {"models": {"a": run}})


@pytest.mark.parametrize("name", FAITHFUL)
def test_check_accepts_blocks_within_blocks(name: str) -> None:
    check_block(FAITHFUL[name])


WRONG: list[tuple[dict[str, Any], str]] = [
    (voting(block("svm.SVC", c=1)), "params.estimators.m0: SVC has no parameter c; its parameters"),
    (voting(block("svm.SVX")), "params.estimators.m0: estimator 'sklearn.svm.SVX' does not exist"),
    (voting({"estimator": "os.system"}), "m0: estimator 'os.system' is not from scikit-learn"),
    (voting({"estimator": "sklearnex.svm.SVC"}), "m0: estimator 'sklearnex.svm.SVC': within"),
    (voting(SCALER), "estimators.m0: estimator 'sklearn.preprocessing.StandardScaler' is not a cl"),
    (voting("sklearn.svm.SVC"), "params.estimators.m0 is 'sklearn.svm.SVC': expected a block such"),  # type: ignore[arg-type]
    (voting(SVC | {"seed": 1}), "params.estimators.m0.seed: remove it; the parameter `seed`"),
    (voting(SVC | {"random_state": 1}), "(random_state is the parameter `seed`)"),
    (voting(), "params.estimators is []: expected [[NAME, {estimator: "),
    (block("ensemble.VotingClassifier", estimators={"a": SVC}), "expected [[NAME, {estimator: "),
    (block("ensemble.VotingClassifier", estimators=[["a", SVC], ["a", NB]]), "different words"),
    (block("ensemble.VotingClassifier", estimators=[["a__b", SVC]]), "without `__`"),
    (block("ensemble.VotingClassifier", estimators=[["weights", SVC]]), "is also a parameter"),
    (block("ensemble.VotingClassifier", estimators=[[["a"], SVC]]), "name ['a']: use"),
    (block("ensemble.VotingClassifier"), "add estimators: [[a, {estimator: sklearn.svm.SVC}], "),
    (block("multiclass.OneVsRestClassifier"), "add base_estimator: {estimator: sklearn.svm.Lin"),
    (one_vs_rest({"C": 1}), "params.base_estimator is {'C': 1}: expected a block such as {est"),
    (calibrated(one_vs_rest(block("svm.SVC", g=1))), "base_estimator.base_estimator: SVC has no"),
    (pipeline(SVC, SCALER), "params.steps.step0: estimator 'sklearn.svm.SVC' is not a transform"),
    (pipeline(SCALER), "steps.step0: estimator 'sklearn.preprocessing.StandardScaler' is not a cl"),
    (pipeline(pipeline(SVC), SVC), "params.steps.step0.steps.step0: estimator 'sklearn.svm.SVC'"),
    (pipeline("passthrough", SVC), "params.steps.step0 is 'passthrough': expected a block"),  # type: ignore[arg-type]
    (pipeline(SVC) | {"memory": "a"}, "params.memory: remove it: it reads files that can run code"),
    (stacking(SVC, final_estimator=block("svm.SVR")), "params.final_estimator: estimator "),
    (block("ensemble.GradientBoostingClassifier", init=block("svm.SVC", c=1)), "params.init: SVC"),
    ({"estimator": SVC}, "params.estimator: expected an import path"),
]


@pytest.mark.parametrize(("params", "message"), WRONG, ids=range(len(WRONG)))
def test_check_names_the_key_of_what_is_wrong_within(params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        check_block(params)
    assert str(error.value).startswith("models.a.params")
    assert message in str(error.value)


def test_train_names_the_key_of_a_wrong_value_within() -> None:
    wrong = voting(NB, pipeline(SCALER, block("svm.SVC", C=-1.0)))
    with pytest.raises(InputError, match=r"^params\.estimators\.m1\.steps\.step1: The 'C' param"):
        estimator.build(0, **wrong)


def test_class_weights_by_class_name() -> None:
    weights = {"Bag": 2, "Coat": 0.5}
    given = voting(SVC | {"class_weight": weights}, NB) | {"class_weight": {"Bag": 3, 0: 1}}
    found = number_classes(given, CLASSES)
    assert found["class_weight"] == {8: 3, 0: 1}
    assert found["estimators"][0][1]["class_weight"] == {8: 2, 4: 0.5}
    assert given["class_weight"] == {"Bag": 3, 0: 1}  # what DVC compares is not changed
    check_block(voting(SVC | {"class_weight": weights}, NB))
    check_block(SVC | {"class_weight": {0: 2, 9: 1}})
    check_block(SVC | {"class_weight": "balanced"})
    model = estimator.build(0, **number_classes(SVC | {"class_weight": weights}, CLASSES))
    model.fit(*take("train", 5, 10))
    assert model.class_weight_.tolist() == [1, 1, 1, 1, 0.5, 1, 1, 1, 2, 1]


WRONG_WEIGHTS: list[tuple[Any, str]] = [
    ({"bag": 2}, "no class 'bag'; choose from T-shirt, Trouser, Pullover"),
    ({10: 2}, "no class 10; choose from"),
    ({True: 2}, "no class True; choose from"),
    ({"Bag": 2, 8: 1}, "class Bag occurs twice"),
    ({"Bag": -1}, "Bag is -1: expected a weight, 0 or more"),
    ({"Bag": "2"}, "Bag is '2': expected a weight"),
    ({"Bag": float("nan")}, "Bag is nan: expected a weight"),
    ({"Bag": float("inf")}, "Bag is inf: expected a weight"),
    ({"Bag": True}, "Bag is True: expected a weight"),
]


@pytest.mark.parametrize(("weights", "message"), WRONG_WEIGHTS)
def test_wrong_class_weights(weights: Any, message: str) -> None:
    keras = {**PARAMS["models"]["fashion_mnist-mlp"]}
    keras["params"] = keras["params"] | {"class_weight": weights}
    for run, key in (
        (of_scikit_learn("sklearn.svm.SVC", class_weight=weights), "params.class_weight"),
        (
            of_scikit_learn("") | {"params": voting(SVC | {"class_weight": weights})},
            "params.estimators.m0.class_weight",
        ),
        (keras, "params.class_weight"),
    ):
        with pytest.raises(InputError) as error:
            check(PARAMS | {"models": {"a": run}})
        assert str(error.value).startswith(f"models.a.{key}")
        assert message in str(error.value) or run is keras


def test_class_weights_if_labels_have_names_of_their_own() -> None:
    data = {"a": PARAMS["data"]["fashion_mnist"] | {"classes": {1: "Bag", 2: "Coat"}}}
    run = of_scikit_learn("sklearn.svm.SVC", dataset="a", class_weight={"Coat": 2})
    check(PARAMS | {"data": data, "features": {}, "models": {"a": run}})
    run["params"]["class_weight"] = {1: 2}  # a label of the files, or the second one?
    with pytest.raises(InputError, match="no class 1; choose from Bag, Coat"):
        check(PARAMS | {"data": data, "features": {}, "models": {"a": run}})


def test_class_weights_of_what_is_fitted_on_other_labels_are_refused() -> None:
    inner = calibrated(SVC | {"class_weight": {"T-shirt": 2}})
    with pytest.raises(InputError, match=r"base_estimator\.base_estimator\.class_weight: OneVsR"):
        check_block(one_vs_rest(inner))
    check_block(one_vs_rest(SVC | {"class_weight": "balanced"}))


def test_the_example_of_the_guide_is_valid() -> None:
    text = (ROOT / "docs" / "models.md").read_text()
    examples = [part.split("```")[0] for part in text.split("```yaml\n")[1:]]
    assert len(examples) >= 1
    for example in examples:
        for run in yaml.safe_load(example)["models"].values():
            check(PARAMS | {"models": {"a": run}})
