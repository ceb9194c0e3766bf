r"""`energy-gans inpaint`: held-out images with holes, filled by a model."""

from .inpaint import inpaint

__all__ = ["inpaint"]
