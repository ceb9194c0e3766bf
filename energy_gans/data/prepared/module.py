r"""Sets of images that `energy-gans data prepare` writes, and some that are read as they come.

A prepared set says in its manifest how it was made; a data module says in its arguments how its set
should have been made. They have to agree.
"""

from __future__ import annotations

import hashlib
import shlex
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

from lightning.pytorch.utilities import rank_zero_warn

from ...checks import check_count
from ..base import Batch, Samples
from ..images import ImageDataModule, resize_to
from .manifest import description, is_prepared, read_manifest
from .reader import open_prepared, split_digest, verify_command
from .sums import rows_to_check


class StoredImages(ImageDataModule):
    r"""Creates a data module of RGB images that were prepared in a folder.

    They are read as they are needed: the set opens at once and takes no memory.

    Arguments:
        root: The folder.
        size: The width and height of the images, in pixels.
        kwargs: The arguments of :class:`ImageDataModule`.

    Raises:
        FileNotFoundError: If the folder holds no set.
        ValueError: If it holds one that was prepared otherwise.
    """

    # The set's name in `energy-gans data prepare NAME` and in manifests.
    command: ClassVar[str]
    # What people have to get, by the names that it has where they get it.
    files: ClassVar[str]
    # The file or folder that the command prepares.
    source: ClassVar[str]

    def __init__(self, root: str, size: int = 64, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        check_count("size", size)
        self.root, self.size = Path(root), size

    @property
    def shape(self) -> tuple[int, ...]:
        return (3, self.size, self.size)

    @property
    def preprocessing(self) -> dict[str, Any]:
        r"""What the set should have been prepared with, by the names of the command's options."""
        return {"size": self.size}

    @cached_property
    def manifest(self) -> dict[str, Any] | None:
        r"""The manifest of the set that was prepared in `root`, or `None` if there is none."""
        if not is_prepared(self.root):
            return None
        manifest = read_manifest(self.root)
        self.check_manifest(manifest)
        return manifest

    def check_manifest(self, manifest: dict[str, Any]) -> None:
        r"""Raises a `ValueError` unless a set was prepared as this data module says."""
        root = f"'data.init_args.root' = {str(self.root)!r}"
        # A folder of images may be any set.
        if self.command not in (manifest["name"], "folder"):
            raise ValueError(
                f"{root} holds the set {manifest['name']!r}, not {self.command!r}: choose another "
                f"folder, and prepare the set there if it holds none. {self.missing_message()}"
            )
        for option, wanted in self.preprocessing.items():
            found = manifest["preprocessing"].get(option)
            if found != wanted:
                again = self.prepare_command(
                    manifest["source"]["path"], Path(f"{self.root}_{wanted}")
                )
                raise ValueError(
                    f"'data.init_args.{option}' is {wanted!r}, but the set in {root} was prepared "
                    f"with {found!r}: change it, or prepare another set: {again}"
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
                f"The images in {str(self.root)!r}, prepared before rows had sums, are not checked at the "
                f"start: `{verify_command(self.root)}` checks them all."
            )
        # The images beyond `limit` are never read.
        n = len(prepared.labels)
        n = n if split != "train" or self.limit is None else min(n, self.limit)
        prepared.check_rows(rows_to_check(n, self.seed, split))
        return prepared.images, prepared.labels

    def load_unprepared(self, split: str) -> Samples:
        r"""Returns the images and the labels of a split of a set that was not prepared.

        Raises:
            FileNotFoundError: If there is none.
        """
        raise FileNotFoundError(self.missing_message())

    def missing_message(self) -> str:
        r"""Returns what to do if `root` holds no set."""
        source = self.root.parent / self.source
        return (
            f"There is no prepared {type(self).__name__} in 'data.init_args.root' = "
            f"{str(self.root)!r}: get {self.files}, put it into {str(self.root.parent)!r} and run: "
            f"{self.prepare_command(source, self.root)}"
        )

    def prepare_command(self, source: Path | str, out: Path) -> str:
        r"""Returns the command that prepares in `out` what this data module reads."""
        options = {"source": source, "out": out, **self.preprocessing}
        words = [word for name, value in options.items() for word in (f"--{name}", str(value))]
        return shlex.join(["energy-gans", "data", "prepare", self.command, *words])

    def fingerprint(self, split: str) -> str:
        if self.manifest is None:
            return super().fingerprint(split)
        n, digest = self.length(split), split_digest(self.manifest["splits"][split])
        said = f"{digest} {n} {description(self.manifest)}".rstrip()
        return hashlib.sha256(said.encode()).hexdigest()


def root_message(error: Exception) -> str:
    r"""Returns what an error says of a source, which is the `root` of a data module."""
    return str(error).replace("'source' = ", "'data.init_args.root' = ")


class OriginalImages(StoredImages):
    r"""Creates a data module of images whose original files are small enough for memory.

    Arguments:
        root: The folder that holds the original files, which are read into memory, or a prepared
            set.
        size: The width and height of the images, in pixels: 32, or what they are resized to.
        download: Whether the original files may be downloaded from their home if they are missing.
        kwargs: The arguments of :class:`ImageDataModule`.

    Raises:
        FileNotFoundError: If files are missing and `download` is false.
        ValueError: If `root` holds a set that was prepared otherwise.
    """

    def __init__(
        self, root: str = "data", size: int = 32, download: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(root, size, **kwargs)
        self.download = download

    def originals(self, split: str) -> Batch:
        r"""Returns the images as they come, with shape :math:`(N, 3, 32, 32)`, and the labels.

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
            f"A set that opens at once, in a folder of its own, is made from it by: "
            f"{self.prepare_command(self.root, out)}"
        )
