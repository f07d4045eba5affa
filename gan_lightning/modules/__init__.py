"""The GANs, one a file."""

from gan_lightning.modules.acgan import ACGAN
from gan_lightning.modules.began import BEGAN
from gan_lightning.modules.biggan import BigGAN
from gan_lightning.modules.cgan import CGAN
from gan_lightning.modules.conditional_dcgan import ConditionalDCGAN
from gan_lightning.modules.cyclegan import CycleGAN as CycleGAN
from gan_lightning.modules.dcgan import DCGAN
from gan_lightning.modules.gan import GAN
from gan_lightning.modules.infogan import InfoGAN
from gan_lightning.modules.lsgan import LSGAN
from gan_lightning.modules.pix2pix import Pix2Pix as Pix2Pix
from gan_lightning.modules.progan import ProGAN
from gan_lightning.modules.projection_cgan import ProjectionCGAN
from gan_lightning.modules.r3gan import R3GAN
from gan_lightning.modules.sagan import SAGAN
from gan_lightning.modules.sngan import SNGAN
from gan_lightning.modules.stylegan2 import StyleGAN2
from gan_lightning.modules.wgan import WGAN
from gan_lightning.modules.wgangp import WGANGP

__all__ = [
    "ACGAN",
    "BEGAN",
    "CGAN",
    "DCGAN",
    "GAN",
    "LSGAN",
    "R3GAN",
    "SAGAN",
    "SNGAN",
    "WGAN",
    "WGANGP",
    "BigGAN",
    "ConditionalDCGAN",
    "InfoGAN",
    "ProGAN",
    "ProjectionCGAN",
    "StyleGAN2",
]
TRANSLATORS = ["CycleGAN", "Pix2Pix"]
"""GANs that map images to images."""
