r"""`energy-gans export`: a model as a folder to share."""

from .export import export

__all__ = ["export"]
