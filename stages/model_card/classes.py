"""How well a model tells each class, from its predictions for the test images."""

import numpy as np

from stages.model_card import Facts
from stages.model_card.markdown import escape, tabulate_rows
from stages.scoring.metrics import find_interval

HEADER = [
    "class",
    "test images",
    "recall (95% interval)",
    "precision",
    "F1",
    "most often taken for",
]


def show_classes(facts: Facts) -> str:
    """One row per class. Recall: of its images, the share that is found. Precision: of the images
    that are predicted as this class, the share that is of it. F1: their harmonic mean.
    """
    classes = facts.metadata.classes
    counts = np.zeros((len(classes), len(classes)), dtype=np.int64)
    np.add.at(counts, (facts.labels, facts.predicted), 1)
    rows = []
    for label, name in enumerate(classes):
        hits, actual = int(counts[label, label]), int(counts[label].sum())
        predicted = int(counts[:, label].sum())
        row = [escape(name), f"{actual:,}", "", "", ""]
        if actual:
            low, high = find_interval(hits / actual, actual)
            row[2] = f"{hits / actual:.3f} ({low:.3f} to {high:.3f})"
        if predicted:
            row[3] = f"{hits / predicted:.3f}"
        if actual + predicted:
            row[4] = f"{2 * hits / (actual + predicted):.3f}"
        counts[label, label] = 0
        most = int(counts[label].argmax())
        mistaken = f"{escape(classes[most])} ({counts[label, most]:,})"
        rows.append([*row, mistaken if counts[label, most] else ""])
        counts[label, label] = hits
    return f"### Of each class, on the test images\n\n{tabulate_rows(HEADER, rows)}"
