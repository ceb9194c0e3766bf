r"""The methods: each a LightningModule that wires and never computes."""

from . import baselines
from .base import GenerativeModule
from .coulomb_gan import CoulombGAN
from .eieg_gan import EIEGGAN, EIEGGenerator

__all__ = ["EIEGGAN", "CoulombGAN", "EIEGGenerator", "GenerativeModule", "baselines"]
