"""The stages of the pipeline as DVC sees them: what runs on what, and what is not up to date."""

from dataclasses import dataclass

from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro


@dataclass
class Stage:
    """A stage: those right before it, and whether nothing may run beside it (`meta.alone`)."""

    upstream: list[str]
    alone: bool
    stale: bool  # something that it reads or writes is not as in dvc.lock


def read_stages() -> dict[str, Stage]:
    """The stages of dvc.yaml and those of other files that they need, as DVC sees them.

    In the order in which `dvc repro` goes through them.
    """
    with Repo(_wait_for_lock=True) as repo:
        graph = get_active_graph(repo.index.graph)
        plan = plan_repro(graph, collect_stages(repo, ["dvc.yaml"]))
        status = repo.status(targets=["dvc.yaml"], with_deps=True)
        return {
            stage.addressing: Stage(
                upstream=[before.addressing for before in graph.successors(stage)],
                alone=bool((stage.meta or {}).get("alone")),
                stale=stage.addressing in status,
            )
            for stage in plan
        }
