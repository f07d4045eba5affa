"""Which figures of a run belong into one plot: for the report, TensorBoard and W&B."""

from typing import NamedTuple


class Panel(NamedTuple):
    """Curves that share their axes.

    Attributes:
        title: Of the plot.
        keys: As they are logged.
        is_log: Whether values are ratios.
    """

    title: str
    keys: tuple[str, ...]
    is_log: bool = False


PANELS = (
    Panel("Distance to the data", ("val/fid", "val/fid_mnist", "val/fid_patches"), is_log=True),
    Panel("Precision, recall, density, coverage", ("val/precision", "val/recall", "val/density", "val/coverage")),
    Panel("Losses", ("train/d_loss", "train/g_loss")),
    Panel("What D says of real and of generated images", ("train/d_x", "train/d_gz")),
    Panel("Share of images that D is right about", ("train/d_accuracy",)),
    Panel("Gradients, root mean square", ("train/d_gradient", "train/g_gradient"), is_log=True),
)
