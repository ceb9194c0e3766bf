r"""The methods: each a LightningModule that wires and never computes."""

from . import baselines
from .bases.generative import GenerativeModule
from .coulomb_gan import CoulombGAN
from .eieg_gan import EIEGGAN, EIEGGenerator
from .gcn import GCN
from .ggcn import GGCN
from .inpainting import InpaintingGGCN
from .multigrid import MultigridGCN
from .vapo import VAPO

__all__ = [
    "EIEGGAN",
    "GCN",
    "GGCN",
    "VAPO",
    "CoulombGAN",
    "EIEGGenerator",
    "GenerativeModule",
    "InpaintingGGCN",
    "MultigridGCN",
    "baselines",
]
