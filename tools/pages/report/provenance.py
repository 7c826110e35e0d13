"""The section of provenance: commit, hashes, versions, processors, and when the stages ran."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from stages.runtime.inputs import reading
from stages.runtime.lock import KIND, LOCK, REMEDY, Stages
from stages.runtime.text import cut, show
from tools.engine.order import read_seconds
from tools.engine.processes import log_of
from tools.engine.programs import attempt, call
from tools.engine.repository import HERE, list_edited, require_commit
from tools.pages.report.recorded import Recorded
from tools.pages.table import Cell, Table, count_bytes, to_cell
from tools.registry.artifacts import FOLDER
from tools.revisions.revision import Revision


class Provenance(NamedTuple):
    """Where what the page shows comes from; texts and tables are empty where nothing is known.

    `recorded` is the commit that last changed dvc.lock; `edited` are files that are not committed.
    """

    commit: str
    subject: str
    recorded: str
    edited: list[str]
    processors: list[str]
    models: Table | None
    data: Table | None
    pins: Table | None
    stages: Table | None


def describe_provenance(revision: Revision, runs: list[Recorded]) -> Provenance:
    """What git, dvc.lock and logs/ say.

    Raises:
        InputError: there is no commit here, or dvc.lock is not valid.
    """
    require_commit()
    commit, subject = call(HERE, "git", "log", "-1", "--format=%H %ci%n%s").split("\n")[:2]
    log = ["git", "log", "-1", "--format=%h of %ci", "--", "dvc.lock"]
    with reading(LOCK, KIND, REMEDY):
        models = tabulate_models(revision.stages)
        data, pins = tabulate_data(revision), tabulate_pins(revision.stages)
    return Provenance(
        commit,
        subject,
        attempt(HERE, *log).stdout.strip(),
        [show(name) for name in list_edited()],
        sorted({run.profile["processor"] for run in runs if run.profile}),
        models,
        data,
        pins,
        tabulate_stages(revision.stages),
    )


def tabulate_models(stages: Stages) -> Table | None:
    """The models that the stages have trained."""
    outs = [out for name in stages if name.startswith("train@") for out in stages[name]["outs"]]
    return tabulate_entries("models", [out for out in outs if out["path"].startswith(FOLDER)])


def tabulate_data(revision: Revision) -> Table | None:
    """The files that the data sets are read from."""
    paths = [data["path"] for data in revision.parameters["data"].values()]
    deps = [
        dep
        for name, stage in revision.stages.items()
        if name.startswith("load@")
        for dep in stage.get("deps", [])
    ]
    return tabulate_entries("data", [dep for dep in deps if dep["path"] in paths])


def tabulate_entries(title: str, entries: list[dict[str, Any]]) -> Table | None:
    """Entries of dvc.lock: path, hash, size, and whether the path is in this folder."""
    rows = [
        [
            Cell(entry["path"]),
            Cell(entry["md5"]),
            Cell(count_bytes(entry["size"]), entry["size"]) if "size" in entry else Cell(""),
            Cell("yes" if Path(entry["path"]).exists() else "no"),
        ]
        for entry in entries
    ]
    columns = ["path", "MD5, of a folder that of its list", "size", "in this folder"]
    return Table(title, columns, rows) if rows else None


def tabulate_pins(stages: Stages) -> Table | None:
    """The versions of libraries with which the stages ran, by group."""
    groups = dict[str, list[str]]()
    for stage in stages.values():
        groups |= stage.get("params", {}).get("pyproject.toml", {})
    rows = [
        [Cell(name.rpartition(".")[2]), Cell(", ".join(pins))]
        for name, pins in sorted(groups.items())
    ]
    return Table("libraries", ["group", "versions"], rows) if rows else None


def tabulate_stages(stages: Stages) -> Table | None:
    """The seconds of each stage and the time of its log, as far as this clone has run it."""
    seconds = read_seconds()
    rows = []
    for name in stages:
        if name not in seconds:
            continue
        log = log_of(name)
        ended = datetime.fromtimestamp(log.stat().st_mtime, UTC) if log.exists() else None
        rows.append(
            [
                Cell(name),
                to_cell(seconds[name], 1),
                Cell(f"{ended:%Y-%m-%d %H:%M:%S}", ended.timestamp()) if ended else Cell(""),
            ]
        )
    more = [name for name in stages if name not in seconds]
    if not rows:
        return None
    title = f"{len(rows)} of {len(stages)} stages have run in this folder"
    title += f"; not {cut(more)}" if more else ""
    return Table(
        title, ["stage", "seconds, when it last ran here", "its log was last written (UTC)"], rows
    )
