"""Limits for a model file of unknown origin: it is data, but ONNX Runtime computes what it says."""

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import onnx
import onnxruntime

from stages.runtime.errors import InputError
from stages.runtime.inputs import MB, limit_memory, reading

NODES = 50_000  # in a graph; 100 bagged trees have 2,000
MEMORY = 4_000 * MB  # that a model may take, beside what the process has
OPENING = 60  # seconds that ONNX Runtime may take to open a file
SECONDS = 20  # that a model may take for a call, and
PER_IMAGE = 1  # seconds more for each image
GRACE = 10  # seconds more for a node that computes: ONNX Runtime stops between two
OPEN = """
import onnxruntime, sys
options = onnxruntime.SessionOptions()
options.add_session_config_entry("session.load_model_format", "ONNX")
onnxruntime.InferenceSession(sys.argv[1], options, providers=["CPUExecutionProvider"])
"""
ALLOWED = f"it may take {MEMORY / MB:,.0f} MB and {PER_IMAGE} s per image"


def require_safe(path: Path, content: bytes) -> None:
    """Refuses a file, of which this is the content, that ONNX Runtime may never have opened.

    Raises:
        ValueError: it has what no exported model has, or takes too long to open.
    """
    with limit_memory(MEMORY):
        computes = require_bounded(onnx.ModelProto.FromString(content))
    if computes:
        require_opens(path)


def require_bounded(model: onnx.ModelProto) -> bool:
    """Refuses what no exported model has, and what ONNX Runtime could not open in bounded time.

    Returns whether it has nodes that take no image, which ONNX Runtime computes when it opens it.

    Raises:
        ValueError: it has functions, sparse weights or weights in other files, too many nodes, or
            nodes that are not in order.
    """
    if model.functions:  # each call is replaced by all of its nodes
        raise ValueError("it has functions")
    nodes, graphs, computes = 0, [model.graph], False
    known, constant = {""}, {""}  # names of values; an input that is left out has none
    while graphs:
        graph = graphs.pop()
        if any(value.data_location == value.EXTERNAL for value in graph.initializer):
            raise ValueError("it has weights in another file")
        if graph.sparse_initializer:
            raise ValueError("it has sparse weights")
        nodes += len(graph.node)
        if nodes > NODES:
            raise ValueError(f"more than {NODES:,} nodes")
        constant |= {value.name for value in graph.initializer}
        known |= constant | {value.name for value in graph.input}
        for node in graph.node:
            if not known.issuperset(node.input):
                raise ValueError("its nodes are not in the order in which they compute")
            known |= {*node.output}
            if constant.issuperset(node.input) or node.op_type in ("Shape", "Size"):
                constant |= {*node.output}
                computes = computes or node.op_type != "Constant"
            for attribute in node.attribute:
                inner = [attribute.g] if attribute.HasField("g") else []
                graphs += [*inner, *attribute.graphs]
    return computes


def require_opens(path: Path) -> None:
    """Lets another process open a file first, since ONNX Runtime cannot be interrupted meanwhile.

    Raises:
        ValueError: it takes more than `OPENING`, or crashes.
    """
    command = [sys.executable, "-I", "-c", OPEN, str(path)]
    try:
        with limit_memory(MEMORY):
            ended = subprocess.run(command, capture_output=True, timeout=OPENING, check=False)
    except subprocess.TimeoutExpired:
        raise ValueError(f"it takes more than {OPENING} s to open") from None
    if ended.returncode < 0:
        raise ValueError(f"ONNX Runtime crashes on it: {signal.Signals(-ended.returncode).name}")


@contextmanager
def limit_run(name: str, images: int, remedy: str) -> Iterator[onnxruntime.RunOptions]:
    """For a block that runs the model called `name` on a number of images with these options.

    Ends the process, with one line, if ONNX Runtime does not stop: it does between two nodes.

    Raises:
        InputError: the model fails, or takes too much memory or time.
    """
    options = onnxruntime.RunOptions()
    seconds = SECONDS + PER_IMAGE * images
    late = f"{name}: takes more than {seconds} s for {images} images; {ALLOWED}; {remedy}"
    ended = threading.Event()

    def stop_late() -> None:
        if not ended.wait(seconds):
            options.terminate = True
            if not ended.wait(GRACE):
                print(f"{Path(sys.argv[0]).stem}: error: {InputError(late)}", file=sys.stderr)
                sys.stderr.flush()
                os._exit(2)

    threading.Thread(target=stop_late, daemon=True).start()
    try:
        with reading(name, "model", f"{ALLOWED}; {remedy}"), limit_memory(MEMORY):
            yield options
    except InputError:
        if options.terminate:
            raise InputError(late) from None
        raise
    finally:
        ended.set()
