r"""The data: each set a LightningDataModule with a `shape`, batches `(y, label)`."""

from .base import TensorDataModule
from .celeba import CelebA
from .cifar import CIFAR10, CIFAR100
from .curves import Moons, Spirals
from .digits import EmbeddedDigits
from .image_folder import ImageFolder
from .images import ImageDataModule
from .lsun import LSUN
from .mixtures import GaussianMixture, Grid, Ring, TwoModes
from .mnist import MNIST, FashionMNIST
from .svhn import SVHN
from .tiny_imagenet import TinyImageNet

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "LSUN",
    "MNIST",
    "SVHN",
    "CelebA",
    "EmbeddedDigits",
    "FashionMNIST",
    "GaussianMixture",
    "Grid",
    "ImageDataModule",
    "ImageFolder",
    "Moons",
    "Ring",
    "Spirals",
    "TensorDataModule",
    "TinyImageNet",
    "TwoModes",
]
