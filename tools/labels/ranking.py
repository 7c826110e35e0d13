"""What is found about the labels of images, and the table of it in git."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tools.labels.images import Images
from tools.trials.table import write_csv

TABLE, PICTURE = "metrics/label_issues/{dataset}.csv", "plots/label_issues/{dataset}.png"
COLUMNS = ("split", "index", "label", "suggested", "probability_of_label", "is_issue")


@dataclass(frozen=True)
class Ranking:
    """Images by the probability of their label, the least probable first; all arrays are (m,).

    `order` are their indices, `quality` is that probability, `suggested` the most probable class,
    and `is_issue` says which labels confident learning takes for wrong; of all images, it takes
    `issues` for that.
    """

    order: NDArray[np.int64]
    quality: NDArray[np.float64]
    suggested: NDArray[np.int64]
    is_issue: NDArray[np.bool_]
    issues: int


def write_table(
    dataset: str,
    classes: Sequence[str],
    about: Mapping[str, Any],
    parts: Mapping[str, tuple[Images, Ranking]],
) -> Path:
    """Writes a row per listed image of each part, below `about` and the counts of each part."""
    path = Path(TABLE.format(dataset=dataset))
    counts = {
        "images": {part: len(images.labels) for part, (images, _) in parts.items()},
        "issues": {part: ranking.issues for part, (_, ranking) in parts.items()},
    }
    rows = (row for part in parts.values() for row in to_rows(classes, *part))
    write_csv(path, {**about, **counts}, COLUMNS, rows)
    return path


def to_rows(classes: Sequence[str], images: Images, ranking: Ranking) -> Iterator[list[Any]]:
    """The values of `COLUMNS`."""
    listed = (ranking.order, ranking.quality, ranking.suggested, ranking.is_issue)
    for i, quality, suggested, is_issue in zip(*listed, strict=True):
        names = [classes[images.labels[i]], classes[suggested]]
        yield [images.splits[i], images.indices[i], *names, f"{quality:.6f}", bool(is_issue)]
