"""What the last figures of a run say about its game, in words."""

import math
from collections.abc import Mapping

WINS = 0.99
"""From here to 1, D is right about practically all images of a batch."""
HUGE = 1e3
"""No loss of a game that goes on is as large, except that of G against a critic, whose values have no origin."""
HOPELESS = {"val/fid_mnist": 1e3, "val/fid": 300.0}
"""Above these, images do not resemble the data; docs/results.md has the scale of the first."""


def seen(metrics: Mapping[str, float]) -> list[str]:
    """Signs that a game has died.

    Args:
        metrics: What was logged last, by key, such as ``trainer.callback_metrics``; keys may be missing.

    Returns:
        A sentence for each sign, with what to try. None is proof: they are those of a single step.
    """
    known = {key: float(value) for key, value in metrics.items() if key.startswith(("train/", "val/"))}
    broken = sorted(key for key, value in known.items() if not math.isfinite(value))
    if broken:
        return [
            f"Not finite: {', '.join(broken)}. Go back to an earlier checkpoint with a lower --model.lr, clip_norm "
            "of the optimizers, or with --trainer.precision 32-true."
        ]
    return [*_of_discriminator(known), *_of_losses(known), *_of_distance(known)]


def _of_discriminator(known: Mapping[str, float]) -> list[str]:
    real, fake = known.get("train/d_x"), known.get("train/d_gz")
    if real is None or fake is None:
        return []
    is_critic = "train/d_wasserstein" in known  # its values have neither origin nor scale
    figures = f"(D(x) = {real:.3g}, D(G(z)) = {fake:.3g})"
    if not is_critic and real >= WINS and fake <= 1 - WINS:
        return [
            f"D wins outright {figures}, so that G learns next to nothing. Try a lower learning rate of D "
            "(--model.discriminator_optimizer.lr), a penalty such as --model.stabilizers+=R1, or "
            "--model.stabilizers+=DiffAugment."
        ]
    if math.isclose(real, fake, rel_tol=1e-6 if is_critic else 1e-3):
        return [
            f"D says the same of real and of generated images {figures}, so that G learns nothing from it. Try a "
            "higher learning rate of D (--model.discriminator_optimizer.lr), a larger --model.n_critic, or "
            "weaker penalties."
        ]
    return []


def _of_losses(known: Mapping[str, float]) -> list[str]:
    keys = ["train/d_loss"] if "train/d_wasserstein" in known else ["train/d_loss", "train/g_loss"]
    huge = [f"{key} = {known[key]:.3g}" for key in keys if abs(known.get(key, 0.0)) > HUGE]
    if not huge:
        return []
    return [
        f"A huge loss: {', '.join(huge)}. The game diverges: try a lower --model.lr, or other weights of penalties."
    ]


def _of_distance(known: Mapping[str, float]) -> list[str]:
    return [
        f"{key} is {known[key]:.0f}: the images do not resemble the data. Look at the sample grids."
        for key, worst in HOPELESS.items()
        if known.get(key, 0.0) > worst
    ]
