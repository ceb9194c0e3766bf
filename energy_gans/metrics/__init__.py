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
from .response import ResponseDistance

__all__ = [
    "BirthdaySupport",
    "DensityCoverage",
    "FrechetDistance",
    "InceptionScore",
    "KernelDistance",
    "ModeCoverage",
    "PrecisionRecall",
    "ResponseDistance",
    "features",
]
