"""Cold, after an edit, with nothing to do: one Markdown table, with a verdict on each goal."""

from typing import Any

from benchmarks.loop import DVC, MAKE, ONE_STAGE, Numbers
from benchmarks.tables import show_table, verdict

COLD_AT_MOST = {"sample": 1.5, "full": 1.2}  # times the trainings alone, spread over the cores
COLD_AT_MOST_GB = 3.0  # peak memory of all processes
UNITS = {"beyond_seconds": "s", "beyond_cpu_seconds": "CPU s"}  # beyond the fit
EDIT_AT_MOST = {
    MAKE: {"beyond_seconds": 5.0, "beyond_cpu_seconds": 6.0},
    DVC: {"beyond_seconds": 9.0},
}
NO_OP_BELOW = 1.5  # seconds of make repro
NO_OP_AT_MOST = 2.0  # dvc repro, times that of one stage


def show_loop(results: dict[str, Any]) -> str:
    """One row per command: from scratch and, if measured, after edits and with nothing to do."""
    rows = show_cold(results)
    if "loop" in results:
        rows += show_edits(results["loop"]["edits"]) + show_no_ops(results["loop"]["no_op"])
    header = ["what", "command", "calls", "stages run", "s", "CPU s"]
    return show_table(rows, *header, "beyond the fit, s", "beyond the fit, CPU s", "goals")


def show_cold(results: dict[str, Any]) -> list[list[str]]:
    """The rows of a run from scratch, and of the limit of its time: all trainings, one by one."""
    cold, alone, cores = results["cold"], results["alone"].values(), results["machine"]["cores"]
    seconds, cpu_seconds = (sum(took[key] for took in alone) for key in ("seconds", "cpu_seconds"))
    limit, goal = seconds / cores, COLD_AT_MOST[results["data"]]
    times, peak = cold["seconds"] / limit, cold["peak_mb"] / 1e3
    goals = (
        f"{times:.2f} times the limit, at most {goal:.1f}: {verdict(times <= goal)}, "
        f"{peak:.2f} GB, at most {COLD_AT_MOST_GB:g} GB: {verdict(peak <= COLD_AT_MOST_GB)}"
    )
    first = cold | {"calls": 1, "stages": len(cold["stages"])}
    every = {"calls": len(alone), "stages": 1, "seconds": seconds, "cpu_seconds": cpu_seconds}
    one_by_one = show_call("each training alone", every)
    return [
        ["from scratch", *show_call(MAKE, first), "", "", goals],
        ["from scratch", *one_by_one, "", "", f"the limit: / {cores} cores = {limit:.1f} s"],
    ]


def show_edits(edits: dict[str, Any]) -> list[list[str]]:
    """The rows of both commands after an edit of each run."""
    rows = []
    for run, edit in edits.items():
        for name in EDIT_AT_MOST:
            what, took = f"edit `{run}`: {edit['parameter']}", edit[name]
            beyond = [f"{took[key]:.2f}" for key in UNITS]
            rows.append([what, *show_call(name, took), *beyond, judge_edit(name, took)])
    return rows


def show_no_ops(no_op: dict[str, Numbers]) -> list[list[str]]:
    """The rows of each command with nothing to do."""
    goals = judge_no_ops({name: took["seconds"] for name, took in no_op.items()})
    return [
        ["nothing to do", *show_call(name, took), "", "", goals[name]]
        for name, took in no_op.items()
    ]


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
