"""The tables of a review that show what changed: parameters, data and stages."""

from dvc.repo import Repo

from stages.datasets.arrays import SPLITS
from tools.revisions.lock_changes import FEW, explain, show
from tools.revisions.markdown import code
from tools.revisions.parts import Lines, Part, Rows
from tools.revisions.recorded import read_audit
from tools.revisions.revision import Revision, name_classes


def describe_parameters(before: Revision, after: Revision) -> list[Part]:
    """DVC's own diff of parameters, one row per value."""
    with Repo() as repo:
        diff = repo.params.diff(
            a_rev=before.commit, b_rev=after.commit or "workspace", deps_only=False
        ).get("diff", {})
    rows = [
        [code(path), code(name), show(change, "old"), show(change, "new")]
        for path, changes in sorted(diff.items())
        for name, change in sorted(changes.items())
    ]
    return [Rows(["file", "parameter", "before", "after"], rows, folds=True)] if rows else []


def describe_data(before: Revision, after: Revision) -> list[Part]:
    """Class names, counts and hashes of the splits that changed."""
    old, new = (revision.parameters["data"] for revision in (before, after))
    parts, rows = list[Part](), []
    for name in sorted(old.keys() | new.keys()):
        if name not in old or name not in new:
            parts.append(f"{code(name)} is {'new' if name in new else 'removed'}.")
            continue
        pairs = zip(*(name_classes(one[name]) for one in (old, new)), strict=False)
        renamed = [f"{code(a)} → {code(b)}" for a, b in pairs if a != b]
        if renamed:
            parts.append(f"Classes of {code(name)} renamed: {', '.join(renamed)}.")
        audits = [read_audit(revision, name) for revision in (before, after)]
        for split in SPLITS:
            counts = [audit[split] for audit in audits]
            hashes = [count.get("sha256", "")[:8] for count in counts]
            if hashes[0] != hashes[1] or counts[0]["images"] != counts[1]["images"]:
                numbers = [f"{count['images']:,}" for count in counts]
                rows.append([code(name), split, *numbers, *(h and code(h) for h in hashes)])
    header = ["data set", "split", "images before", "after", "SHA-256 before", "after"]
    return [*parts, Rows(header, rows)] if rows else parts


def describe_stages(before: Revision, after: Revision) -> list[Part]:
    """Which stages ran again, why, and whether their outputs changed."""
    grouped: dict[tuple[str, str], list[str]] = {}
    for name, reasons in explain(before.stages, after.stages).items():
        upstream = [code(stage) for stage in dict.fromkeys(reasons.upstream)]
        if len(upstream) > FEW:
            upstream = [f"{len(upstream)} upstream stages"]
        why = ", ".join(reasons.edits + upstream) or "no declared input"
        outputs = "changed" if reasons.other_outputs else "unchanged"
        grouped.setdefault((why, outputs), []).append(code(name))
    lines = [
        f"{', '.join(names)}: outputs {outputs}; cause: {why}"
        for (why, outputs), names in grouped.items()
    ]
    removed = [code(name) for name in before.stages if name not in after.stages]
    if removed:
        lines.append(f"{', '.join(removed)}: removed")
    return [Lines(lines)] if lines else []
