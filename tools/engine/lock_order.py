"""The order of the stages in dvc.lock: as `dvc repro` would have left it."""

from pathlib import Path

from dvc.repo import Repo
from dvc.utils.serialize import modify_yaml

from tools.engine.stages import read_lock


def read_lock_order() -> list[str]:
    """The names of the stages in dvc.lock, in their order there."""
    if not Path("dvc.lock").exists():
        return []
    return list(read_lock(Path("dvc.lock").read_text(encoding="utf-8")))


def sort_lock(before: list[str], plan: list[str]) -> None:
    """Orders dvc.lock as `dvc repro` would: old entries keep their order, new ones follow `plan`.

    DVC itself appends a stage when it is done, so with parallel stages the order is random.
    """
    order = [*before, *(name for name in plan if name not in before)]
    present = read_lock_order()
    if present == [name for name in order if name in present]:
        return
    with Repo(_wait_for_lock=True) as repo, repo.lock, modify_yaml("dvc.lock") as lock:
        stages = lock["stages"]
        for name in order:
            if name in stages:
                stages[name] = stages.pop(name)
