"""The stages of the pipeline as DVC sees them: what depends on what, and what is not up to date."""

from dataclasses import dataclass

from dvc.repo import Repo
from dvc.repo.reproduce import collect_stages, get_active_graph, plan_repro


@dataclass
class Stage:
    """A stage: its direct upstream stages, and whether it must run alone (`meta.alone`)."""

    upstream: list[str]
    alone: bool
    stale: bool  # an input or output differs from dvc.lock


def read_stages() -> dict[str, Stage]:
    """The stages of dvc.yaml and those in other files that they need, in `dvc repro`'s order."""
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
