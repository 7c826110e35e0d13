"""How a network learned, epoch by epoch."""

from matplotlib.figure import Figure

from stages.figures.run import Run
from stages.figures.style import new_figure

CAPTION = (
    "Learning curve: where validation loss rises while training loss falls, the model memorizes "
    "its training images."
)
NAMES = {"": "training", "val_": "validation"}


def draw(run: Run) -> Figure | None:
    """Accuracy and loss on training and validation images against the epoch, counted from 1.

    None for a run that has no loss per epoch.
    """
    curve = run.curve
    if "loss" not in curve:
        return None
    figure = new_figure(width=8.4, height=3.6)
    epochs = [epoch + 1 for epoch in curve["epoch"]]
    for axes, metric in zip(figure.subplots(1, 2), ("accuracy", "loss"), strict=True):
        for prefix, name in NAMES.items():
            if prefix + metric in curve:
                marker = "o" if len(epochs) == 1 else ""
                axes.plot(epochs, curve[prefix + metric], label=name, marker=marker)
        axes.set_title(f"{run.name}: {metric}" if metric == "accuracy" else metric)
        axes.set_xlabel("epoch")
        axes.grid(axis="y")
        axes.legend()
    return figure
