r"""The methods: each a LightningModule that wires and never computes."""

from .base import GenerativeModule
from .coulomb_gan import CoulombGAN

__all__ = ["CoulombGAN", "GenerativeModule"]
