"""Classifiers made of others: blocks within blocks of params.yaml, and their ONNX files."""

from copy import deepcopy
from importlib import import_module
from typing import Any

import numpy as np
import pytest
import yaml
from conftest import ROOT, of_scikit_learn
from numpy.typing import NDArray
from skl2onnx import convert_sklearn
from skl2onnx.common.data_types import FloatTensorType
from test_export import prepare

from stages.check import check
from stages.datasets.arrays import Split
from stages.frameworks.export import to_contract
from stages.frameworks.sklearn import trial
from stages.frameworks.sklearn.convert import OPSETS, OWN, convert
from stages.frameworks.sklearn.fit import fit, limit_threads
from stages.frameworks.sklearn.predict import predict
from stages.model_file.classifier import classify, open_classifier, open_session
from stages.models import estimator
from stages.runtime.errors import InputError
from stages.train import number_classes

PARAMS = yaml.safe_load((ROOT / "tests" / "params.yaml").read_text())
CLASSES = PARAMS["data"]["fashion_mnist"]["classes"]


def block(name: str, **params: Any) -> dict[str, Any]:
    return {"estimator": f"sklearn.{name}", **params}


SVC, NB = block("svm.SVC"), block("naive_bayes.GaussianNB")
LINEAR, LOGISTIC = block("svm.LinearSVC"), block("linear_model.LogisticRegression", C=0.01)
TREE, FOREST = block("tree.DecisionTreeClassifier"), block("ensemble.RandomForestClassifier")
SCALER = block("preprocessing.StandardScaler")


def pipeline(*steps: dict[str, Any]) -> dict[str, Any]:
    named = [[f"step{number}", step] for number, step in enumerate(steps)]
    return block("pipeline.Pipeline", steps=named)


def voting(*members: dict[str, Any], **params: Any) -> dict[str, Any]:
    named = [[f"m{number}", member] for number, member in enumerate(members)]
    return block("ensemble.VotingClassifier", estimators=named, **params)


def stacking(*members: dict[str, Any], **params: Any) -> dict[str, Any]:
    return voting(*members, cv=3, **params) | block("ensemble.StackingClassifier")


def calibrated(inner: dict[str, Any], **params: Any) -> dict[str, Any]:
    return block("calibration.CalibratedClassifierCV", cv=3, base_estimator=inner) | params


def one_vs_rest(inner: dict[str, Any]) -> dict[str, Any]:
    return block("multiclass.OneVsRestClassifier", base_estimator=inner)


FAITHFUL = {
    "hard vote": voting(SVC, TREE, LOGISTIC),
    "weighted vote": voting(NB, TREE, FOREST, weights=[0.5, 1, 1.3]),
    "soft vote": voting(NB, pipeline(SCALER, LOGISTIC), voting="soft", weights=[1, 2]),
    "stack": stacking(LOGISTIC, TREE),
    "stack of decisions": stacking(SVC, LINEAR, final_estimator=SVC),
    "stack of labels": stacking(
        NB, TREE, stack_method="predict", passthrough=True, final_estimator=NB
    ),
    "scaled svc": pipeline(SCALER, SVC),
    "scaled tree": pipeline(SCALER, TREE),
    "range": pipeline(block("preprocessing.MinMaxScaler", feature_range=[-1, 1], clip=True), TREE),
    "robust": pipeline(block("preprocessing.RobustScaler"), TREE),
    "components": pipeline(block("decomposition.PCA", n_components=10), NB),
    "pipelines": pipeline(SCALER, pipeline(block("preprocessing.Normalizer"), LOGISTIC)),
    "scaled vote": pipeline(SCALER, voting(NB, LOGISTIC, voting="soft")),
    "calibrated": calibrated(LINEAR),
    "calibrated svc": calibrated(SVC, ensemble=False),
    "calibrated pipeline": calibrated(pipeline(SCALER, LINEAR)),
    "calibrated logistic": calibrated(pipeline(SCALER, LOGISTIC)),
    "one against the rest": one_vs_rest(LOGISTIC),
    "decisions": one_vs_rest(SVC),
    "linear decisions": one_vs_rest(pipeline(SCALER, LINEAR)),
    "trees": one_vs_rest(TREE),
    "bagged": block("ensemble.BaggingClassifier", n_estimators=3, base_estimator=LOGISTIC),
}


