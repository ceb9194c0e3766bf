r"""Measures of samples and their features, which know nothing of models."""

from .mode_coverage import ModeCoverage
from .response import ResponseDistance

__all__ = ["ModeCoverage", "ResponseDistance"]
