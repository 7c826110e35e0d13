"""Whatever is in an input, it is read or refused in one line: no traceback, crash or hang."""

import gzip
import io
import json
import os
import random
import re
import shutil
import socket
import tarfile
import threading
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from campaign import Campaign
from conftest import ROOT
from damage import READ, REFUSED, attempt, damage, no_file
from fsspec.implementations.dirfs import DirFileSystem
from fsspec.implementations.local import LocalFileSystem
from onnx import TensorProto, helper
from PIL import Image
from weight_files import write_hdf5, write_torch_file

from stages import check
from stages.card import read_audit, read_scores, read_seeds
from stages.datasets.arrays import read_split, write_split
from stages.downloads import published
from stages.downloads.download import download
from stages.evaluate import read_duplicates
from stages.frameworks.export import to_contract
from stages.load import choose, read_splits
from stages.model_file.classifier import classify, open_classifier
from stages.plot import read_curve
from stages.profile import describe, measure
from stages.runtime.errors import LONGEST, InputError
from stages.runtime.files import read_bytes, read_text
from stages.runtime.inputs import reading, require_file
from stages.runtime.lock import read_lock_file
from stages.scoring.predictions import read_predictions, read_probabilities
from stages.sources.common import idx_file
from stages.sources.common.dataset import describe_dataset
from stages.weights import torch_file
from stages.weights.published import LARGEST, read_hdf5
from tools.ci import comment
from tools.engine.lock_file import restore_damaged
from tools.pages.page import write_page
from tools.pages.picture import embed_all
from tools.pages.report.datasets import describe_datasets
from tools.pages.report.recorded import SIZES, TIMES, read_recorded
from tools.pages.report.results import tabulate_results
from tools.pages.report.runs import describe_runs
from tools.pages.report.searches import describe_searches
from tools.prediction.fit_picture import read_picture
from tools.revisions.changed_pictures import read_pictures as read_changed_pictures
from tools.revisions.kept import read_array
from tools.revisions.revision import Revision
from tools.sample import write_sheet
from tools.store.objects import read_folder

CLASSES = ["a", "b", "c"]
LABELS = np.arange(9) % 3
HTTP = b"HTTP/1.1 200 OK\r\nConnection: close\r\n"
INPUTS = 25  # per kind, if this is no campaign
Make = Callable[[Path, np.random.Generator], None]
Read = Callable[[Path], object]
KINDS: dict[str, tuple[Make, Read]] = {}


def kind(name: str, read: Read) -> Callable[[Make], Make]:
    """Names a kind of input: the function that writes a valid one into a folder, and its reader."""

    def add(make: Make) -> Make:
        KINDS[name] = (make, read)
        return make

    return add


def read_data(folder: Path) -> None:
    """Reads a data set as `load` does."""
    parameters = {"path": folder, "validation_fraction": 0.1, "classes": CLASSES}
    dataset = describe_dataset("data.mine", parameters)
    choose(read_splits(dataset), dataset, seed=1, near=0.3)


def images(chance: np.random.Generator, *shape: int) -> Any:
    return chance.integers(0, 256, (len(LABELS), *shape), dtype=np.uint8)


@kind("IDX", read_data)
def write_idx(folder: Path, chance: np.random.Generator) -> None:
    for prefix in ("train", "t10k"):
        idx_file.write_array(folder / f"{prefix}-images-idx3-ubyte", images(chance, 4, 5))
        idx_file.write_array(folder / f"{prefix}-labels-idx1-ubyte", LABELS.astype(np.uint8))


@kind("IDX, compressed", read_data)
def write_compressed_idx(folder: Path, chance: np.random.Generator) -> None:
    write_idx(folder, chance)
    for path in list(folder.iterdir()):
        path.with_name(f"{path.name}.gz").write_bytes(gzip.compress(path.read_bytes()))
        path.unlink()


@kind("CSV", read_data)
def write_csv(folder: Path, chance: np.random.Generator) -> None:
    for split in ("train", "test"):
        rows = images(chance, 3, 3).reshape(len(LABELS), -1)
        np.savetxt(folder / f"{split}_images.csv", rows, fmt="%d", delimiter=",")
        np.savetxt(folder / f"{split}_labels.csv", LABELS, fmt="%d")


