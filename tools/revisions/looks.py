"""How many models of a run were scored on its test images, and what choosing among them does."""

import math
from typing import NamedTuple

import networkx
import numpy as np
from scipy.stats import binom

from stages.runtime.errors import InputError
from tools.revisions.markdown import code
from tools.revisions.parts import Lines, Part
from tools.revisions.recorded import read_audit, read_scores
from tools.revisions.revision import Revision, open_revision
from tools.revisions.scored import Scored, read_score, read_scored

FEW = 2  # models are no search: these are those before and after a change
PLACES = "git history, experiments and the run cache"
PAGE = "docs/test_set.md"


class Looks(NamedTuple):
    """How many models of a run were scored on the test images of a revision.

    `unknown` more records cannot be read, or nothing is known of their test images. `optimism` is
    that of `expect_optimism`.
    """

    run: str
    models: int
    images: int
    unknown: int
    optimism: float


def count_looks(scored: Scored, revision: Revision, run: str) -> Looks:
    """The looks at the test images on which a revision of a run was scored.

    Models that predict the same for every test image, such as two exports of one classifier, count
    once: there is nothing to choose between them.

    Raises:
        InputError: the revision has no score of this run.
    """
    recorded = revision.stages.get(f"evaluate@{run}", {})
    entries = [*recorded.get("deps", []), *recorded.get("outs", [])]
    own = read_score(run, {entry["path"]: entry["md5"] for entry in entries})
    if own is None or run not in revision.runs:
        raise InputError(f"{revision.name} has no score of it; run `dvc repro` there")
    known = {own, *(score for score in scored.scores if score.run == run)}
    same, others = {own.test}, set[str]()
    audited = scored.images.get(own.test) or hash_images(revision, run)
    for origins, origin in (
        (scored.images, audited),
        (scored.sources, scored.sources.get(own.test)),
    ):
        if origin:
            same |= {test for test in origins if origins[test] == origin}
            others |= origins.keys()
    groups = networkx.Graph(
        (f"model {score.model}", f"predictions {score.predictions or score.model}")
        for score in known
        if score.test in same
    )
    models = networkx.number_connected_components(groups)
    unknown = len({score.model for score in known if score.test not in same | others})
    scores = read_scores(revision, run)["test"]
    images = int(scores["images"])
    optimism = expect_optimism(models, images, scores["accuracy"])
    return Looks(run, models, images, unknown + scored.unreadable[run], optimism)


def hash_images(revision: Revision, run: str) -> str:
    """The SHA-256 of the test images of a run; empty if its audit is older than that."""
    audit = read_audit(revision, revision.runs[run]["dataset"])
    return str(audit["test"].get("sha256", ""))


def expect_optimism(models: int, images: int, accuracy: float) -> float:
    """By how much the best accuracy of several models is expected to exceed its true value.

    If each classifies an image correctly with the same probability, independently of the others,
    then the hits are binomial, F is their distribution, and the expected hits of the best of k are
    the sum of 1 - F(x)^k over x from 0 to n - 1 (Arnold, Balakrishnan and Nagaraja, A First Course
    in Order Statistics, 1992, chapter 3). Models of one run err on the same images, and some are
    truly better than others; both make the excess smaller (Mania et al. 2019, arXiv 1905.12580), so
    that this is the most to expect. Cawley and Talbot 2010 (JMLR 11, 2079) show the effect.

    The probability is estimated by Laplace's rule of succession: also a model without a mistake
    here makes some elsewhere.
    """
    probability = (accuracy * images + 1) / (images + 2)
    below = binom.cdf(np.arange(images), images, probability)
    return float(np.sum(1 - below**models)) / images - probability


def describe_looks(run: str) -> str:
    """What is known of the looks at the test images on which the workspace scored a run."""
    try:
        with open_revision("") as workspace:
            scored = read_scored()
            looks = count_looks(scored, workspace, run)
    except InputError as error:
        return (
            f"How many models of {code(run)} were scored on the test images is not known: {error}"
        )
    source = f"This is what {PLACES} tell; see {PAGE}."
    return " ".join([say(looks), source, *list_missing([looks], scored)])


def say(looks: Looks) -> str:
    """One sentence on the looks of a run."""
    if looks.models == 1:
        return (
            f"One model of {code(looks.run)} is known to have been scored on the "
            f"{looks.images:,} test images."
        )
    points = math.ceil(1000 * looks.optimism) / 10
    return (
        f"At least {looks.models:,} models of {code(looks.run)} have been scored on these "
        f"{looks.images:,} test images; if one was chosen by that score, it is on average up to "
        f"{points} points too good."
    )


def list_missing(looks: list[Looks], scored: Scored) -> list[str]:
    """What is not counted, a sentence each."""
    unknown = sum(one.unknown for one in looks)
    lines = []
    if unknown:
        records = "record" if unknown == 1 else "records"
        lines.append(
            f"Not counted: {unknown:,} {records} that cannot be read, or of unknown test images."
        )
    if scored.is_shallow:
        lines.append("Not counted: the commits that this shallow clone lacks.")
    return lines


def list_looks(revision: Revision, runs: list[str]) -> list[Part]:
    """The looks of these runs as a list: those of more than `FEW` models, and the others."""
    if not runs:
        return []
    scored = read_scored()
    counted, lines = [], []
    for run in runs:
        try:
            counted.append(count_looks(scored, revision, run))
        except InputError as error:
            lines.append(f"{code(run)}: not known ({error}).")
    lines = [*(say(looks) for looks in counted if looks.models > FEW), *lines]
    for models in range(1, FEW + 1):
        if few := [code(looks.run) for looks in counted if looks.models == models]:
            lines.append(f"{models} {'model' if models == 1 else 'models'} of {', '.join(few)}.")
    lines += list_missing(counted, scored)
    return [f"Looks at the test images, as {PLACES} tell ({PAGE}):", Lines(lines)]
