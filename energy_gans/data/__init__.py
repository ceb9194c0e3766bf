r"""The data: each set a LightningDataModule with a `shape`, batches `(y, label)`."""

from .base import TensorDataModule
from .curves import Moons, Spirals
from .digits import EmbeddedDigits
from .image_folder import ImageFolder
from .mixtures import GaussianMixture, Grid, Ring, TwoModes
from .mnist import MNIST, FashionMNIST

__all__ = [
    "MNIST",
    "EmbeddedDigits",
    "FashionMNIST",
    "GaussianMixture",
    "Grid",
    "ImageFolder",
    "Moons",
    "Ring",
    "Spirals",
    "TensorDataModule",
    "TwoModes",
]
