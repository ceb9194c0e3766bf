r"""`energy-gans evaluate`: how far a model's samples, or any program's, are from real data."""

from .evaluate import evaluate

__all__ = ["evaluate"]
