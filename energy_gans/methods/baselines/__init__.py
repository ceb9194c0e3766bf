r"""The baselines: well-known methods that are trained like the methods they are compared with."""

from .began import BEGAN
from .gan import GAN
from .mmd_gan import MMDGAN
from .wgan import WGAN, WGANGP

__all__ = ["BEGAN", "GAN", "MMDGAN", "WGAN", "WGANGP"]
