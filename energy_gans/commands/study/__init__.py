r"""`energy-gans study FILE`: methods side by side, at one budget, with several seeds each.

A study file names settings (data, networks, trainer) and methods, both as overlays of `fit --config`,
and seeds. Each combination is a cell: a run of `fit`, `evaluate` and `sample` in a folder of its own.
A study that was stopped goes on where it was; several processes can share one.
"""

from .study import study

__all__ = ["study"]
