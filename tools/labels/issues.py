"""Labels that may be wrong, by confident learning."""

import numpy as np
from numpy.typing import NDArray

from tools.labels.images import Images
from tools.labels.ranking import Ranking


def rank_labels(images: Images, probabilities: NDArray[np.float64], most: int) -> Ranking:
    """The images whose label is the least probable, at `most` so many.

    `probabilities` are (n, classes), by models that were not trained on the image. Confident
    learning takes a label for wrong if another class is more probable than it usually is where it
    is the label (Northcutt, Jiang and Chuang: Confident Learning, JAIR 70, 2021).
    """
    from cleanlab.filter import find_label_issues  # 1.3 s
    from cleanlab.rank import get_label_quality_scores

    labels = images.labels
    wrong = find_label_issues(labels, probabilities, filter_by="confident_learning", n_jobs=1)
    quality = get_label_quality_scores(labels, probabilities, adjust_pred_probs=False)
    order = np.argsort(quality, kind="stable")[:most]
    suggested = probabilities.argmax(axis=1)
    return Ranking(order, quality[order], suggested[order], wrong[order], int(wrong.sum()))