@kind("CSV, compressed", read_data)
def write_compressed_csv(folder: Path, chance: np.random.Generator) -> None:
    for split in ("train", "test"):
        rows = images(chance, 3, 3).reshape(len(LABELS), -1)
        lines = [["label", *map(str, range(9))], *np.column_stack([LABELS, rows]).tolist()]
        text = "".join(";".join(map(str, line)) + "\n" for line in lines)
        (folder / f"{split}.csv.gz").write_bytes(gzip.compress(text.encode("utf-16")))


@kind("contact sheet", read_data)
def write_sheets(folder: Path, chance: np.random.Generator) -> None:
    for split in ("train", "test"):
        write_sheet(folder, split, images(chance, 5, 5, 1), LABELS)


FORMATS = ["png", "jpg", "gif", "bmp", "tif", "webp", "ppm", "tga", "pcx", "sgi", "jp2", "ico"]
FORMATS += ["avif", "dds", "qoi"]


@kind("folder of pictures", read_data)
def write_pictures(folder: Path, chance: np.random.Generator) -> None:
    for split in ("train", "test"):
        formats = chance.permutation(FORMATS)
        for index, image in enumerate(images(chance, 5, 7, 3)):
            path = folder / split / CLASSES[index % 3] / f"{index}.{formats[index]}"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(image).save(path)


def read_pictures(folder: Path) -> None:
    for path in sorted(folder.iterdir()):
        read_picture(path, (28, 28, 1), None)


@kind("picture to predict", read_pictures)
def write_one_picture(folder: Path, chance: np.random.Generator) -> None:
    name = chance.choice(FORMATS)
    Image.fromarray(images(chance, 40, 30, 3)[0]).save(folder / f"a.{name}")


def read_arrays(folder: Path) -> None:
    read_split(folder / "split")
    read_array(folder / "split" / "labels.npy")
    path = folder / "probabilities.npy"
    read_probabilities(path, read_bytes(path), len(LABELS))


@kind("arrays of a stage", read_arrays)
def write_arrays(folder: Path, chance: np.random.Generator) -> None:
    write_split(folder / "split", images(chance, 4, 5, 1), LABELS.astype(np.uint8))
    np.save(folder / "probabilities.npy", np.ones((len(LABELS), 3), np.float32))


def read_texts(folder: Path) -> None:
    path = folder / "predictions.csv"
    read_predictions(path, read_text(path), CLASSES)
    read_curve(folder / "curve.csv")
    read_duplicates(folder / "duplicates.csv", images=9)


@kind("predictions, learning curve and duplicates", read_texts)
def write_predictions(folder: Path, chance: np.random.Generator) -> None:
    (folder / "predictions.csv").write_text("actual,predicted\na,b\nb,b\nc,a\n")
    (folder / "curve.csv").write_text("epoch,accuracy\n0,0.5\n1,0.6\n")
    (folder / "duplicates.csv").write_text("test_index,split,index,distance\n3,train,7,0.1\n")


def read_figures(folder: Path) -> None:
    read_audit(folder / "audit.json")
    read_scores(folder / "metrics.json")
    read_seeds(folder / "noise.json")


@kind("figures for a card", read_figures)
def copy_figures(folder: Path, chance: np.random.Generator) -> None:
    name = "fashion_mnist-mlp.json"
    shutil.copyfile(ROOT / "metrics" / name, folder / "metrics.json")
    shutil.copyfile(ROOT / "docs/noise" / name, folder / "noise.json")
    shutil.copyfile(ROOT / "data/audit/cifar10.json", folder / "audit.json")


def read_parameters(folder: Path) -> None:
    check.main(folder / "params.yaml", folder / "out.txt")


