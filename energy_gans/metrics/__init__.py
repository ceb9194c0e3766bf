r"""The measures: of samples and features, never of models."""

from .mode_coverage import ModeCoverage
from .response import ResponseDistance

__all__ = ["ModeCoverage", "ResponseDistance"]
