"""Runs Python programs in processes forked from one that has imported their libraries.

Importing DVC takes 0.6 s of processor time, scikit-learn 1 s and TensorFlow 3 s, and the tests run
many hundred programs that do. Each is a process with its own folder, environment, arguments and
streams, as if `python` had started it, but libraries are already imported. Nothing of `stages` and
`tools` is: a program imports those of its folder.

DVC runs the commands of stages with the program that the variable SHELL names; `Server.shell` is
one that runs stages in the same way, and what a forked program starts as `sys.executable -m tools.`
or as the `dvc` beside that is forked, too. `tools.repro` forks its stages from its own process.
"""

import atexit
import gc
import importlib
import json
import multiprocessing
import os
import runpy
import select
import signal
import site
import socket
import subprocess
import sys
import tempfile
import threading
from multiprocessing import forkserver
from pathlib import Path
from typing import Any

LIBRARIES = """
    celery.app.amqp celery.worker.worker certifi configobj dulwich.porcelain dulwich.worktree
    dvc.api dvc.cachemgr dvc.cli.parser dvc.compare dvc.data_cloud dvc.dependency dvc.output
    dvc.repo.artifacts dvc.repo.brancher dvc.repo.datasets dvc.repo.experiments.queue.celery
    dvc.repo.experiments.queue.tempdir dvc.repo.experiments.queue.workspace
    dvc.repo.experiments.show dvc.repo.graph dvc.repo.index dvc.repo.metrics.diff
    dvc.repo.open_repo dvc.repo.params.diff dvc.repo.plots dvc.repo.reproduce dvc.repo.stage
    dvc.repo.trie dvc.ui.table dvc.utils.strictyaml dvc_data.fs dvc_data.hashfile.db.local
    dvc_data.index dvc_render dvc_task.app filelock flatten_dict fsspec.implementations.memory
    kombu.transport.filesystem markdown_it matplotlib.backends.backend_agg matplotlib.figure
    matplotlib.style networkx numpy onnx onnxruntime packaging.requirements
    PIL.JpegImagePlugin PIL.PngImagePlugin platformdirs psutil pydantic.fields
    pydantic.functional_validators pydantic.main pydantic.root_model pydantic.type_adapter
    pydantic.types pygit2
    rich.console ruamel.yaml scipy.stats scmrepo.fs tabulate threadpoolctl tomlkit tomllib tqdm
    typer voluptuous yaml
"""
TRAIN = ["sklearn.ensemble", "sklearn.svm", "skl2onnx", "tensorflow", "tf2onnx"]
# What only these modules use is imported before the first process of theirs.
MORE = {
    "stages.train": TRAIN,
    "tools.repro": TRAIN,
    "tools.review": ["statsmodels.stats.multitest"],
    "tools.tune": [*TRAIN, "optuna", "statsmodels.stats.multitest"],
}
PROGRAM = """#!{python} -IS
import json, os, re, socket, sys
called, *arguments = sys.argv
name = os.path.basename(called)
if name == "shell":
    command = arguments[-1]
    if re.fullmatch(r"python -m stages\\.\\w+( [\\w@%+=:,./-]+)*", command) is None:
        os.execv("/bin/sh", ["/bin/sh", "-c", command])
    arguments = command.split()[1:]
elif name == "dvc":
    arguments = [os.path.join(os.path.dirname({python!r}), name), *arguments]
elif re.match(r"-m (stages|tools)\\.", " ".join(arguments)) is None:
    os.execv({python!r}, [{python!r}, *arguments])
request = [arguments, os.getcwd(), dict(os.environ)]
with socket.socket(socket.AF_UNIX) as server:
    server.connect({address!r})
    socket.send_fds(server, [b"-"], [0, 1, 2])
    server.sendall(json.dumps(request).encode() + b"\\n")
    sys.exit((server.recv(1) or b"\\1")[0])
"""