def read_recorded_files(folder: Path) -> None:
    """Reads what a report shows, and draws it."""
    data = {"toy": {"path": "data/toy", "validation_fraction": 0.1, "classes": CLASSES}}
    run = {"dataset": "toy", "params": {"C": 1.0}}
    parameters = {"seed": 1, "normalize": {}, "data": data, "models": {"toy-svc": run}}
    files = DirFileSystem(str(folder), LocalFileSystem())
    revision = Revision("the workspace", "", files, parameters, {})
    runs, pictures = read_recorded(revision), embed_all(read_changed_pictures(revision))
    content = {
        "results": tabulate_results(runs),
        "comparison": [],
        "runs": describe_runs(revision, runs, pictures),
        "searches": describe_searches(revision, pictures),
        "datasets": describe_datasets(revision, pictures),
    }
    for section in ("results", "runs", "datasets"):
        write_page(f"report/{section}.html.j2", folder / f"{section}.html", **content)


@kind("what a report shows", read_recorded_files)
def write_recorded_files(folder: Path, chance: np.random.Generator) -> None:
    scores = {"accuracy": 0.8, "accuracy_low": 0.7, "accuracy_high": 0.9, "images": 9}
    costs = dict.fromkeys([*TIMES, *SIZES], 1.5) | {"processor": "any"}
    split = {"images": 9, "sha256": "0", "classes": dict.fromkeys(CLASSES, 3), "imbalance": 1.0}
    overlap = dict.fromkeys(("validation_in_train", "test_in_training", "test_near_training"), 0)
    seeds = {"recipe": {}, "seeds": [1, 2], "validation_accuracy": [0.8, 0.9]}
    for name, content in {
        "metrics/toy-svc.json": {"validation": scores, "test": scores},
        "metrics/profile/toy-svc.json": costs,
        "data/audit/toy.json": dict.fromkeys(("train", "validation", "test"), split) | overlap,
        "docs/noise/toy-svc.json": seeds,
    }.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    (folder / "data/audit/toy.csv").write_text("test_index,split,index,distance\n3,train,7,0.1\n")
    for name in ("metrics/tune", "plots/toy-svc/pictures"):
        (folder / name).mkdir(parents=True)
    rows = "".join(f"{n},complete,0.{n}5,0.01,9,{n}.5,\n" for n in range(3))
    columns = "trial,state,accuracy,standard_error,images,C,reason"
    (folder / "metrics/tune/toy-svc.csv").write_text(f"# folds: 0\n{columns}\n{rows}")
    pictures = folder / "plots/toy-svc/pictures"
    Image.fromarray(images(chance, 40, 30, 3)[0]).save(pictures / "confusion.png")
    (pictures / "README.md").write_text("# toy\n\n![a](confusion.png)\n\nA caption.\n")


@kind("params.yaml", read_parameters)
def write_parameters(folder: Path, chance: np.random.Generator) -> None:
    (folder / "params.yaml").write_bytes((ROOT / "params.yaml").read_bytes())


def read_pipeline(folder: Path) -> None:
    read_lock_file(folder / "dvc.lock")
    os.chdir(folder)
    (folder / ".dvc/tmp").mkdir(parents=True)
    restore_damaged()


@kind("dvc.lock", read_pipeline)
def write_lock(folder: Path, chance: np.random.Generator) -> None:
    stages = re.split(r"\n(?=  \S)", (ROOT / "dvc.lock").read_text())
    (folder / "dvc.lock").write_text("\n".join(stages[:8]) + "\n")


def read_archive(folder: Path) -> None:
    require_file(folder / published.CIFAR10_FILE, published.LARGEST, "")  # else it is downloaded
    published.cifar10_upstream(folder=folder)


@kind("archive", read_archive)
def write_archive(folder: Path, chance: np.random.Generator) -> None:
    records = chance.integers(0, 10, (2, 3073), dtype=np.uint8).tobytes()
    with tarfile.open(folder / published.CIFAR10_FILE, "w:gz") as archive:
        for batch in [*published.CIFAR10_BATCHES["train"], *published.CIFAR10_BATCHES["t10k"]]:
            member = tarfile.TarInfo(f"cifar-10-batches-bin/{batch}.bin")
            member.size = len(records)
            archive.addfile(member, io.BytesIO(records))


def read_folder_list(folder: Path) -> None:
    read_folder(folder / "list.dir", "a folder")


