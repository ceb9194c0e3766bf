r"""The measures: of samples and features, never of models."""

from .mode_coverage import ModeCoverage

__all__ = ["ModeCoverage"]
