r"""Data sets: LightningDataModules with a `shape` and batches `(y, label)`.

- `base.py`: what all data modules share; `batches.py`: which samples are in which batch.
- `images.py`: what data modules of images share; `plane.py`: points in the plane, drawn.
- `sets/`: one data set a file.
- `prepared/`: image sets that `energy-gans data prepare` writes, and how it writes them.
"""

from .base import TensorDataModule
from .images import ImageDataModule
from .plane import GaussianMixture, Grid, Moons, Ring, Spirals, TwoModes
from .sets.celeba import CelebA
from .sets.cifar import CIFAR10, CIFAR100
from .sets.digits import EmbeddedDigits
from .sets.image_folder import ImageFolder
from .sets.lsun import LSUN
from .sets.mnist import MNIST, FashionMNIST
from .sets.svhn import SVHN
from .sets.tiny_imagenet import TinyImageNet

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