@kind("list of a folder, from a remote", read_folder_list)
def write_folder_list(folder: Path, chance: np.random.Generator) -> None:
    entries = [{"md5": f"{n:032x}", "relpath": f"train/{n}.npy"} for n in range(5)]
    (folder / "list.dir").write_text(json.dumps(entries))


def serve(answer: bytes) -> str:
    """Answers every request to an address with these bytes, whatever they are."""
    listening = socket.create_server(("127.0.0.1", 0))

    def answer_all() -> None:
        while True:
            connection, _ = listening.accept()
            with connection, suppress(OSError):
                connection.recv(10_000)
                connection.sendall(answer)

    threading.Thread(target=answer_all, daemon=True).start()
    return f"http://127.0.0.1:{listening.getsockname()[1]}"


def download_file(folder: Path) -> None:
    url = serve((folder / "answer").read_bytes())
    download(f"{url}/file", folder / "file", timeout=(0.2, 0.2), pause=0)


@kind("answer of a download server", download_file)
def write_answer(folder: Path, chance: np.random.Generator) -> None:
    (folder / "answer").write_bytes(HTTP + b"Content-Length: 10\r\n\r\n0123456789")


def ask_github(folder: Path) -> None:
    os.environ["GITHUB_TOKEN"] = "secret"
    many, one = (serve((folder / name).read_bytes()) for name in ("answer_many", "answer_one"))
    try:
        comment.find_comment(f"{many}/comments")
        comment.read_address(comment.ask("POST", one, {"body": "a report"}))
    except comment.CommentError as error:
        line = comment.in_one_line(error)
        assert len(line) <= LONGEST
        assert line.isprintable()
        raise InputError(line) from None


@kind("answer of GitHub's API", ask_github)
def write_api_answer(folder: Path, chance: np.random.Generator) -> None:
    user, other = {"login": comment.AUTHOR}, {"id": 6, "user": None, "body": None}
    found = {"id": 7, "user": user, "body": comment.MARKER, "html_url": "https://example.org/7"}
    for name, answer in (("many", [other, found]), ("one", found)):
        content = json.dumps(answer).encode()
        head = f"Content-Length: {len(content)}\r\n\r\n".encode()
        (folder / f"answer_{name}").write_bytes(HTTP + head + content)


def read_weights(folder: Path) -> None:
    for path in folder.iterdir():
        require_file(path, LARGEST, "replace it")
        with reading(path, "file of weights", "replace it"):
            read = read_hdf5 if path.suffix == ".h5" else torch_file.read_arrays
            read(io.BytesIO(path.read_bytes()))


@kind("weights, PyTorch", read_weights)
def write_torch_weights(folder: Path, chance: np.random.Generator) -> None:
    write_torch_file(folder / "a.pth", chance)


@kind("weights, HDF5", read_weights)
def write_hdf5_weights(folder: Path, chance: np.random.Generator) -> None:
    write_hdf5(folder / "a.h5", chance)


def read_model(folder: Path) -> None:
    path = folder / "model.onnx"
    classifier = open_classifier(path, threads=1)
    classify(classifier, np.ones((3, *classifier.input_shape), np.float32))
    measure(classifier, warm_up=1, repeats=1, batch=2, batches=1)
    describe(path)


METADATA = {
    "dataset": "toy",
    "classes": CLASSES,
    "normalization": {"mean": [0.0], "deviation": [1.0]},
    "layout": "image",
    "image_shape": [6, 6, 1],
}


