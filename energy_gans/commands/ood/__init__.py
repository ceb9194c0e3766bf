r"""`energy-gans ood`: whether a potential tells real images from those of another kind."""

from .ood import ood

__all__ = ["ood"]
