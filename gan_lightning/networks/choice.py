"""The discriminators that SNGAN, and the GANs that are built on it, choose from."""

from collections.abc import Sequence
from typing import Literal, get_args

from torch import nn

from gan_lightning.arguments import check_choice
from gan_lightning.networks.dcgan import DCGANDiscriminator
from gan_lightning.networks.resnet import ResNetDiscriminator

Networks = Literal["residual", "mimicry", "strided"]


def choose_discriminator(
    networks: str,
    image_shape: Sequence[int],
    width: int,
    max_width: int,
    attention: int | None = None,
) -> nn.Module:
    """D beside a residual G.

    Args:
        networks: "residual"; "mimicry", whose blocks are narrow and all halve (Lee and Town, 2020, arXiv:2005.02494);
            or "strided": DCGAN's D without norms, like the CNN of SNGAN's paper (Miyato et al., 2018, arXiv:1802.05957,
            table 3), whose width, at half the resolution, is twice ``width``.
        image_shape, attention: See :class:`~gan_lightning.networks.resnet.ResNetDiscriminator`.
        width, max_width: See there; ``max_width`` is of a residual D alone.

    Raises:
        ValueError: If there are no such networks, or they cannot judge such images.
    """
    check_choice(get_args(Networks), networks=networks)
    if networks == "strided":
        return DCGANDiscriminator(image_shape, 2 * width, "none", attention=attention)
    last_block, wide = ("half", False) if networks == "mimicry" else ("flat", True)
    return ResNetDiscriminator(image_shape, width, max_width, attention, last_block, wide)
