"""The classes that D names."""

from torch import nn
from torch.nn.functional import cross_entropy

from gan_lightning.arguments import check_counts, check_weights
from gan_lightning.game import Move, Stabilizer, Terms
from gan_lightning.networks.heads import with_heads


class AuxiliaryClassifier(Stabilizer):
    """D learns the classes of reals, and G to show the class asked for (Odena et al., 2016, arXiv:1610.09585).

    D gets a head "classes", linear in its features, unless it has one.

    Args:
        num_classes: Labels are in [0, num_classes).
        weight: Of the cross-entropy of the class, on reals in D's loss and on fakes in G's, at least 0.
        fake_weight: Likewise, on fakes in D's loss: the paper's D learns from both.

    Raises:
        TypeError: If D neither names the head nor returns its features.
        ValueError: If a number is out of its range.
    """

    def __init__(self, num_classes: int = 10, weight: float = 1.0, fake_weight: float = 0.0) -> None:
        super().__init__()
        check_counts(num_classes=num_classes)
        check_weights(weight=weight, fake_weight=fake_weight)
        self.num_classes = num_classes
        self.weight = weight
        self.fake_weight = fake_weight

    def wrap(self, discriminator: nn.Module) -> nn.Module:
        """Add the head."""
        return with_heads(discriminator, {"classes": self.num_classes})

    def discriminator_terms(self, move: Move) -> Terms:
        """``class``, and ``fake_class`` if it has a weight: the two parts of L_C (eq. 3)."""
        terms = {"class": self.weight * cross_entropy(move.on_real.head("classes", self), move.labels)}
        if self.fake_weight:
            terms["fake_class"] = self.fake_weight * cross_entropy(move.on_fake.head("classes", self), move.labels)
        return terms

    def generator_terms(self, move: Move) -> Terms:
        """``class``: of L_C (eq. 3), what depends on G."""
        return {"class": self.weight * cross_entropy(move.on_fake.head("classes", self), move.labels)}
