"""Heavy libraries are imported only to train a model of theirs."""

from pathlib import Path

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


def test_only_keras_models_import_tensorflow(trained: Path, tmp_path: Path) -> None:
    outs = [str(tmp_path / name) for name in ("model.onnx", "curve.csv", "answers")]
    run_block = ["fashion_mnist-decision_tree", "sklearn", "estimator"]
    command = ["train", *run_block, "data/reshaped/fashion_mnist-flat", *outs]
    code = f"""
import runpy, sys
sys.argv = {command}
try:
    runpy.run_module("stages.train", run_name="__main__")
finally:
    print("imported:", *(name for name in {HEAVY} if name in sys.modules))
"""
    said = run("python", "-c", code, cwd=trained).stdout
    assert said.splitlines()[-1] == "imported: sklearn skl2onnx"
