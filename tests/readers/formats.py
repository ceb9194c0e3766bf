r"""Every reader of files in the package, by name."""

from .reader import Reader
from .runs import RUNS
from .sets import SETS

READERS: dict[str, Reader] = SETS | RUNS
