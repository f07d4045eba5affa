"""Discriminators that say more than a logit, or judge by the class: linear layers on the features of another one."""

from collections.abc import Mapping

from torch import Tensor, nn

from gan_lightning.arguments import check_counts
from gan_lightning.game import Verdict
from gan_lightning.networks.layers import outputs_of
from gan_lightning.networks.shapes import read_classes
from gan_lightning.parts import Part


def features_of(discriminator: nn.Module) -> int:
    """How many features D returns as the head "features".

    Raises:
        TypeError: If it does not tell its ``num_features``.
    """
    number = getattr(discriminator, "num_features", None)
    if not isinstance(number, int):
        raise TypeError(
            f"{type(discriminator).__name__} does not return its features: let it return gan_lightning.game.Verdict("
            "logits, {'features': ...}), and set its attribute num_features."
        )
    return number


def with_heads(discriminator: nn.Module, heads: Mapping[str, int]) -> nn.Module:
    """D itself if it names these ``heads`` as its own, otherwise with them added.

    Args:
        discriminator: D.
        heads: The number of outputs of each head, by its name.

    Raises:
        TypeError: If D must be changed, but does not return its features.
        ValueError: If a number is below 1.
    """
    own = getattr(discriminator, "heads", {})
    return discriminator if heads.keys() <= own.keys() else WithHeads(discriminator, heads)


class WithHeads(Part):
    """A discriminator with more outputs, such as the classes of ACGAN: a linear layer on its features for each.

    Args:
        network: Gives the head "features", and tells its ``num_features``.
        heads: The number of outputs of each head, by its name.

    Attributes:
        num_features: Of the head "features".

    Raises:
        TypeError: If the network does not return its features.
        ValueError: If a number is below 1.
    """

    def __init__(self, network: nn.Module, heads: Mapping[str, int]) -> None:
        super().__init__()
        check_counts(**heads)
        self.network = network
        self.heads = heads
        self.num_features = features_of(network)
        self.linear = nn.ModuleDict({name: nn.Linear(self.num_features, outputs) for name, outputs in heads.items()})

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images to logits (N,) and to the network's heads and these, (N, outputs)."""
        verdict = self.network(images, labels)
        features = verdict.heads["features"]
        said = {name: outputs_of(layer, features) for name, layer in self.linear.items()}
        return Verdict(verdict.logits, {**verdict.heads, **said})


class Projection(Part):
    """A discriminator that adds y · φ(x) to its logit, for a learned y of each class (Miyato and Koyama, 2018).

    cGANs with projection discriminator, arXiv:1802.05637, eq. 4: f(x, y) = yᵀ V φ(x) + ψ(φ(x)).

    Args:
        network: φ and ψ: gives the head "features", and tells its ``num_features``.
        num_classes: Labels are in [0, num_classes).

    Attributes:
        num_features: Of the head "features".

    Raises:
        TypeError: If the network does not return its features.
        ValueError: If there is no class.
    """

    def __init__(self, network: nn.Module, num_classes: int) -> None:
        super().__init__()
        self.network = network
        self.num_classes = read_classes(num_classes)
        self.num_features = features_of(network)
        self.embedding = nn.Embedding(self.num_classes, self.num_features)  # V
        nn.init.xavier_uniform_(self.embedding.weight)

    def forward(self, images: Tensor, labels: Tensor) -> Verdict:
        """Map images to logits (N,) given labels (N,) int64, and to the network's heads."""
        verdict = self.network(images, labels)
        product = (self.embedding(labels) * verdict.heads["features"]).sum(1)
        return Verdict(verdict.logits + product, verdict.heads)
