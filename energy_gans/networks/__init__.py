r"""Networks: plain `torch.nn` modules that know no loss and no meaning of their outputs."""

from .autoencoder import Autoencoder
from .coulomb import CoulombDiscriminator, CoulombGenerator
from .dcgan import DCGANDiscriminator, DCGANGenerator
from .descriptor import ConvDescriptor
from .fourier import FourierMLP
from .frame import FRAME, GaborBank, VGGBank
from .ggcn import GGCNDescriptor, GGCNGenerator
from .mlp import MLP
from .multigrid import MultigridDescriptors
from .residual_text import ResidualTextDiscriminator, ResidualTextGenerator
from .resnet import ResNetAutoencoder, ResNetDescriptor, ResNetGenerator
from .wide_resnet import WideResNet

__all__ = [
    "FRAME",
    "MLP",
    "Autoencoder",
    "ConvDescriptor",
    "CoulombDiscriminator",
    "CoulombGenerator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "FourierMLP",
    "GGCNDescriptor",
    "GGCNGenerator",
    "GaborBank",
    "MultigridDescriptors",
    "ResNetAutoencoder",
    "ResNetDescriptor",
    "ResNetGenerator",
    "ResidualTextDiscriminator",
    "ResidualTextGenerator",
    "VGGBank",
    "WideResNet",
]
