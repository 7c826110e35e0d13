"""The section of images that changed: those that only one of two models classifies correctly."""

from collections.abc import Callable, Sequence
from functools import cache
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from stages.scoring.predictions import read_probabilities
from tools.pages.picture import Picture, embed_pixels
from tools.revisions.kept import RAW, find_test_images, read_kept
from tools.revisions.recorded import PROBABILITIES
from tools.revisions.revision import Revision, classes_of
from tools.revisions.significance import Answers
from tools.revisions.verdicts import Paired, Verdict

MOST = 24  # images of a group
TOTAL = 480  # images of all groups, which take 1 to 2 MB

Find = Callable[[str], NDArray[np.uint8] | None]  # the test images of a data set


class ChangedImage(NamedTuple):
    """The test image at a place in its split, its class and both predictions in words.

    Without a picture if the images are not here.
    """

    place: int
    picture: Picture | None
    label: str
    before: str
    after: str


class Group(NamedTuple):
    """The images of a run that were lost, or gained: what they are, and those that are shown."""

    title: str
    said: str
    images: list[ChangedImage]


class ChangedImages(NamedTuple):
    """The images of a run that changed. `command` gets those that are not here, else it is empty.

    `others` counts those whose prediction changed from one wrong class to another one.
    """

    run: str
    lost: int
    gained: int
    others: int
    groups: list[Group]
    where: str
    command: str


def describe_images(
    before: Revision, after: Revision, verdicts: Sequence[Verdict]
) -> list[ChangedImages]:
    """The images of each run whose predictions changed on the same test images."""
    find = cache(lambda dataset: find_test_images(after, dataset))
    changed = [(one.run, one.paired) for one in verdicts if one.paired is not None]
    most = min(MOST, TOTAL // (2 * len(changed))) if changed else 0
    return [describe_run(run, paired, before, after, find, most) for run, paired in changed]


def describe_run(
    run: str, paired: Paired, before: Revision, after: Revision, find: Find, most: int
) -> ChangedImages:
    """The images of one run."""
    labels, old, new = paired.labels, paired.before.predicted, paired.after.predicted
    lost = np.flatnonzero((old == labels) & (new != labels))
    gained = np.flatnonzero((old != labels) & (new == labels))
    others = np.sum((old != labels) & (new != labels) & (old != new))
    dataset, classes = after.runs[run]["dataset"], classes_of(after, run)
    images = find(dataset)
    if images is not None and len(images) != len(labels):
        images = None
    confidence = [
        read_confidence(revision, run, answers)
        for revision, answers in ((before, paired.before), (after, paired.after))
    ]

    def show(index: int) -> ChangedImage:
        predictions = [
            classes[answers.predicted[index]] + ("" if known is None else f" {known[index]:.0%}")
            for answers, known in zip(paired[1:], confidence, strict=True)
        ]
        picture = None if images is None else embed_pixels(images[index])
        return ChangedImage(index, picture, classes[labels[index]], *predictions)

    groups = []
    for title, indices, said in (
        ("Lost", lost, "right before, wrong after"),
        ("Gained", gained, "wrong before, right after"),
    ):
        chosen, how = choose(indices, confidence[1], most)
        shown = [show(int(index)) for index in chosen]
        groups.append(Group(title, f"{len(indices):,} test images, {said}{how}.", shown))
    return ChangedImages(
        run,
        len(lost),
        len(gained),
        int(others),
        groups,
        f"in a checkout of {after.name}" if after.commit else "",
        f"make pull PATHS={RAW.format(dataset=dataset)}" if images is None else "",
    )


def read_confidence(revision: Revision, run: str, answers: Answers) -> NDArray[np.float32] | None:
    """The probability of each prediction, (n,); None if the model has none or they are not here."""
    known, count = answers.probabilities, len(answers.predicted)
    path = PROBABILITIES.format(run=run)
    if known is None and (content := read_kept(revision, path)):
        known = read_probabilities(f"{revision.name}: {path}", content, count)
    return None if known is None else known[np.arange(count), answers.predicted]


def choose(
    indices: NDArray[np.int64], confidence: NDArray[np.float32] | None, most: int
) -> tuple[NDArray[np.int64], str]:
    """At most so many of the images with these indices, and in words which ones they are."""
    count = len(indices)
    if confidence is not None:
        order = indices[np.argsort(-confidence[indices], kind="stable")]
        said = f"; shown are the {most:,} with the most confident predictions after"
        return order[:most], said if count > most else ""
    if count <= most:
        return indices, ""
    return indices[np.arange(most) * count // most], f"; shown are {most:,} of them, evenly spaced"
