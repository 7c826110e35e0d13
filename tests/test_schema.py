"""What `check` reads from scikit-learn's source is what scikit-learn has."""

import inspect
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
from conftest import ROOT, run

from stages.frameworks.sklearn import classes, schema
from stages.frameworks.sklearn.classes import check_names, find_class
from stages.frameworks.sklearn.source import find_module, read_parameters
from stages.models import estimator
from stages.runtime.errors import InputError

HEAVY = ("numpy", "scipy", "sklearn", "sklearnex", "daal4py", "skl2onnx", "tensorflow", "keras")


def test_check_imports_no_library_that_trains(tmp_path: Path) -> None:
    code = f"""
import sys
from pathlib import Path
from stages import check
check.main(Path("params.yaml"), Path({str(tmp_path / "out.txt")!r}))
print(*(name for name in {HEAVY} if name in sys.modules))
"""
    assert run("python", "-c", code, cwd=ROOT).stdout.splitlines()[-1] == ""


@pytest.mark.parametrize(
    ("path", "parameters"),
    [
        ("sklearn.svm.SVC", ["C", "kernel"]),
        ("sklearn.svm._classes.NuSVC", ["nu"]),
        ("sklearn.ensemble.ExtraTreesClassifier", ["n_estimators", "bootstrap"]),
        ("sklearn.ensemble.HistGradientBoostingClassifier", ["max_iter", "early_stopping"]),
        ("sklearn.linear_model.RidgeClassifier", ["alpha", "positive"]),
        ("sklearn.linear_model.PassiveAggressiveClassifier", ["C"]),  # deprecated
        ("sklearn.naive_bayes.GaussianNB", ["var_smoothing"]),
        ("sklearn.neural_network.MLPClassifier", ["hidden_layer_sizes"]),
        ("sklearn.semi_supervised.LabelSpreading", ["alpha"]),
        ("sklearn.discriminant_analysis.LinearDiscriminantAnalysis", ["solver"]),
        ("sklearn.dummy.DummyClassifier", []),
        ("sklearnex.svm.SVC", ["C"]),
        ("sklearnex.ensemble.RandomForestClassifier", ["n_estimators"]),
        ("sklearnex.linear_model.LogisticRegression", ["C"]),
        ("sklearnex.neighbors.KNeighborsClassifier", ["n_neighbors"]),
    ],
)
def test_classifiers_and_their_parameters(path: str, parameters: list[str]) -> None:
    check_names(path, parameters)
    name = path.rpartition(".")[2]
    said = f"{name} has no parameter random_state, wrong; its parameters are "
    with pytest.raises(InputError, match=said) as error:
        check_names(path, [*parameters, "wrong", "random_state"])
    assert str(error.value).endswith(" (random_state is the parameter `seed`)")
    for parameter in parameters:  # the most similar is named first
        with pytest.raises(InputError, match=f"parameter {parameter}s; .* are {parameter}[, ]"):
            check_names(path, [*parameters, f"{parameter}s"])


NOT_FROM = "is not from scikit-learn; use e.g. sklearn.svm.SVC"
MISSING = "does not exist; use e.g. sklearn.svm.SVC"
OTHER = "is not a classifier; use e.g. sklearn.svm.SVC"
ABSTRACT = "is abstract; use e.g. sklearn.svm.SVC"


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("os.system", NOT_FROM),
        ("SVC", NOT_FROM),
        ("sklearn", NOT_FROM),
        ("", NOT_FROM),
        ("sklearn2.svm.SVC", NOT_FROM),
        ("stages.models.estimator.build", NOT_FROM),
        ("sklearn.svm.SVX", MISSING),
        ("sklearn.svn.SVC", MISSING),
        ("sklearn.SVC", MISSING),
        ("sklearn.svm.SVC.fit", MISSING),
        ("sklearn.svm.", MISSING),
        ("sklearn..svm.SVC", MISSING),
        ("sklearn.svm/_classes.SVC", MISSING),
        ("sklearn.SVM.SVC", MISSING),
        ("sklearnex.svm.SVX", MISSING),
        ("sklearnex.naive_bias.GaussianNB", MISSING),
        ("sklearn.svm", OTHER),  # modules
        ("sklearn.ensemble._forest", OTHER),
        ("sklearn.utils.metadata_routing", OTHER),
        ("sklearn.svm.SVR", OTHER),  # regressors
        ("sklearn.linear_model.Ridge", OTHER),
        ("sklearnex.svm.SVR", OTHER),
        ("sklearn.preprocessing.StandardScaler", OTHER),
        ("sklearn.cluster.KMeans", OTHER),
        ("sklearn.model_selection.GridSearchCV", OTHER),
        ("sklearn.svm.l1_min_c", OTHER),  # functions
        ("sklearn.base.is_classifier", OTHER),
        ("sklearn.neighbors.VALID_METRICS", OTHER),
        ("sklearn.neighbors.BallTree", OTHER),  # compiled
        ("sklearn.svm._classes.np", OTHER),
        ("sklearn.base.ClassifierMixin", OTHER),
        ("sklearn.linear_model._base.LinearClassifierMixin", OTHER),
        ("sklearn.svm._base.BaseSVC", ABSTRACT),
        ("sklearn.ensemble._forest.ForestClassifier", ABSTRACT),
        ("sklearn.linear_model._stochastic_gradient.BaseSGDClassifier", ABSTRACT),
    ],
)
def test_what_is_not_a_classifier(path: str, message: str) -> None:
    with pytest.raises(InputError) as error:
        check_names(path, [])
    assert str(error.value) == f"estimator {path!r} {message}"