class Server:
    """The process that others are forked from. It ends with the one that made this object."""

    def __init__(self, environment: dict[str, str]) -> None:
        self.folder = tempfile.TemporaryDirectory()  # short: a socket's path has 100 characters
        self.address = str(Path(self.folder.name, "socket"))
        programs = [Path(self.folder.name, name) for name in ("shell", "python", "dvc")]
        self.shell, self.python, _ = programs
        for program in programs:
            program.write_text(PROGRAM.format(python=sys.executable, address=self.address))
            program.chmod(0o755)
        self.process = subprocess.Popen(
            [sys.executable, __file__, self.address],
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        assert self.process.stdout is not None
        self.process.stdout.readline()  # it listens

    def run(
        self, arguments: list[str], folder: Path, environment: dict[str, str]
    ) -> subprocess.CompletedProcess[str]:
        """Runs `python` with these arguments, and returns what it printed.

        As subprocess.run does, it waits until all processes that share its output have ended.
        """
        with socket.socket(socket.AF_UNIX) as server:
            server.connect(self.address)
            (read_out, write_out), (read_err, write_err) = os.pipe(), os.pipe()
            with open(os.devnull, "rb") as nothing:
                streams = [nothing.fileno(), write_out, write_err]
                socket.send_fds(server, [b"-"], streams)
            os.close(write_out)
            os.close(write_err)
            request = [arguments, str(folder), environment]
            server.sendall(json.dumps(request).encode() + b"\n")
            said = dict[int, str]()

            def read(descriptor: int) -> None:
                with open(descriptor, encoding="utf-8") as stream:
                    said[descriptor] = stream.read()

            reader = threading.Thread(target=read, args=[read_err])
            reader.start()
            read(read_out)
            reader.join()
            status = server.recv(1)
        code = status[0] if status else -signal.SIGKILL
        return subprocess.CompletedProcess(arguments, code, said[read_out], said[read_err])

    def close(self) -> None:
        """Ends the process."""
        self.process.communicate()
        self.folder.cleanup()


def serve(address: str) -> None:
    """Forks a process for each request, until the standard input is closed."""
    more = dict(MORE)
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"  # as in stages.train
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # they tell their status themselves
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(address)
        listening.listen()
        print("listens", flush=True)
        import_all(LIBRARIES.split())
        while sys.stdin not in select.select([sys.stdin, listening], [], [])[0]:
            connection, _ = listening.accept()
            with connection:
                streams = socket.recv_fds(connection, 1, 3)[1]
                with connection.makefile(encoding="utf-8") as file:
                    arguments, folder, environment = json.loads(file.readline())
                for module in more.keys() & set(arguments):
                    import_all(more.pop(module))
                if os.fork() == 0:
                    listening.close()
                    become(streams, folder, environment)
                    status = run(arguments)
                    connection.sendall(bytes([status % 256]))
                    os._exit(status % 256)
                for stream in streams:
                    os.close(stream)


def import_all(names: list[str]) -> None:
    """Imports libraries; those that train as stages.train does: silent, and without pandas."""
    training = [name for name in names if name in TRAIN]
    hidden: dict[str, Any] = {"pandas": None} if training else {}
    sys.modules.update(hidden)
    screen = os.dup(2)
    with open(os.devnull, "w") as nowhere:
        if hidden:
            os.dup2(nowhere.fileno(), 2)
    for name in training:
        importlib.import_module(name)
    for name in hidden:
        del sys.modules[name]
    os.dup2(screen, 2)
    os.close(screen)
    for name in names:
        importlib.import_module(name)
    gc.freeze()  # else the first collection in each process would copy all of it


def become(streams: list[int], folder: str, environment: dict[str, str]) -> None:
    """Gives this process what a new one has of its own."""
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(folder)
    for name in os.environ.keys() - {"LC_CTYPE"}:  # which Python itself sets
        del os.environ[name]
    os.environ.update(environment)
    for packages in site.getsitepackages():
        site.addpackage(packages, "venv.pth", set())
    sys.modules["numpy"].random.seed()  # Python's own it seeds itself
    if "SHELL" in environment:
        sys.executable = str(Path(environment["SHELL"]).with_name("python"))


def fork_at_once() -> None:
    """Makes the engine fork its stages from this process, not from one that must import first."""
    context: Any = multiprocessing.get_context("fork")
    context.set_forkserver_preload = lambda modules: None
    multiprocessing.get_context = lambda method=None: context
    forkserver.ensure_running = lambda: None  # type: ignore[method-assign]


def run(arguments: list[str]) -> int:
    """Does what `python` does with its arguments, `-m MODULE ...` or `FILE ...`: its status."""
    status = 0
    try:
        if arguments[0] == "-m":
            if arguments[1] in ("tools.repro", "tools.tune"):
                fork_at_once()
            sys.argv = arguments[1:]
            sys.path[0] = os.getcwd()
            runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        else:
            sys.argv = list(arguments)
            sys.path[0] = str(Path(arguments[0]).parent)
            runpy.run_path(arguments[0], run_name="__main__")
    except SystemExit as end:
        if isinstance(end.code, str):
            print(end.code, file=sys.stderr)
        status = end.code if isinstance(end.code, int) else int(end.code is not None)
    except BaseException:
        status = 1
        try:
            sys.excepthook(*sys.exc_info())  # prints it
        except SystemExit as end:
            status = int(end.code or 0)
    threading._shutdown()  # type: ignore[attr-defined]
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    return status


if __name__ == "__main__":
    serve(sys.argv[1])
