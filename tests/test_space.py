"""The space that `make tune` searches is checked like the parameters that it is about."""

from typing import Any

import pytest
import yaml
from conftest import ROOT, of_scikit_learn
from nested import PARAMS, SCALER, SVC, pipeline

from stages.check import check
from stages.runtime.errors import InputError
from stages.schema.space import Choices, Range, find, put, read_space

MLP = PARAMS["models"]["fashion_mnist-mlp"]
FITTED = {"estimator": "sklearn.svm.SVC", "C": 1.0, "gamma": "scale", "class_weight": None}


def check_space(params: dict[str, Any], tune: Any) -> None:
    """Has the stage `check` check a run with this space; of Keras, unless it has an estimator."""
    block = of_scikit_learn("") if "estimator" in params else MLP
    check(PARAMS | {"models": {"a": block | {"params": params, "tune": tune}}})


def test_what_a_space_may_have() -> None:
    check_space(
        FITTED,
        {
            "C": {"low": 0.1, "high": 100.0, "log": True},
            "gamma": {"choices": ["scale", 0.01, 1]},
            "class_weight": {"choices": [None, "balanced", {"Bag": 2}]},
        },
    )
    check_space(
        MLP["params"],
        {
            "units": [{"low": 32, "high": 256, "step": 32}],
            "units_after_dropout": {"choices": [[128], [256, 128]]},
            "dropout": {"low": 0.0, "high": 0.5, "step": 0.1},
            "epochs": {"low": 1, "high": 100, "log": True},
        },
    )
    check_space(FITTED, {})


def test_a_space_within_a_pipeline() -> None:
    params = pipeline(SCALER, SVC | {"C": 1.0})
    tune = {"steps": {"step1": {"C": {"low": 0.1, "high": 10.0}}}}
    check_space(params, tune)
    ((path, dimension),) = read_space(tune, params).items()
    assert path == ("steps", "step1", "C")
    assert isinstance(dimension, Range)
    changed = put(params, path, 5.0)
    assert find(changed, path) == 5.0
    assert find(params, path) == 1.0
    assert changed["steps"][0] is params["steps"][0]


def test_the_example_of_the_guide_is_valid() -> None:
    text = (ROOT / "docs" / "tune.md").read_text()
    (example,) = (part.split("```")[0] for part in text.split("```yaml\n")[1:])
    space = yaml.safe_load(example)["tune"]
    assert space.keys() == {"C", "gamma"}
    check_space(FITTED, space)


def test_the_elements_of_a_list() -> None:
    params = {"units": [64, 32]}
    space = read_space({"units": [{"low": 1, "high": 9}, {"choices": [3, 4]}]}, params)
    assert [*space] == [("units", 0), ("units", 1)]
    assert isinstance(space["units", 1], Choices)
    assert put(params, ("units", 1), 4) == {"units": [64, 4]}


