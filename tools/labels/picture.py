"""The picture of labels that may be wrong."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from stages.figures.style import new_figure, save, show_image, wrap
from tools.labels.images import Images
from tools.labels.ranking import PICTURE, Ranking

PER_ROW, ROWS = 8, 3  # of each part
TITLE, ROW = 0.3, 1.55  # inches


def draw_issues(
    dataset: str, classes: Sequence[str], parts: Mapping[str, tuple[Images, Ranking]]
) -> Path:
    """Draws the first images of each part, with their label and what the models answer instead."""
    counts = {part: min(PER_ROW * ROWS, len(one.order)) for part, (_, one) in parts.items()}
    heights = [TITLE + ROW * -(-count // PER_ROW) for count in counts.values()]
    figure = new_figure(width=9, height=TITLE + sum(heights))
    figure.suptitle(f"{dataset}: labels that may be wrong", fontsize=10, x=0.01, ha="left")
    panels = figure.subfigures(len(parts), height_ratios=heights, squeeze=False).flat
    for panel, (part, (images, ranking)) in zip(panels, parts.items(), strict=True):
        panel.suptitle(f"{part} images", fontsize=9, x=0.01, ha="left")
        grid = panel.subplots(-(-counts[part] // PER_ROW), PER_ROW, squeeze=False).flatten()
        for axes in grid:
            axes.axis("off")
        shown = zip(grid, ranking.order, ranking.suggested, strict=False)
        for axes, i, suggested in shown:
            names = f"{classes[images.labels[i]]}\nor {classes[suggested]}?"
            place = f"{images.splits[i]} {images.indices[i]}"
            show_image(axes, images.pixels[i], wrap(f"{place}\n{names}", 16), size=7)
    path = Path(PICTURE.format(dataset=dataset))
    save(figure, path)
    return path