def test_a_model_of_another_kind() -> None:
    params = {"estimator": "sklearn.svm.SVC", "C": 1.0, "depth": 3}
    with pytest.raises(InputError, match=r"^model has no parameter `estimator`;"):
        schema.check_run("flat", params, arguments=["depth"])
    with pytest.raises(InputError, match=r"^params: SVC has no parameter depth;"):
        schema.check_run("flat", params, arguments=["estimator"])
    schema.check_run("flat", params, arguments=["estimator", "depth"])  # not passed on to the SVC


@pytest.mark.parametrize(
    ("path", "missing"),
    [
        ("sklearn.multiclass.OneVsRestClassifier", "base_estimator"),
        ("sklearn.ensemble.VotingClassifier", "estimators"),
        ("sklearn.model_selection.FixedThresholdClassifier", "base_estimator"),
        ("sklearn.pipeline.Pipeline", "steps"),
    ],
)
def test_a_parameter_without_a_default(path: str, missing: str) -> None:
    said = f" has no default for its parameter {missing}; add {missing}: "
    with pytest.raises(InputError, match=said):
        check_names(path, [])
    check_names(path, [missing])


def test_a_platform_without_scikit_learn_intelex(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        classes, "find_module", lambda name: None if name == "sklearnex" else find_module(name)
    )
    check_names("sklearnex.svm.SVC", ["C"])
    with pytest.raises(InputError, match=r"'sklearnex.svm.SVR' is not a classifier"):
        check_names("sklearnex.svm.SVR", [])
    with pytest.raises(InputError, match="SVC has no parameter c;"):
        check_names("sklearnex.svm.SVC", ["c"])


@pytest.mark.parametrize(
    ("params", "message"),
    [
        ({"estimator": "sklearn.svm.SVC", "C": -1.0}, "The 'C' parameter of SVC must be"),
        ({"estimator": "sklearn.svm.SVC", "C": "x"}, "Got 'x' instead"),
        (
            {"estimator": "sklearn.tree.DecisionTreeClassifier", "criterion": "ginny"},
            "The 'criterion' parameter of DecisionTreeClassifier must be a str among",
        ),
        (
            {"estimator": "sklearn.naive_bayes.GaussianNB", "var_smoothing": -1},
            "The 'var_smoothing' parameter of GaussianNB",
        ),
        ({"estimator": "sklearn.svm.SVC", "c": 1.0}, "SVC has no parameter c"),
    ],
)
def test_a_classifier_with_a_wrong_value_is_not_built(params: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        estimator.build(0, **params)


def test_what_is_read_is_what_scikit_learn_has() -> None:
    from sklearn.utils import all_estimators

    everything, classifiers = all_estimators(), dict(all_estimators(type_filter="classifier"))
    assert len(everything) > 150
    assert len(classifiers) > 40
    for name, kind in everything:
        public = kind.__module__.partition("._")[0]
        assert getattr(import_module(public), name) is kind
        for path in (f"{public}.{name}", f"{kind.__module__}.{name}"):
            if name in classifiers or name == "Pipeline":
                expected = inspect.signature(kind).parameters.values()
                assert list(read_parameters(find_class(path)).items()) == [
                    (parameter.name, parameter.default is not parameter.empty)
                    for parameter in expected
                ]
            else:
                with pytest.raises(InputError, match="is not a classifier"):
                    find_class(path)


def test_what_is_read_is_what_scikit_learn_intelex_has() -> None:
    pytest.importorskip("sklearnex")
    from sklearn.utils import all_estimators

    found = 0
    for name, kind in all_estimators(type_filter="classifier"):
        module = kind.__module__.partition("._")[0].replace("sklearn", "sklearnex", 1)
        try:
            accelerated = getattr(import_module(module), name)
        except (ImportError, AttributeError):
            with pytest.raises(InputError, match="does not exist"):
                find_class(f"{module}.{name}")
            continue
        taken = inspect.signature(accelerated).parameters.keys()
        assert read_parameters(find_class(f"{module}.{name}")).keys() <= taken
        found += 1
    assert found >= 5
