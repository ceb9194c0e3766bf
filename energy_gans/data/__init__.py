r"""Data sets: LightningDataModules with a `shape` and batches `(y, label)`.

- `base.py`: what all data modules share; `batches.py`: which samples are in which batch.
- `images.py`: what data modules of images share; `plane.py`: points in the plane, drawn.
- `own.py`, `own_samples.py`: data sets and loaders of the user's own.
- `sets/`: one data set a file.
- `workers.py`: batches that worker processes read.
- `prepared/`: image sets that `energy-gans data prepare` writes, and how it writes them.
"""

from .base import TensorDataModule
from .images import ImageDataModule
from .own import FromDataset, FromLoader
from .plane import GaussianMixture, Grid, Moons, Ring, Spirals, TwoModes
from .sets.celeba import CelebA
from .sets.cifar import CIFAR10, CIFAR100
from .sets.digits import EmbeddedDigits
from .sets.embedded_text import EmbeddedText
from .sets.image_folder import ImageFolder
from .sets.lsun import LSUN
from .sets.mnist import MNIST, FashionMNIST
from .sets.svhn import SVHN
from .sets.text import TextLines
from .sets.tiny_imagenet import TinyImageNet

__all__ = [
    "CIFAR10",
    "CIFAR100",
    "LSUN",
    "MNIST",
    "SVHN",
    "CelebA",
    "EmbeddedDigits",
    "EmbeddedText",
    "FashionMNIST",
    "FromDataset",
    "FromLoader",
    "GaussianMixture",
    "Grid",
    "ImageDataModule",
    "ImageFolder",
    "Moons",
    "Ring",
    "Spirals",
    "TensorDataModule",
    "TextLines",
    "TinyImageNet",
    "TwoModes",
]
