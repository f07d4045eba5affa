"""What the figures of a run say about its game, in words: a diagnosis, and what to try."""

import dataclasses
import itertools
import math
from collections.abc import Iterator, Mapping, Sequence

WINS = 0.99
"""From here to 1, D is right about practically all images of a batch."""
GUESSES = 0.1
"""Accuracy of D beyond a half, below which it guesses."""
HUGE = 1e3
"""No loss of a game that goes on is as large, except that of G against a critic, whose values have no origin."""
HOPELESS = {"val/fid_mnist": 1e3, "val/fid": 300.0}
"""Above these, images do not resemble the data; docs/judging.md has the scale of the first."""
SWING = (0.2, 0.8)
"""A gap D(x) - D(G(z)) that goes from below the one to above the other and back has swung."""
SWINGS = 3
"""Times within the readings that are kept."""
VANISHED = 1e-7
"""Root mean square of G's gradient at which Adam's epsilon, 1e-8, begins to count."""
Readings = Mapping[str, float]
"""What was logged at one step, by key; keys may be missing."""


@dataclasses.dataclass(frozen=True)
class Finding:
    """Something that looks wrong. None is proof.

    Attributes:
        name: Of the kind.
        diagnosis: What was seen, with the figures.
        advice: What to try.
    """

    name: str
    diagnosis: str
    advice: str

    def __str__(self) -> str:
        return f"{self.diagnosis} {self.advice}"


def of_readings(history: Sequence[Readings]) -> list[Finding]:
    """Signs that a game has died, or dies: those of all readings, from oldest to newest.

    Args:
        history: What was logged at the last steps that logged.
    """
    if not history:
        return []
    checks = (_of_discriminator, _of_gradient, _of_losses, _of_swings, _of_distance)
    return [*_of_numbers(history)] or [finding for check in checks for finding in check(history)]


def _of_numbers(history: Sequence[Readings]) -> Iterator[Finding]:
    numbers = {key: value for key, value in history[-1].items() if not key.endswith("_gradient")}  # 16 bits overflow
    broken = sorted(key for key, value in numbers.items() if not math.isfinite(value))
    if broken:
        yield Finding(
            "not finite",
            f"Not finite: {', '.join(broken)}.",
            "Go back to an earlier checkpoint with a lower --model.lr, clip_norm of the optimizers, or with "
            "--trainer.precision 32-true.",
        )


def _answers(history: Sequence[Readings]) -> list[tuple[float, float]]:
    """D(x) and D(G(z)), where both are known."""
    keys = ("train/d_x", "train/d_gz")
    return [(known[keys[0]], known[keys[1]]) for known in history if known.keys() >= set(keys)]


def _of_discriminator(history: Sequence[Readings]) -> Iterator[Finding]:
    pairs = _answers(history)
    if not pairs:
        return
    is_critic = "train/d_wasserstein" in history[-1]  # its values have neither origin nor scale
    figures = f"(D(x) = {pairs[-1][0]:.3g}, D(G(z)) = {pairs[-1][1]:.3g})"
    if not is_critic and all(real >= WINS and fake <= 1 - WINS for real, fake in pairs):
        yield Finding(
            "D wins",
            f"D wins outright {figures}, so that G learns next to nothing.",
            "Try a lower learning rate of D (--model.discriminator_optimizer.lr), a penalty such as "
            "--model.stabilizers+=R1, or --model.stabilizers+=DiffAugment.",
        )
    guesses = all(abs(known.get("train/d_accuracy", 0.5) - 0.5) < GUESSES for known in history)
    if guesses and all(math.isclose(*pair, rel_tol=1e-6 if is_critic else 1e-3) for pair in pairs):
        yield Finding(
            "D says nothing",
            f"D says the same of real and of generated images {figures}, so that G learns nothing from it.",
            "Try a higher learning rate of D (--model.discriminator_optimizer.lr), a larger --model.n_critic, or "
            "weaker penalties.",
        )


def _of_gradient(history: Sequence[Readings]) -> Iterator[Finding]:
    sizes = [known["train/g_gradient"] for known in history if "train/g_gradient" in known]
    if sizes and max(sizes) < VANISHED:
        yield Finding(
            "G's gradient vanishes",
            f"The gradient of G has a root mean square of {sizes[-1]:.1g}, which optimizers hardly notice.",
            "Try another loss (--model.loss NonSaturatingLoss), or a weaker D.",
        )


def _of_losses(history: Sequence[Readings]) -> Iterator[Finding]:
    keys = ["train/d_loss"] if "train/d_wasserstein" in history[-1] else ["train/d_loss", "train/g_loss"]
    huge = [key for key in keys if all(abs(known.get(key, 0.0)) > HUGE for known in history)]
    if huge:
        yield Finding(
            "huge loss",
            f"A huge loss: {', '.join(f'{key} = {history[-1][key]:.3g}' for key in huge)}.",
            "The game diverges: try a lower --model.lr, or other weights of penalties.",
        )


def _of_swings(history: Sequence[Readings]) -> Iterator[Finding]:
    """Each side of the gap in turn, counted once."""
    if "train/d_wasserstein" in history[-1]:
        return
    gaps = [real - fake for real, fake in _answers(history)]
    sides = [gap > SWING[1] for gap in gaps if not SWING[0] <= gap <= SWING[1]]
    swings = sum(before and not after for before, after in itertools.pairwise(sides))
    if swings >= SWINGS:
        yield Finding(
            "oscillation",
            f"D(x) - D(G(z)) fell from above {SWING[1]} to below {SWING[0]} {swings} times in the last {len(gaps)} "
            "readings: the players chase each other.",
            "Try lower learning rates, a lower first beta of Adam (--model.betas), or --model.stabilizers+=R1.",
        )


def _of_distance(history: Sequence[Readings]) -> Iterator[Finding]:
    for key, worst in HOPELESS.items():
        if history[-1].get(key, 0.0) > worst:
            yield Finding(
                "hopeless images",
                f"{key} is {history[-1][key]:.0f}: the images do not resemble the data.",
                "Look at the sample grids.",
            )
