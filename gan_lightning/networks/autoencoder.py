"""The networks of BEGAN (Berthelot et al., 2017, arXiv:1703.10717, section 3.5), and an autoencoder of DCGAN's."""

from collections.abc import Sequence

from torch import Tensor, nn

from gan_lightning.arguments import check_counts
from gan_lightning.game import Verdict
from gan_lightning.networks.dcgan import DCGANGenerator, strided
from gan_lightning.networks.init import init_normal
from gan_lightning.networks.layers import UpConv2d
from gan_lightning.networks.shapes import Shape, check_images, check_latents, read_shape, stem
from gan_lightning.parts import Part
from gan_lightning.precision import at_least_fp32


def _decoder(image_shape: Shape, hidden_dim: int, width: int) -> nn.Sequential:
    """A linear layer, two 3x3 convolutions at each resolution, and one that makes the image; ELU between them."""
    (height, breadth), doublings = stem(image_shape)
    layers: list[nn.Module] = [
        nn.Linear(hidden_dim, width * height * breadth),
        nn.Unflatten(1, (width, height, breadth)),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ELU(),
        nn.Conv2d(width, width, 3, padding=1),
        nn.ELU(),
    ]
    for _ in range(doublings):
        layers += [UpConv2d(width, width), nn.ELU(), nn.Conv2d(width, width, 3, padding=1), nn.ELU()]
    return nn.Sequential(*layers, nn.Conv2d(width, image_shape[0], 3, padding=1))


def _encoder(image_shape: Shape, hidden_dim: int, width: int) -> nn.Sequential:
    """Two 3x3 convolutions at each resolution, whose feature maps grow by ``width`` at each halving; a linear layer."""
    (height, breadth), halvings = stem(image_shape)
    layers: list[nn.Module] = [nn.Conv2d(image_shape[0], width, 3, padding=1), nn.ELU()]
    for k in range(1, halvings + 1):
        layers += [nn.Conv2d(k * width, k * width, 3, padding=1), nn.ELU()]
        layers += [nn.Conv2d(k * width, (k + 1) * width, 3, stride=2, padding=1), nn.ELU()]
    last = (halvings + 1) * width
    layers += [nn.Conv2d(last, last, 3, padding=1), nn.ELU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(last * height * breadth, hidden_dim))


class BEGANGenerator(Part):
    """The decoder of an autoencoder. The paper's last layer is linear; here tanh keeps pixels in range.

    Args:
        image_shape: (C, H, W); H and W as those of :class:`~gan_lightning.networks.resnet.ResNetGenerator`.
        latent_dim: Features of a latent.
        width: n, feature maps of each layer.

    Raises:
        ValueError: If the network cannot make such images, or a number is out of its range.
    """

    def __init__(self, image_shape: Sequence[int], latent_dim: int = 64, width: int = 64) -> None:
        super().__init__()
        check_counts(latent_dim=latent_dim, width=width)
        self.image_shape = read_shape(image_shape)
        self.latent_dim = latent_dim
        self.width = width
        self.layers = nn.Sequential(*_decoder(self.image_shape, latent_dim, width), nn.Tanh())

    def forward(self, latents: Tensor, labels: Tensor | None = None) -> Tensor:
        """Map latents (N, latent_dim) to images (N, C, H, W) in [-1, 1]; labels are ignored."""
        check_latents(latents, self.latent_dim, self)
        images: Tensor = self.layers(latents)
        return images


class Autoencoder(Part):
    """A discriminator that rebuilds images, whose logit is minus the error that it makes.

    A subclass builds ``encoder`` and ``decoder``.

    Args:
        image_shape: (C, H, W) of what it judges.
        hidden_dim: Features of the code.
        width: Feature maps, as the subclass says.

    Attributes:
        num_features: Of the head "features": the code.

    Raises:
        ValueError: If the network cannot judge such images, or a number is out of its range.
    """

    encoder: nn.Module
    decoder: nn.Module

    def __init__(self, image_shape: Sequence[int], hidden_dim: int = 64, width: int = 64) -> None:
        super().__init__()
        check_counts(hidden_dim=hidden_dim, width=width)
        self.image_shape = read_shape(image_shape)
        self.hidden_dim = self.num_features = hidden_dim
        self.width = width

    def forward(self, images: Tensor, labels: Tensor | None = None) -> Verdict:
        """Map images (N, C, H, W) to logits (N,), at most 0, to features, and to their "reconstruction"."""
        check_images(images, self.image_shape, self)
        code = self.encoder(images)
        reconstruction = self.decoder(code)
        errors = at_least_fp32(images - reconstruction).abs().mean((1, 2, 3))  # eq. 1, η = 1, the mean of pixels
        return Verdict(-errors, {"features": code, "reconstruction": reconstruction})


class BEGANDiscriminator(Autoencoder):
    """The paper's autoencoder, without norms.

    Args:
        image_shape: (C, H, W) of what it judges; H and W as those of :class:`BEGANGenerator`.
        hidden_dim: Features of the code.
        width: n, feature maps at full resolution and of each layer of the decoder.

    Raises:
        ValueError: If the network cannot judge such images, or a number is out of its range.
    """

    def __init__(self, image_shape: Sequence[int], hidden_dim: int = 64, width: int = 64) -> None:
        super().__init__(image_shape, hidden_dim, width)
        self.encoder = _encoder(self.image_shape, hidden_dim, width)
        self.decoder = _decoder(self.image_shape, hidden_dim, width)


class DCGANAutoencoder(Autoencoder):
    """DCGAN's two networks, the code between them: with batch norm it learns to rebuild images in few updates.

    Args:
        image_shape: (C, H, W) of what it judges; H and W as those of DCGAN.
        hidden_dim: Features of the code.
        width: Feature maps at half the resolution of the images; doubled each time that the resolution halves.

    Raises:
        ValueError: If the network cannot judge such images, or a number is out of its range.
    """

    def __init__(self, image_shape: Sequence[int], hidden_dim: int = 64, width: int = 64) -> None:
        super().__init__(image_shape, hidden_dim, width)
        self.encoder = nn.Sequential(*strided(self.image_shape, width, "batch", hidden_dim), nn.Flatten())
        self.decoder = DCGANGenerator(self.image_shape, hidden_dim, width)
        init_normal(self, 0.02)
