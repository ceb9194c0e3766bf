r"""`energy-gans features`: classifiers of data sets, and pictures of a method's feature space."""

from .picture import picture
from .train import train

__all__ = ["picture", "train"]
