r"""The baselines: well-known methods in the same harness as the ones they are compared with."""

from .began import BEGAN
from .gan import GAN
from .mmd_gan import MMDGAN
from .wgan import WGAN, WGANGP

__all__ = ["BEGAN", "GAN", "MMDGAN", "WGAN", "WGANGP"]
