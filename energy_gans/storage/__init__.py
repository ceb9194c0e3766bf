r"""What a run leaves on the disk, read back. Nothing in these files is ever run."""

from .checkpoint import AtomicCheckpointIO, load_checkpoint, load_model, step_of
from .rebuild import Rebuilder, packages_beyond
from .run import find_checkpoint

__all__ = [
    "AtomicCheckpointIO",
    "Rebuilder",
    "find_checkpoint",
    "load_checkpoint",
    "load_model",
    "packages_beyond",
    "step_of",
]
