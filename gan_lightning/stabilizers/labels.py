"""Noise on the targets of D. Smoothing of the targets is an argument of the losses."""

import torch

from gan_lightning.arguments import check_probabilities
from gan_lightning.game import Move, Stabilizer


class NoisyLabels(Stabilizer):
    """Flips a part of D's targets (Salimans et al., 2016, arXiv:1606.03498, use such noise against overconfidence).

    D's logits of a real and of the fake beside it are swapped, so that each is taught the other's target.

    Args:
        flip_prob: Probability that a pair is swapped, in [0, 1].

    Raises:
        ValueError: If it is out of its range.
    """

    def __init__(self, flip_prob: float = 0.05) -> None:
        super().__init__()
        check_probabilities(flip_prob=flip_prob)
        self.flip_prob = flip_prob

    def judged(self, move: Move) -> Move:
        """Swap, in D's move."""
        if move.player == "g":
            return move
        real, fake = move.on_real.logits, move.on_fake.logits
        flipped = move.draws.uniform(len(real)).to(real) < self.flip_prob
        return move.heard(torch.where(flipped, fake, real), torch.where(flipped, real, fake))
