"""How good a model is, and whether it is worse than its last version."""

from pathlib import Path

from stages.card import read_scores
from stages.model_card.sections import with_interval
from tools.revisions.regressions import find_regressions, judge_revisions
from tools.revisions.revision import open_revision
from tools.revisions.significance import show_p


def describe_accuracy(run: str) -> str:
    """The accuracy of a run on the test images, with its interval."""
    test = read_scores(Path("metrics", f"{run}.json"))["test"]
    return f"accuracy {with_interval(test)} on {test['images']:,} test images"


def compare_with(tag: str, run: str) -> tuple[str, list[str]]:
    """What became of a run since the commit with a tag, and one line for each loss.

    The verdict is that of `make review` for this run, and so is what counts as a loss.
    """
    with open_revision(tag) as before, open_revision("") as after:
        verdicts, tolerance = judge_revisions(before, after)
        (verdict,) = (one for one in verdicts if one.run == run)
    said = f"compared with {tag}: {verdict.word}"
    if "accuracy" in verdict.metrics:
        accuracy = verdict.metrics["accuracy"]
        said += (
            f", test accuracy {accuracy.before:.4f} → {accuracy.after:.4f}, p {show_p(accuracy.p)}"
        )
    said += f" ({verdict.reason})" if verdict.reason else ""
    return said, list(find_regressions([verdict], tolerance))
