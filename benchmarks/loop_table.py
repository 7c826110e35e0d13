"""Edits and calls with nothing to do in one Markdown table, with a verdict on each goal."""

from typing import Any

from benchmarks.loop import DVC, MAKE, ONE_STAGE, Numbers
from benchmarks.tables import show_table, verdict

UNITS = {"beyond_seconds": "s", "beyond_cpu_seconds": "CPU s"}  # beyond the fit
EDIT_AT_MOST = {
    MAKE: {"beyond_seconds": 5.0, "beyond_cpu_seconds": 6.0},
    DVC: {"beyond_seconds": 9.0},
}
NO_OP_BELOW = 1.5  # seconds of make repro
NO_OP_AT_MOST = 2.0  # dvc repro, times that of one stage


def show_loop(loop: dict[str, Any]) -> str:
    """One row per command: after an edit of each run, and with nothing to do."""
    rows = []
    for run, edit in loop["edits"].items():
        for name in EDIT_AT_MOST:
            what, took = f"edit `{run}`: {edit['parameter']}", edit[name]
            beyond = [f"{took[key]:.2f}" for key in UNITS]
            rows.append([what, *show_call(name, took), *beyond, judge_edit(name, took)])
    goals = judge_no_ops({name: took["seconds"] for name, took in loop["no_op"].items()})
    for name, took in loop["no_op"].items():
        rows.append(["nothing to do", *show_call(name, took), "", "", goals[name]])
    header = ["what", "command", "calls", "stages run", "s", "CPU s"]
    return show_table(rows, *header, "beyond the fit, s", "beyond the fit, CPU s", "goals")


def show_call(name: str, took: Numbers) -> list[str]:
    """The cells that every row has."""
    counts = [str(took["calls"]), f"{took['stages']:g}"]
    return [name, *counts, f"{took['seconds']:.2f}", f"{took['cpu_seconds']:.2f}"]


def judge_edit(name: str, took: Numbers) -> str:
    """The goals of one command after an edit, each with its verdict."""
    return ", ".join(
        f"at most {goal:g} {UNITS[key]}: {verdict(took[key] <= goal)}"
        for key, goal in EDIT_AT_MOST[name].items()
    )


def judge_no_ops(seconds: dict[str, float]) -> dict[str, str]:
    """The goal of each command with nothing to do, with its verdict."""
    times = seconds[DVC] / seconds[ONE_STAGE]
    return {
        MAKE: f"under {NO_OP_BELOW:g} s: {verdict(seconds[MAKE] < NO_OP_BELOW)}",
        DVC: f"{times:.2f} times one stage, at most {NO_OP_AT_MOST:.1f}: "
        + verdict(times <= NO_OP_AT_MOST),
        ONE_STAGE: "",
    }
