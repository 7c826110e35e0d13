"""Runs the command of a stage in a folder, in a process group of its own, with a log."""

import atexit
import multiprocessing
import os
import re
import runpy
import signal
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from multiprocessing import connection, forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

import psutil

from stages.runtime.errors import InputError
from stages.runtime.starter import EVERY, is_alive

OWN = str(Path(__file__).resolve().parents[2])  # the folder of this module's project
LOGS = Path("logs")
SECONDS = LOGS / "seconds.json"  # that each stage took when it last ran
LAST_LINES = 15  # shown of a failed stage's log
LONGEST = 70  # characters of the folder of a socket, whose path has 107 at most
PATIENCE = 5.0  # seconds between asking a process to end and killing it
# Each command runs in a process forked from one that has imported what most stages import, which
# takes 0.3 to 1 second. No library that trains: TensorFlow must not be forked, and scikit-learn
# would be imported in vain for a network. Nothing of `stages`: it may be edited meanwhile.
LIBRARIES = [
    *("numpy", "onnx", "onnxruntime", "packaging.requirements", "psutil", "ruamel.yaml"),
    *("matplotlib.backends.backend_agg", "matplotlib.figure", "matplotlib.style"),
    *("PIL.JpegImagePlugin", "PIL.PngImagePlugin", "statistics", "threadpoolctl", "tomllib"),
    *("tqdm", "typer", "yaml"),
    # Which pydantic imports when they are first used: 50 ms, half the time of a small stage.
    *("pydantic.fields", "pydantic.functional_validators", "pydantic.main", "pydantic.root_model"),
    *("pydantic.type_adapter", "pydantic.types"),
    __name__,  # so that an edit of it does not matter to a call that goes on
]
# These may, for a command whose trainings all need them: half of the time of a small one.
OF_FRAMEWORK = {"sklearn": ["sklearn.ensemble", "sklearn.pipeline", "sklearn.svm", "skl2onnx"]}
PROCESSES = multiprocessing.get_context("forkserver")
PLAIN_MODULE = re.compile(
    r"python -m (stages|tools)[.\w]+( [\w@%+=:,./-]+)*"
)  # nothing for a shell to do


def require_sockets() -> None:
    """Raises an InputError if the folder for temporary files has too long a path for a socket."""
    folder = tempfile.gettempdir()
    if len(folder) > LONGEST:
        raise InputError(
            f"the folder for temporary files, {folder}, has a path of {len(folder)} characters, "
            "too long for a socket; set a shorter one, such as TMPDIR=/tmp"
        )


def preload(framework: str = "") -> None:
    """Starts the process that the others are forked from; it imports while this one goes on.

    If there is none yet, that imports what can be forked of `framework`, too.
    """
    require_sockets()
    PROCESSES.set_forkserver_preload([*LIBRARIES, *OF_FRAMEWORK.get(framework, [])])
    # Ctrl-C is for this process, which then stops the others.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        forkserver.ensure_running()
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def start(
    commands: list[str], shell: list[str], folder: str, environment: dict[str, str], log: Path
) -> BaseProcess:
    """Starts commands, one after the other, each as the last argument of `shell`."""
    preload()
    log.parent.mkdir(exist_ok=True)
    log.write_bytes(b"")
    process = PROCESSES.Process(
        target=execute, args=(os.getpid(), commands, shell, folder, environment, str(log))
    )
    process.start()
    return process


def execute(
    engine: int,
    commands: list[str],
    shell: list[str],
    folder: str,
    environment: dict[str, str],
    log: str,
) -> None:
    """The body of a process: runs the commands until one fails, with its exit status.

    `engine` is the number of the process that started it, with which it ends.
    """
    signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    os.setsid()  # its own process group, to be stopped with all that it started
    with open(os.devnull, "rb") as nothing, open(log, "wb") as output:
        os.dup2(nothing.fileno(), 0)
        os.dup2(output.fileno(), 1)
        os.dup2(output.fileno(), 2)
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    os.chdir(folder)
    # As in a Python that starts there: the modules of `stages` are those in `folder`.
    sys.path[:] = [os.getcwd() if entry in ("", OWN) else entry for entry in sys.path]
    os.environ.clear()
    os.environ.update(environment)
    threading.Thread(target=end_with, args=(engine,), daemon=True).start()
    for command in commands:
        print(f"> {command}")
        if PLAIN_MODULE.fullmatch(command):
            run_module(command.split()[2:])
        elif status := subprocess.call([*shell, command]):
            sys.exit(status)


def end_with(engine: int) -> None:
    """Kills this process, with all that it started, when the process `engine` has ended.

    The process that this one was forked from lives on as long as this one.
    """
    with suppress(psutil.NoSuchProcess):
        process = psutil.Process(engine)
        while is_alive(process):
            time.sleep(EVERY)
    os.killpg(0, signal.SIGKILL)


def run_module(arguments: list[str]) -> None:
    """Runs `python -m` with these arguments in this process; ends it if the module fails."""
    engine = ("stages", "tools", "__mp_main__")  # what it has imported is not the stage's
    for name in [name for name in sys.modules if name.partition(".")[0] in engine]:
        del sys.modules[name]
    sys.argv = arguments
    try:
        runpy.run_module(arguments[0], run_name="__main__", alter_sys=True)
    except SystemExit as end:
        if end.code:
            raise
    except ImportError:
        sys.excepthook(*sys.exc_info())  # as Python does; it ends this process
        raise
    finally:
        atexit._run_exitfuncs()  # as at the end of Python, which a forked process does not reach


def wait(descriptors: list[int], seconds: float | None) -> None:
    """Waits until one of these files, or sentinels of processes, can be read, at most `seconds`."""
    connection.wait(descriptors, seconds)


def has_ended(process: BaseProcess) -> bool:
    """Whether a process has ended."""
    return process.exitcode is not None


def stop(processes: list[BaseProcess]) -> None:
    """Ends the processes, with all that they started: asks them, then kills them."""
    for signal_number in (signal.SIGTERM, signal.SIGKILL):
        for process in processes:
            if process.pid is not None:
                with suppress(ProcessLookupError):
                    os.killpg(process.pid, signal_number)
        deadline = time.monotonic() + PATIENCE
        for process in processes:
            process.join(max(0.0, deadline - time.monotonic()))


def log_of(name: str) -> Path:
    """The log file of a stage."""
    return LOGS / f"{name.replace('/', '_').replace(':', '_')}.log"


def last_lines(name: str) -> str:
    """The end of a stage's log, indented, and the path of the full log."""
    lines = log_of(name).read_text(encoding="utf-8", errors="replace").splitlines()
    shown = [f"    {line}" for line in lines if line.strip()][-LAST_LINES:]
    return "\n".join([*shown, f"    full log: {log_of(name)}"])


def find_warnings(name: str) -> list[str]:
    """The warnings in a stage's log, indented."""
    lines = log_of(name).read_text(encoding="utf-8", errors="replace").splitlines()
    return [f"    {line}" for line in lines if re.match(r"\w+: warning: ", line)]


def count_cores() -> int:
    """The number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