def take(split: str, images_per_class: int, classes: int) -> Split:
    images, labels = prepare("fashion_mnist", "flat", split, images_per_class)
    return images[labels < classes], labels[labels < classes].astype(np.int64)


def train(params: dict[str, Any], split: Split) -> Any:
    classes = len(np.unique(split[1]))
    limit_threads(1, params)
    return fit(estimator.build, split, split, classes, 100, **params)[0]


def trial_of(params: dict[str, Any]) -> Any:
    """The indices of the images that are enough for a trial."""
    model = estimator.build(100, **params)
    images, labels = take("train", 30, 3)
    return trial.try_export(model, model, images, labels.astype(np.int64), 3)


def export(model: Any, images: NDArray[Any], classes: int) -> bytes:
    return to_contract(convert(model, images.shape[1:]), {"classes": CLASSES[:classes]})


@pytest.mark.slow
@pytest.mark.parametrize("name", FAITHFUL)
def test_the_file_says_what_the_fitted_model_says(name: str) -> None:
    for classes in (2, 4):
        images, _ = take("test", 60, classes)
        limit_threads(1, FAITHFUL[name])
        model = estimator.build(100, **FAITHFUL[name]).fit(*take("train", 30, classes))
        content = export(model, images, classes)
        labels, probabilities = classify(open_classifier(content, 1), images)
        expected, native = predict(model, images)
        np.testing.assert_array_equal(labels, expected)
        assert len(np.unique(labels)) == classes
        assert (probabilities is None) == (native is None)
        if probabilities is not None and native is not None:
            np.testing.assert_allclose(probabilities, native, atol=1e-4)
        # skl2onnx finds the options of a model, and names values, by its address
        assert export(deepcopy(model), images, classes) == content


@pytest.mark.parametrize(
    ("name", "params"),
    [
        ("StandardScaler", {}),
        ("StandardScaler", {"with_mean": False}),
        ("StandardScaler", {"with_std": False}),
        ("MinMaxScaler", {"feature_range": (-1, 1)}),
        ("MinMaxScaler", {"clip": True}),
        ("MaxAbsScaler", {}),
        ("RobustScaler", {}),
        ("RobustScaler", {"with_centering": False}),
    ],
)
def test_a_scaler_has_the_bits_of_scikit_learn(name: str, params: dict[str, Any]) -> None:
    random = np.random.default_rng(0)
    images, others = (random.normal(3, 2, (500, 20)).astype(np.float32) for _ in range(2))
    scaler = getattr(import_module("sklearn.preprocessing"), name)(**params).fit(images)
    graph = convert_sklearn(
        scaler,
        initial_types=[("images", FloatTensorType([None, 20]))],
        target_opset=OPSETS,
        custom_conversion_functions=OWN,
    )
    session = open_session(graph.SerializeToString(), threads=1)
    np.testing.assert_array_equal(
        session.run(None, {"images": others})[0], scaler.transform(others)
    )


@pytest.mark.slow
@pytest.mark.parametrize(
    ("params", "reason"),
    [
        (calibrated(LINEAR, method="isotonic"), "does not convert this model faithfully"),
        (calibrated(NB, method="temperature"), "skl2onnx fails on it"),
        (block("multiclass.OneVsOneClassifier", base_estimator=LINEAR), "not a valid ONNX model"),
        (pipeline(SCALER, block("neighbors.NearestCentroid")), "skl2onnx does not know it"),
        (voting(NB, block("neighbors.NearestCentroid")), "skl2onnx does not know it"),
        (block("gaussian_process.GaussianProcessClassifier"), "converts it only in part"),
    ],
)
def test_what_is_not_converted_is_refused_before_the_fit(
    params: dict[str, Any], reason: str
) -> None:
    split = take("train", 30, 3)
    models: list[Any] = []

    def build(seed: int, **params: Any) -> Any:
        models.append(estimator.build(seed, **params))
        return models[-1]

    with pytest.raises(InputError, match=f"cannot be exported: .*{reason}.*[:;] choose another$"):
        fit(build, split, split, 3, 100, **params)
    assert not hasattr(models[0], "classes_")


