"""All tables on one page of Markdown, each with a line that explains it."""

from typing import Any

from benchmarks.loop_table import show_loop
from benchmarks.tables import LEVEL, show_goals, show_growth, show_plain, show_stages

IDLE = 0.5  # at most, of the load average


def show(results: dict[str, Any]) -> str:
    """What was measured so far."""
    parts = [f"On the {results['data']} data. {show_machine(results['machine'])}"]
    if "runs" in results:
        parts += [
            show_goals(results),
            "Plain scripts, one after the other, against the pipeline's accuracy (Fisher's exact "
            f"test; within noise: p at least {LEVEL}):",
            show_plain(results["runs"]),
            "Where the time of the cold run goes; stages ran in parallel:",
            show_stages(results["cold"]["stages"]),
        ]
    if "alone" in results:
        parts += [
            "A run from scratch; edits of one parameter, each to a new value; calls with nothing "
            "to do: medians; the commands took turns. CPU seconds are those of all processes of a "
            "command; the fit is the library's alone, timed in the same call:",
            show_loop(results),
        ]
    if "growth" in results:
        parts += ["Training, without predicting, on a growing number of images:", "![](growth.png)"]
        parts.append(show_growth(results["growth"]))
    return "\n\n".join(parts)


def show_machine(machine: dict[str, Any]) -> str:
    """The machine, and whether something else was running on it."""
    text = (
        f"{machine['cores']} cores, {machine['processor']}, Python {machine['python']}; "
        f"load average before the start: {machine['load']:.2f}."
    )
    return text if machine["load"] <= IDLE else f"{text}\n\n**The machine was not idle.**"
