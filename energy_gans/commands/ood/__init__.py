r"""`energy-gans ood`: how well a model's potential tells real images from outliers."""

from .ood import ood

__all__ = ["ood"]
