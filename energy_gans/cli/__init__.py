r"""The command line: `energy-gans COMMAND`, and `main`, which runs a command from Python."""

from .main import main

__all__ = ["main"]
