r"""The files of a run, written and read back. Reading a file never runs code that it names.

- :mod:`.training_directory`: the directory that a trainer writes to, and its lock
- :mod:`.saved_run`: a directory read back, with its checkpoints, data and curves
- :mod:`.checkpoint`, :mod:`.rebuild`, :mod:`.argument_types`: checkpoints, and the models that
  they describe
- :mod:`.resume`: continuing a run in its directory
- :mod:`.curves`, :mod:`.stamps`, :mod:`.arrays`: logged numbers, measures, samples
"""

from .checkpoint import AtomicCheckpointIO, load_checkpoint, load_model, step_of
from .rebuild import Rebuilder, packages_beyond
from .saved_run import find_checkpoint

__all__ = [
    "AtomicCheckpointIO",
    "Rebuilder",
    "find_checkpoint",
    "load_checkpoint",
    "load_model",
    "packages_beyond",
    "step_of",
]
