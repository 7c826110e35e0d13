"""Heavy libraries are imported only to train a model of theirs."""

from pathlib import Path

import pytest
from conftest import ROOT, run

STAGES = sorted(path.stem for path in (ROOT / "stages").glob("*.py"))
HEAVY = ("tensorflow", "keras", "sklearn", "skl2onnx", "tf2onnx")


def test_stages_start_without_the_libraries_that_train() -> None:
    code = f"""
import sys
from importlib import import_module

for name in {STAGES}:
    import_module("stages." + name)
    for library in {HEAVY}:
        assert library not in sys.modules, name + " imports " + library
"""
    run("python", "-c", code, cwd=ROOT)


@pytest.mark.parametrize(
    ("run_block", "imported"),
    [
        (["fashion_mnist-decision_tree", "sklearn", "estimator"], "sklearn skl2onnx"),
        (["fashion_mnist-mlp", "keras", "mlp"], "tensorflow keras tf2onnx"),
    ],
)
def test_a_training_imports_its_own_framework_alone(
    trained: Path, tmp_path: Path, run_block: list[str], imported: str
) -> None:
    outs = [str(tmp_path / name) for name in ("model.onnx", "curve.csv", "answers")]
    command = ["train", *run_block, "data/reshaped/fashion_mnist-flat", *outs]
    code = f"""
import runpy, sys
sys.argv = {command}
try:
    runpy.run_module("stages.train", run_name="__main__")
finally:
    print("imported:", *(name for name in {(*HEAVY, "pandas")} if name in sys.modules))
"""
    said = run("python", "-c", code, cwd=trained).stdout
    assert said.splitlines()[-1] == f"imported: {imported}"


def test_what_is_hidden_from_a_framework_is_there_for_a_model() -> None:
    """As scikit-learn is, for the class weights of a network."""
    code = """
import json, sys
from stages.train import quiet_imports

with quiet_imports(["colorsys", "json"]):
    import json  # it was there already
    try:
        import colorsys
    except ImportError:
        print("hidden")
import colorsys
"""
    assert run("python", "-c", code, cwd=ROOT).stdout == "hidden\n"
