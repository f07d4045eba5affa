"""Feature matching."""

from gan_lightning.arguments import check_weights
from gan_lightning.game import Move, Stabilizer, Terms


class FeatureMatching(Stabilizer):
    """G matches the mean features of D (Salimans et al., 2016, arXiv:1606.03498, section 3.1): ‖E f(x) - E f(G(z))‖².

    In the paper this replaces G's loss; here it is added. The means are those of a micro-batch of one process.

    Args:
        weight: Of the term, at least 0.
        head: Which head of D gives the features.

    Raises:
        ValueError: If the weight is out of its range; in training, if D has no such head.
    """

    def __init__(self, weight: float = 1.0, head: str = "features") -> None:
        super().__init__()
        check_weights(weight=weight)
        self.weight = weight
        self.head = head

    def generator_terms(self, move: Move) -> Terms:
        """``feature_matching``."""
        real, fake = (verdict.head(self.head, self) for verdict in (move.on_real, move.on_fake))
        difference = real.mean(0) - fake.mean(0)
        return {"feature_matching": self.weight * difference.square().sum()}
