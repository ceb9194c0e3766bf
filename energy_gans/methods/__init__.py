r"""The methods, each a LightningModule that applies `functional` to networks.

`Chains` and `Flow` describe how samples move; the constructors of `GCN`, `GGCN`, `InpaintingGGCN`
and `MultigridGCN` take `chains`, that of `VAPO` takes `flow`. A method of one's own inherits from
`GenerativeModule`.
"""

from . import baselines
from .bases.generative import GenerativeModule
from .coulomb_gan import CoulombGAN
from .eieg_gan import EIEGGAN
from .eieg_generator import EIEGGenerator
from .field_generator import FieldGenerator
from .gcn import GCN
from .ggcn import GGCN
from .inpainting import InpaintingGGCN
from .multigrid import MultigridGCN
from .ngram_generator import NGramGenerator
from .parts.chains import Chains
from .parts.flow_solver import Flow
from .scattering_gan import ScatteringGAN
from .vapo import VAPO

__all__ = [
    "EIEGGAN",
    "GCN",
    "GGCN",
    "VAPO",
    "Chains",
    "CoulombGAN",
    "EIEGGenerator",
    "FieldGenerator",
    "Flow",
    "GenerativeModule",
    "InpaintingGGCN",
    "MultigridGCN",
    "NGramGenerator",
    "ScatteringGAN",
    "baselines",
]
