r"""The workbench: what a user does with a checkpoint."""

from .report import report
from .sample import sample

__all__ = ["report", "sample"]
