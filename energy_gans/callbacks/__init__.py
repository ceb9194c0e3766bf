r"""The observers: they look at a model through `sample` and never change what it learns."""

from .checkpoints import Checkpoints
from .clock import TrainingClock
from .coverage import MixtureCoverage
from .curves import CurvesPicture
from .divergence import DivergenceGuard
from .ema import EMA
from .guard import NonFiniteGuard
from .measures import SampleMeasures
from .progress import StepProgress
from .response import ResponseCurve
from .samples import SamplePictures
from .writer import SampleWriter

__all__ = [
    "EMA",
    "Checkpoints",
    "CurvesPicture",
    "DivergenceGuard",
    "MixtureCoverage",
    "NonFiniteGuard",
    "ResponseCurve",
    "SampleMeasures",
    "SamplePictures",
    "SampleWriter",
    "StepProgress",
    "TrainingClock",
]
