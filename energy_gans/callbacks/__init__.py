r"""Callbacks, which observe a model through `sample` and never change what it learns.

There are three exceptions: :class:`EMA` averages the sampled network, :class:`DivergenceGuard`
can roll a run back, and :class:`Compile` compiles networks. The command line adds
:class:`.save_config.SaveConfig` and :class:`.conditions.Conditions` to every run.
"""

from .checkpoints import Checkpoints
from .compile import Compile
from .curves_picture import CurvesPicture
from .divergence_guard import DivergenceGuard
from .ema import EMA
from .mixture_coverage import MixtureCoverage
from .non_finite_guard import NonFiniteGuard
from .response_curve import ResponseCurve
from .sample_measures import SampleMeasures
from .sample_pictures import SamplePictures
from .sample_writer import SampleWriter
from .step_progress import StepProgress
from .text_measures import TextMeasures
from .training_clock import TrainingClock

__all__ = [
    "EMA",
    "Checkpoints",
    "Compile",
    "CurvesPicture",
    "DivergenceGuard",
    "MixtureCoverage",
    "NonFiniteGuard",
    "ResponseCurve",
    "SampleMeasures",
    "SamplePictures",
    "SampleWriter",
    "StepProgress",
    "TextMeasures",
    "TrainingClock",
]