@pytest.mark.slow
def test_what_no_number_of_images_makes_possible_is_refused_before_the_fit() -> None:
    params = voting(SVC, NB, voting="soft")
    with pytest.raises(InputError, match=r"^VotingClassifier cannot be fitted: .* 'predict_proba'"):
        trial_of(params)


NEEDS_MORE = {
    "neighbors": block("neighbors.KNeighborsClassifier", n_neighbors=25),
    "folds": calibrated(LINEAR, cv=15),
    "stacked folds": stacking(NB, TREE) | {"cv": 12},
    "components": pipeline(block("decomposition.PCA", n_components=60), NB),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", NEEDS_MORE)
@pytest.mark.parametrize("images_per_class", [35, 60])
def test_a_model_that_needs_more_images_than_the_first_trial_has(
    name: str, images_per_class: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = []
    export_trial = trial.export

    def note(*given: Any) -> None:
        tried.append(len(given[2]))
        export_trial(*given)

    monkeypatch.setattr(trial, "export", note)
    split = take("train", images_per_class, 2)
    model = train(NEEDS_MORE[name], split)
    # 20 are too few; 80 are enough, and then 40 others are compared; else the fit has them all
    assert tried == ([120] if images_per_class == 60 else [])
    labels, _ = classify(open_classifier(export(model, split[0], 2), 1), split[0])
    np.testing.assert_array_equal(labels, model.predict(split[0]))


def test_an_export_that_fails_on_few_images_is_tried_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    tried = []

    def fail(*given: Any) -> None:
        tried.append(len(given[2]))
        if len(given[2]) < enough:  # half of which were fitted
            raise InputError("too few")

    monkeypatch.setattr(trial, "export", fail)
    labels = np.arange(2000) % 2
    model = estimator.build(0, **NB)
    for enough, expected in ((160, [40, 160]), (999, [40, 160, 640])):
        tried.clear()
        if enough > 4 * trial.REFUSED_AT:
            with pytest.raises(InputError, match="too few"):
                trial.try_export(model, model, labels[:, None] * 1.0, labels, 2)
        else:
            found = trial.try_export(model, model, labels[:, None] * 1.0, labels, 2)
            np.testing.assert_array_equal(found, np.arange(80))
        assert tried == expected


def test_a_small_ensemble_within_another_is_tried() -> None:
    small = trial.shrink(estimator.build(0, **voting(FOREST, NB)))
    assert small.get_params()["m0__n_estimators"] == trial.MEMBERS


def test_all_estimators_have_the_seed() -> None:
    model = estimator.build(7, **voting(pipeline(SCALER, TREE), calibrated(FOREST)))
    seeds = [v for name, v in model.get_params().items() if name.endswith("random_state")]
    assert seeds == [7, 7]


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
    check(PARAMS | {"data": data, "models": {"a": run}})
    run["params"]["class_weight"] = {1: 2}  # a label of the files, or the second one?
    with pytest.raises(InputError, match="no class 1; choose from Bag, Coat"):
        check(PARAMS | {"data": data, "models": {"a": run}})


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


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("params", "message"),
    [
        (
            block(
                "neural_network.MLPClassifier",
                activation="identity",
                solver="sgd",
                learning_rate_init=1e9,
            ),
            "training diverged: lower learning_rate_init (MLPClassifier: Solver produced non-fi",
        ),
        (
            pipeline(
                SCALER,
                block(
                    "linear_model.SGDClassifier",
                    loss="squared_error",
                    eta0=1e30,
                    learning_rate="constant",
                ),
            ),
            "training diverged: lower step1__eta0 (Pipeline: Floating-point under-/overflow",
        ),
    ],
)
def test_a_fit_that_diverges_says_so(params: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        train(params, take("train", 20, 10))
    assert str(error.value).startswith(message)
