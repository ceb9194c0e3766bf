r"""The networks: plain modules, with no loss and no idea what their output means."""

from .autoencoder import Autoencoder
from .coulomb import CoulombDiscriminator, CoulombGenerator
from .dcgan import DCGANDiscriminator, DCGANGenerator
from .mlp import MLP

__all__ = [
    "MLP",
    "Autoencoder",
    "CoulombDiscriminator",
    "CoulombGenerator",
    "DCGANDiscriminator",
    "DCGANGenerator",
]
