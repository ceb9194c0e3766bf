r"""Measures of samples and their features, which know nothing of models."""

from . import features
from .image_metrics import (
    BirthdaySupport,
    DensityCoverage,
    FrechetDistance,
    InceptionScore,
    KernelDistance,
    PrecisionRecall,
)
from .mode_coverage import ModeCoverage
from .ngram_divergence import NGramDivergence
from .response import ResponseDistance

__all__ = [
    "BirthdaySupport",
    "DensityCoverage",
    "FrechetDistance",
    "InceptionScore",
    "KernelDistance",
    "ModeCoverage",
    "NGramDivergence",
    "PrecisionRecall",
    "ResponseDistance",
    "features",
]
