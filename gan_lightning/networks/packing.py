"""PacGAN's discriminator, which judges several images together."""

from torch import Tensor, nn

from gan_lightning.arguments import check_counts
from gan_lightning.game import Verdict
from gan_lightning.parts import Part


class PacGAN(Part):
    """Lets a discriminator judge packs of images, their channels stacked (Lin et al., 2017, arXiv:1712.04086).

    Image i of N is in pack i % (N / pack), beside i + N / pack and so on: a split of the batch over processes keeps
    packs together. Penalties see the gradient at each image, not at a pack.

    Args:
        network: Takes images of ``pack`` times as many channels; gives one logit a pack.
        pack: m, images in a pack.

    Raises:
        ValueError: If ``pack`` is below 1.
    """

    def __init__(self, network: nn.Module, pack: int = 2) -> None:
        super().__init__()
        check_counts(pack=pack)
        self.network = network
        self.pack = pack
        self.num_features = getattr(network, "num_features", None)

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images (N, C, H, W) to logits (N / pack,); of the labels, a pack has those of its first image.

        Raises:
            ValueError: If N is no multiple of ``pack``.
        """
        count = len(images)
        if count % self.pack:
            raise ValueError(
                f"PacGAN judges {self.pack} images together, which {count} cannot be split into. Make the batch_size a "
                f"multiple of {self.pack}."
            )
        packs = images.reshape(self.pack, count // self.pack, *images.shape[1:]).transpose(0, 1).flatten(1, 2)
        verdict: Verdict = self.network(packs, None if labels is None else labels[: count // self.pack])
        return verdict
