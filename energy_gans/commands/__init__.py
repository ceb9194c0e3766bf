r"""The workbench: what a user does with a checkpoint, with data, and with numbers."""

from ..storage.checkpoint import load_model
from .compare import compare
from .evaluate.evaluate import evaluate
from .inpaint.inpaint import inpaint
from .interpolate import interpolate
from .landscape import landscape
from .ood.ood import ood
from .report import report
from .sample import sample
from .synthesize import synthesize

__all__ = [
    "compare",
    "evaluate",
    "inpaint",
    "interpolate",
    "landscape",
    "load_model",
    "ood",
    "report",
    "sample",
    "synthesize",
]
