"""Runs a command, and writes its wall and CPU seconds to a file as JSON.

    python supervise.py REPORT PATIENCE COMMAND...

The CPU seconds are those of the command and all its descendants. The kernel adds a process's to its
parent's when the parent waits for it, so those of a daemon, or of a child that nobody waited for,
would be missing. As a child subreaper, this process becomes the parent of such orphans and waits
for them too: exact, without sampling. Missing are only children of a process that ignores SIGCHLD,
and, where there are no subreapers (not on Linux), orphans.
"""

import ctypes
import json
import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

SET_CHILD_SUBREAPER = 36  # in linux/prctl.h


def main(report: str, patience: str, *command: str) -> int:
    """The command's exit code; SIGALRM ends this if an orphan runs `patience` seconds longer."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    start = time.perf_counter()
    process = subprocess.Popen(command)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends Ctrl-C to the command too
    signal.signal(signal.SIGTERM, lambda number, _frame: os.kill(process.pid, number))
    seconds = 0.0
    while True:
        try:
            pid, status = os.wait()
        except ChildProcessError:  # all have ended
            break
        if pid == process.pid:
            seconds = time.perf_counter() - start
            process.returncode = os.waitstatus_to_exitcode(status)
            signal.setitimer(signal.ITIMER_REAL, float(patience))
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    times = {"seconds": seconds, "cpu_seconds": used.ru_utime + used.ru_stime}
    Path(report).write_text(json.dumps(times), encoding="utf-8")
    return process.returncode


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
