r"""The workbench: what a user does with a checkpoint, with data, and with numbers."""

from .checkpoint import load_model
from .compare import compare
from .evaluate import evaluate
from .report import report
from .sample import sample

__all__ = ["compare", "evaluate", "load_model", "report", "sample"]