C = {"low": 0.1, "high": 10.0}
WRONG: list[tuple[dict[str, Any], Any, str]] = [
    (FITTED, {"C": C | {"low": 20.0}}, "tune.C: low 20.0, high 10.0: low must be lower than high"),
    (FITTED, {"C": C | {"low": 10.0}}, "tune.C: low 10.0, high 10.0: low must be lower than high"),
    (FITTED, {"C": C | {"low": 0.0, "log": True}}, "tune.C: low 0.0, high 10.0: with log, low"),
    (FITTED, {"C": C | {"log": True, "step": 0.1}}, "high 10.0, step 0.1: log and step do not go"),
    (FITTED, {"C": C | {"step": 0.0}}, "tune.C: low 0.1, high 10.0, step 0.0: step must be gre"),
    (FITTED, {"C": C | {"step": 0.2}}, "no step ends at high; choose e.g. 9.9"),
    (FITTED, {"C": C | {"high": 10}}, "tune.C: low 0.1, high 10: write all as integers, or all"),
    (FITTED, {"C": C | {"step": 1}}, "tune.C: low 0.1, high 10.0, step 1: write all as integers"),
    (
        FITTED,
        {"C": C | {"hihg": 1.0}},
        "tune.C: unknown key hihg; choose from low, high, log, step",
    ),
    (FITTED, {"C": C | {"choices": [1.0]}}, "tune.C: unknown key high, low; choose from choices"),
    (FITTED, {"C": {"low": 0.1}}, "tune.C.high: Field required"),
    (FITTED, {"C": C | {"low": "a"}}, "tune.C.low is 'a': expected a number"),
    (FITTED, {"C": C | {"low": True}}, "tune.C.low is True: expected a number"),
    (FITTED, {"C": C | {"high": float("inf")}}, "tune.C.high is inf: expected a finite number"),
    (FITTED, {"C": {"low": 1, "high": 10**400}}, "tune.C.high is a huge number: expected a fin"),
    (FITTED, {"C": C | {"log": 1}}, "tune.C.log is 1: Input should be a valid boolean"),
    (FITTED, {"C": {"choices": []}}, "tune.C.choices is []: List should have at least 1 item"),
    (FITTED, {"C": {"choices": [1.0, 2.0, 1.0]}}, "tune.C: the choice 1.0 is there twice"),
    (FITTED, {"C": 3.0}, "tune.C is 3.0: expected e.g. {low: 0.1, high: 10.0, log: true} or {cho"),
    (FITTED, {"C": {}}, "tune.C is {}: expected e.g. {low: "),
    (FITTED, {"C": {"a": {"low": 1, "high": 2}}}, "tune.C is {'a': {'low': 1, 'high': 2}}: expec"),
    (
        FITTED,
        {"c": C},
        "tune.c: not in params, which has estimator, C, gamma, class_weight; add it",
    ),
    (FITTED, [], "tune is []: Input should be a valid dictionary"),
    (FITTED, {"class_weight": {"choices": [{"Beg": 1}]}}, "no class 'Beg'; choose from T-shirt"),
    (
        FITTED,
        {"estimator": {"choices": ["sklearn.svm.SVC", "sklearn.svm.SVX"]}},
        "tune.estimator: 'sklearn.svm.SVX': params: estimator 'sklearn.svm.SVX' does not exist",
    ),
    (
        pipeline(SCALER, SVC | {"C": 1.0}),
        {"steps": {"step1": {"c": C}}},
        "tune.steps.step1.c: not in params.steps.step1, which has estimator, C",
    ),
    (pipeline(SVC), {"steps": {"step9": {"C": C}}}, "tune.steps.step9: not in params.steps, which"),
    (
        MLP["params"],
        {"dropout": {"low": 0.0, "high": 1.0}},
        "tune.dropout: 1.0: params.dropout is 1.0: Input should be less than 1",
    ),
    (
        MLP["params"],
        {"epochs": {"low": 1.0, "high": 9.0}},
        "tune.epochs: 1.0: params.epochs is 1.0: Input should be a valid integer",
    ),
    (
        MLP["params"],
        {"units": [{"low": 0, "high": 9}]},
        "tune.units.0: 0: params.units.0 is 0: Input should be greater than 0",
    ),
    (
        MLP["params"],
        {"units": {"choices": [[16], [16, -1]]}},
        "tune.units: [16, -1]: params.units.1 is -1: Input should be greater than 0",
    ),
    (
        MLP["params"],
        {"units": [{"low": 1, "high": 9}] * 2},
        "tune.units: 2 ranges, but units in params is [16]; write one range for each of its",
    ),
    (MLP["params"], {"epochs": [{"low": 1, "high": 9}]}, "tune.epochs: 1 ranges, but epochs in pa"),
    (MLP["params"], {"units": [[{"low": 1, "high": 9}]]}, "tune.units.0 is [{'low': 1, 'high': 9}"),
]


@pytest.mark.parametrize(("params", "tune", "message"), WRONG, ids=range(len(WRONG)))
def test_check_names_the_key_and_the_value_of_a_mistake(
    params: dict[str, Any], tune: Any, message: str
) -> None:
    with pytest.raises(InputError) as error:
        check_space(params, tune)
    said = str(error.value)
    assert said.startswith("models.a.tune")
    assert message in said
    assert len(said) <= 270
    assert "\n" not in said
