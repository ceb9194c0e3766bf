r"""The workbench: what a user does with a checkpoint."""

from .checkpoint import load_model
from .report import report
from .sample import sample

__all__ = ["load_model", "report", "sample"]