@kind("ONNX, a network", read_model)
def write_network(folder: Path, chance: np.random.Generator) -> None:
    weights = {
        "filters": chance.normal(size=(2, 1, 3, 3)),
        "dense": chance.normal(size=(32, 3)),
        "bias": np.zeros(3),
    }
    nodes = [
        helper.make_node("Transpose", ["images"], ["first"], perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["first", "filters"], ["maps"]),
        helper.make_node("Relu", ["maps"], ["positive"]),
        helper.make_node("Flatten", ["positive"], ["flat"]),
        helper.make_node("MatMul", ["flat", "dense"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["logits"]),
        helper.make_node("Softmax", ["logits"], ["softmax"], axis=1),
    ]
    values = [
        helper.make_tensor_value_info("images", TensorProto.FLOAT, ["n", 6, 6, 1]),
        helper.make_tensor_value_info("softmax", TensorProto.FLOAT, ["n", 3]),
    ]
    initializers = [
        onnx.numpy_helper.from_array(value.astype(np.float32), name)
        for name, value in weights.items()
    ]
    graph = helper.make_graph(nodes, "toy", values[:1], values[1:], initializers)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    (folder / "model.onnx").write_bytes(to_contract(model, METADATA))


@kind("ONNX, trees", read_model)
def write_trees(folder: Path, chance: np.random.Generator) -> None:
    from sklearn.ensemble import RandomForestClassifier

    from stages.frameworks.sklearn.convert import convert

    pixels = chance.random((30, 36), dtype=np.float32)
    forest = RandomForestClassifier(3, random_state=0).fit(pixels, np.arange(30) % 3)
    content = to_contract(convert(forest, (36,)), METADATA | {"layout": "flat"})
    (folder / "model.onnx").write_bytes(content)


def damage_model(content: bytes, chance: random.Random) -> bytes:
    """A model of which one part is another valid part: an operator, a number, a name, a text."""
    model = onnx.ModelProto.FromString(content)
    graph, node = model.graph, chance.choice(model.graph.node)
    numbers = [-1, 0, 1, 2, 7, 2**31 - 1, 2**31, 2**62, -(2**63)]
    match chance.randrange(7):
        case 0:
            node.op_type = chance.choice(sorted({one.name for one in onnx.defs.get_all_schemas()}))
        case 1 if node.attribute:
            attribute = chance.choice(node.attribute)
            for values in (attribute.ints, attribute.floats):
                for _ in range(chance.choice([1, 20])):
                    if values:
                        values[chance.randrange(len(values))] = chance.choice(numbers)
            attribute.i = chance.choice(numbers)
        case 2 if graph.initializer:
            weights = chance.choice(graph.initializer)
            weights.dims[chance.randrange(len(weights.dims))] = chance.choice(numbers)
        case 3 if graph.initializer:
            weights = chance.choice(graph.initializer)
            weights.data_type = chance.randrange(25)
        case 4:
            node.input[chance.randrange(len(node.input))] = chance.choice(
                ["", "images", "label", *(one.output[0] for one in graph.node)]
            )
        case 5:
            value = chance.choice([*graph.input, *graph.output])
            shape = value.type.tensor_type.shape
            if shape.dim:
                chance.choice(shape.dim).dim_value = chance.choice(numbers)
            value.type.tensor_type.elem_type = chance.choice([1, 1, 1, 7, 10, 8])
        case _:
            entry = chance.choice(model.metadata_props)
            entry.value = damage(entry.value.encode(), chance).decode(errors="ignore")
    return model.SerializeToString()


@pytest.mark.parametrize("name", KINDS)
def test_damaged_input_is_read_or_refused_in_one_line(
    tmp_path: Path, name: str, campaign: Campaign
) -> None:
    make, read = KINDS[name]
    outcomes = []
    for number in range(campaign.share("damaged inputs", len(KINDS)) or INPUTS):
        folder = tmp_path / f"{number}"
        folder.mkdir()
        chance = random.Random(f"{campaign.seed} {name} {number}")
        make(folder, np.random.default_rng(chance.randrange(2**32)))
        path = chance.choice(sorted(one for one in folder.rglob("*") if one.is_file()))
        if number == 0:
            pass  # undamaged
        elif chance.random() < 0.1 and not path.name.startswith("answer"):
            no_file(path, chance)
        else:
            faults = [damage, damage_model] if name.startswith("ONNX") else [damage]
            path.write_bytes(chance.choice(faults)(path.read_bytes(), chance))
        outcomes.append(attempt(partial(read, folder)).kind)
    campaign.count("damaged inputs", name, outcomes, READ, REFUSED)
    assert outcomes[0] == READ
    wrong = {n: said for n, said in enumerate(outcomes) if said not in (READ, REFUSED)}
    assert not wrong, json.dumps(wrong, indent=1)
