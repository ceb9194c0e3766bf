r"""What a run leaves on the disk, read back. Nothing in these files is ever run."""

from .checkpoint import AtomicCheckpointIO, load_checkpoint, load_model
from .rebuild import Rebuilder, packages_beyond

__all__ = ["AtomicCheckpointIO", "Rebuilder", "load_checkpoint", "load_model", "packages_beyond"]
