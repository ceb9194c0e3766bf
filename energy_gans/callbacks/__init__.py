r"""The observers: they look at a model through `sample` and never change what it learns."""

from .checkpoints import Checkpoints
from .coverage import MixtureCoverage
from .curves import CurvesPicture
from .ema import EMA
from .frechet import FrechetDistance
from .guard import NonFiniteGuard
from .progress import StepProgress
from .samples import SamplePictures
from .writer import SampleWriter

__all__ = [
    "EMA",
    "Checkpoints",
    "CurvesPicture",
    "FrechetDistance",
    "MixtureCoverage",
    "NonFiniteGuard",
    "SamplePictures",
    "SampleWriter",
    "StepProgress",
]
