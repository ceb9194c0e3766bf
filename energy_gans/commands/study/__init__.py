r"""`energy-gans study FILE`: methods side by side, at one budget, with several seeds each.

A study file lists settings (data, networks, trainer) and methods, both as configs of `fit
--config`, and seeds. Each combination is a cell: a run of `fit`, `evaluate` and `sample` in a
folder of its own. A study that is started again continues with the unfinished cells, and several
processes can share one.
"""

from .study import study

__all__ = ["study"]
