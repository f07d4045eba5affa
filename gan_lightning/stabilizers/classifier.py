"""The classes that D names."""

from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from gan_lightning.arguments import check_counts, check_weights
from gan_lightning.game import Move, Stabilizer, Terms, Verdict
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
        ValueError: If a number is out of its range; in training, if there are more classes than D names.
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
        terms = {"class": self.weight * self._misnaming(move.on_real, move)}
        if self.fake_weight:
            terms["fake_class"] = self.fake_weight * self._misnaming(move.on_fake, move)
        return terms

    def generator_terms(self, move: Move) -> Terms:
        """``class``: of L_C (eq. 3), what depends on G."""
        return {"class": self.weight * self._misnaming(move.on_fake, move)}

    def _misnaming(self, verdict: Verdict, move: Move) -> Tensor:
        if move.labels.is_cpu or move.step == 0:  # a look stalls an accelerator
            largest = int(move.labels.max())
            if largest >= self.num_classes:
                raise ValueError(
                    f"AuxiliaryClassifier has num_classes {self.num_classes}, but the data has a label {largest}: set "
                    "it to the number of classes."
                )
        return cross_entropy(verdict.head("classes", self), move.labels)
