r"""Base classes of the data modules that read prepared sets.

The manifest of a prepared set says how the images were preprocessed. The arguments of a data
module say which preprocessing it expects. A set that differs is refused.
"""

from __future__ import annotations

import hashlib
import shlex
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch.utilities import rank_zero_warn

from ...checks import check_count
from ..base import Batch, Samples, TensorDataModule
from ..images import ImageDataModule, resize_to
from .manifest import description, is_prepared, read_manifest
from .reader import open_prepared, split_digest, verify_command
from .sums import rows_to_check


class StoredSet(TensorDataModule):
    r"""What data modules of prepared sets share. Each sets its `root` itself.

    Opening a set reads no samples. Each batch reads its own samples, so a set takes no memory.
    """

    root: Path
    # The set's name in `energy-gans data prepare NAME` and in manifests.
    command: ClassVar[str]
    # The files that a user has to get, as their publishers name them.
    files: ClassVar[str]
    # The file or folder that the command prepares.
    source: ClassVar[str]

    @property
    def preprocessing(self) -> dict[str, Any]:
        r"""The expected preprocessing, by the names of the prepare command's options."""
        raise NotImplementedError

    @cached_property
    def manifest(self) -> dict[str, Any] | None:
        r"""The manifest of the prepared set in `root`, or `None` if there is none."""
        if not is_prepared(self.root):
            return None
        manifest = read_manifest(self.root)
        self.check_manifest(manifest)
        return manifest

    def check_manifest(self, manifest: dict[str, Any]) -> None:
        r"""Raises a `ValueError` unless a set is the one that the arguments describe."""
        root = f"'data.init_args.root' = {str(self.root)!r}"
        # An `ImageFolder`, whose command is "folder", reads any set.
        if self.command not in (manifest["name"], "folder"):
            raise ValueError(
                f"{root} holds the set {manifest['name']!r}, not {self.command!r}: choose another "
                f"folder, and prepare the set there if it holds none. {self.missing_message()}"
            )
        for option, expected in self.preprocessing.items():
            found = manifest["preprocessing"].get(option)
            if found != expected:
                again = self.prepare_command(
                    manifest["source"]["path"], Path(f"{self.root}_{expected}")
                )
                raise ValueError(
                    f"'data.init_args.{option}' is {expected!r}, but the set in {root} was "
                    f"prepared with {found!r}: change it, or prepare another set: {again}"
                )

    @property
    def splits(self) -> tuple[str, ...]:
        if self.manifest is None:
            return super().splits
        return tuple(s for s in ("train", "val", "test") if s in self.manifest["splits"])

    @property
    def classes(self) -> list[str]:
        return [] if self.manifest is None else list(self.manifest["classes"])

    def load(self, split: str) -> Samples:
        if self.manifest is None:
            return self.load_unprepared(split)
        prepared = open_prepared(self.root, split)
        if prepared.sums is None:
            rank_zero_warn(
                f"The samples in {str(self.root)!r}, prepared before rows had checksums, are not "
                f"checked at the start: `{verify_command(self.root)}` checks them all."
            )
        # Samples beyond `limit` are never read.
        n = len(prepared.labels)
        n = n if split != "train" or self.limit is None else min(n, self.limit)
        prepared.check_rows(rows_to_check(n, self.seed, split))
        return prepared.images, prepared.labels

    def load_unprepared(self, split: str) -> Samples:
        r"""Returns the samples and the labels of a split if `root` holds no prepared set.

        Raises:
            FileNotFoundError: If `root` does not hold the original files either.
        """
        raise FileNotFoundError(self.missing_message())

    def missing_message(self) -> str:
        r"""Returns the error message for a `root` without the set: what to get and to run."""
        source = self.root.parent / self.source
        return (
            f"There is no prepared {type(self).__name__} in 'data.init_args.root' = "
            f"{str(self.root)!r}: get {self.files}, put it into {str(self.root.parent)!r} and "
            f"run: {self.prepare_command(source, self.root)}"
        )

    def prepare_command(self, source: Path | str, out: Path) -> str:
        r"""Returns the command that prepares the set of this data module in `out`."""
        options = {"source": source, "out": out, **self.preprocessing}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return shlex.join(["energy-gans", "data", "prepare", self.command, *words])

    def fingerprint(self, split: str) -> str:
        if self.manifest is None:
            return super().fingerprint(split)
        n, digest = self.length(split), split_digest(self.manifest["splits"][split])
        identity = f"{digest} {n} {description(self.manifest)}".rstrip()
        return hashlib.sha256(identity.encode()).hexdigest()


class StoredImages(StoredSet, ImageDataModule):
    r"""Base class of data modules of RGB images in a prepared set.

    Arguments:
        root: The folder.
        size: The width and height of the images, in pixels.
        kwargs: The arguments of :class:`ImageDataModule`.

    Raises:
        FileNotFoundError: If the folder holds no prepared set.
        ValueError: If the folder holds another set, or one with another preprocessing.
    """

    def __init__(self, root: str, size: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_count("size", size)
        self.root, self.size = Path(root), size

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.size, self.size)

    @property
    def preprocessing(self) -> dict[str, Any]:
        return {"size": self.size}


def root_message(error: Exception) -> str:
    r"""Returns an error's message with `source` replaced by the data module's `root`."""
    return str(error).replace("'source' = ", "'data.init_args.root' = ")


class OriginalImages(StoredImages):
    r"""Base class of data modules that read a prepared set, or the original files into memory.

    Arguments:
        root: The folder that holds the original files or a prepared set.
        size: The width and height of the images, in pixels; other sizes than 32 resize the images.
        download: Whether missing original files may be downloaded from their publisher.
        kwargs: The arguments of :class:`ImageDataModule`.

    Raises:
        FileNotFoundError: If files are missing and `download` is false.
        ValueError: If `root` holds another prepared set, or one with another preprocessing.
    """

    def __init__(
        self, root: str = "data", size: int = 32, download: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(root, size, **kwargs)
        self.download = download

    def originals(self, split: str) -> Batch:
        r"""Returns the original images, uint8 with shape :math:`(N, 3, 32, 32)`, and the labels.

        Raises:
            FileNotFoundError: If files are missing.
        """
        raise NotImplementedError

    def load_unprepared(self, split: str) -> Batch:
        try:
            y, label = self.originals(split)
        except FileNotFoundError as error:
            raise FileNotFoundError(self.missing_message()) from error
        except ValueError as error:
            raise ValueError(root_message(error)) from error
        return resize_to(y, self.size), label

    def missing_message(self) -> str:
        out = self.root / f"{self.command}_{self.size}"
        return (
            f"{type(self).__name__} is not in 'data.init_args.root' = {str(self.root)!r}: it "
            f"should hold {self.files}. Put that there, or set 'data.init_args.download' to true. "
            f"To prepare it once, in a folder that opens at once: "
            f"{self.prepare_command(self.root, out)}"
        )
