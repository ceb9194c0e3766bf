r"""Folders of images: a prepared set, or image files that worker processes read and decode.

:class:`ImageFolder` reads both. The pixels and labels of the files equal those that
`energy-gans data prepare folder` writes.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor
from torch.utils.data import Dataset

from ..base import Batch, Samples
from ..prepared.held_out import content_hash, draw_held_out
from ..prepared.manifest import canonical_json
from ..prepared.module import StoredImages, root_message
from ..prepared.preprocessing import Crop, Preprocessing
from ..prepared.sources.catalog import HOLD_OUT
from ..prepared.sources.folders import Labels, find_empty_classes, folder_layout
from ..prepared.sources.picture_files import Pictures, find_pictures
from ..prepared.sources.records import NothingFound
from ..workers import WorkerLoader


class _FileImages(Dataset):
    r"""Image files of a split, decoded when they are indexed.

    `images[i]` with a list of :math:`B` indices returns images, uint8 with shape
    :math:`(B, 3, S, S)`, and labels. If a file can not be used, the error is returned instead of
    raised: the process that trains raises it without the traceback of a worker process.

    Arguments:
        pictures: The pictures of a folder.
        split: The split.
        preprocessing: The map from a picture to its pixels.
    """

    def __init__(self, pictures: Pictures, split: str, preprocessing: Preprocessing) -> None:
        self.folder, self.preprocessing = pictures.container, preprocessing
        own = [(name, label) for name, (of, label) in pictures.assignments.items() if of == split]
        self.names, self.labels = [name for name, _ in own], [label for _, label in own]

    def __len__(self) -> int:
        return len(self.names)

    def __getitem__(self, i: list[int]) -> Batch | ValueError:
        size = self.preprocessing.size
        y = torch.empty(len(i), 3, size, size, dtype=torch.uint8)
        names = [self.names[k] for k in i]
        for image, (name, contents) in zip(y, self.folder.read(names), strict=True):
            try:
                if isinstance(contents, ValueError):
                    raise contents
                image.copy_(torch.from_numpy(self.preprocessing(contents)))
            except ValueError as error:
                return ValueError(f"{self.folder.path / name} can not be used: {error}.")
        return y, torch.tensor([self.labels[k] for k in i], dtype=torch.int64)


class ImageFolder(StoredImages):
    r"""Data module of image files, or of any prepared set.

    Images have the shape :math:`(3, S, S)`, with :math:`S` = `size`.

    Image files are decoded in every epoch, which takes far longer than a training step of a small
    network. `energy-gans data prepare folder` decodes them once, to the same pixels and labels.

    Arguments:
        root: The folder that holds a prepared set, or `train/<class>/*.jpg` and
            `val/<class>/*.jpg` (or PNG, WebP). If it holds pictures without these splits,
            `<class>/*.jpg` or `*.jpg`, one in 20 is held out for validation. They are those that
            a prepared set holds out, which depend on the contents of all files.
        size: The width and height of the images, in pixels.
        num_workers: The number of worker processes that read image files, at most that of CPUs.
        crop: The part of a picture that is kept. The default is the centre square for image files
            and any crop for a prepared set.
        labels: The folder that is a picture's class: `"first"`, the first one within the split's
            folder; `"last"`, the one that holds the picture; or `"none"`. The default is `"first"`
            for image files and any choice for a prepared set.
        kwargs: The arguments of :class:`ImageDataModule`.

    Raises:
        FileNotFoundError: If a folder is missing or holds no images.
        ValueError: If a prepared set has another size, crop or choice of labels, or folders in
            different places would become one class.
    """

    command = "folder"

    def __init__(
        self,
        root: str,
        size: int = 64,
        num_workers: int = 4,
        crop: Crop | None = None,
        labels: Labels | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(root, size, **kwargs)
        self.num_workers, self.crop, self.labels = num_workers, crop, labels
        # Both check their arguments, before any file is read.
        self.decoding = Preprocessing(size, crop or "square")
        self.layout = folder_layout(labels or "first")

    @property
    def preprocessing(self) -> dict[str, Any]:
        given = {"crop": self.crop, "labels": self.labels, **super().preprocessing}
        return {option: value for option, value in given.items() if value is not None}

    @property
    def classes(self) -> list[str]:
        return super().classes if self.manifest is not None else self.pictures.classes

    @cached_property
    def pictures(self) -> Pictures:
        r"""The image files in `root`."""
        if not self.root.is_dir():
            raise FileNotFoundError(f"{self.missing_message()}: there is no such folder.")
        try:
            found = find_pictures(self.root, self.layout, "pictures", hold_out=2)
        except NothingFound as error:
            raise FileNotFoundError(f"{self.missing_message()}: {root_message(error)}") from error
        except ValueError as error:
            raise ValueError(root_message(error)) from error
        if found.hold_out:
            found = self.hold_out(found)
        if self.labels in (None, "first") and (empty := find_empty_classes(found)):
            raise FileNotFoundError(f"{self.missing_message()}: {empty[0]!r} has no picture.")
        if found.left_out:
            name, reason = found.left_out[0]
            rank_zero_warn(
                f"{len(found.left_out)} names in {str(self.root)!r} were left out, "
                f"as {name!r}: {reason}."
            )
        return found

    def hold_out(self, found: Pictures) -> Pictures:
        r"""Holds out one in `HOLD_OUT` pictures by their contents, as a prepared set does.

        Returns:
            The pictures, as training and held-out ones.

        Raises:
            FileNotFoundError: If there are fewer pictures, or all of each class have one content.
            ValueError: If a file can not be read.
        """
        names, hashes = list(found.assignments), {}
        if len(names) < HOLD_OUT:
            raise FileNotFoundError(
                f"{self.missing_message()}: it has no held-out images, and {len(names)}, fewer "
                f"than {HOLD_OUT}, to hold some out."
            )
        for name, contents in found.container.read(names):
            if isinstance(contents, ValueError):
                raise ValueError(f"{found.container.path / name} can not be used: {contents}.")
            hashes[name] = content_hash(contents)
        labels = np.array([label for _, label in found.assignments.values()])
        held_out = draw_held_out(
            labels, np.array([hashes[name] for name in names], np.uint64), HOLD_OUT
        )
        if not held_out.any():
            raise FileNotFoundError(
                f"{self.missing_message()}: all pictures of a class have the same contents, and "
                "none can be held out."
            )
        splits = np.where(held_out, "val", "train").tolist()
        return replace(
            found,
            assignments=dict(zip(names, zip(splits, labels.tolist(), strict=True), strict=True)),
            hold_out=0,
        )

    def missing_message(self) -> str:
        out = Path(f"{self.root}_{self.size}") if self.root.exists() else self.root
        return (
            f"'data.init_args.root' = {str(self.root)!r} should hold train/<class>/*.jpg and "
            "val/<class>/*.jpg, or a prepared set, as "
            f"{self.prepare_command('FOLDER', out)!r} makes one"
        )

    def load_unprepared(self, split: str) -> Samples:
        files = _FileImages(self.pictures, split, self.decoding)
        return files, torch.tensor(files.labels)

    def loader(self, split: str, order: Iterable[Tensor]) -> Iterable[Batch]:
        if self.manifest is not None:
            return super().loader(split, order)
        return WorkerLoader(self.contents(split)[0], order, self.num_workers)

    def fingerprint(self, split: str) -> str:
        r"""Returns a SHA-256 of the files' names, sizes and times, and of the preprocessing."""
        if self.manifest is not None:
            return super().fingerprint(split)
        files, _ = self.contents(split)
        digest = hashlib.sha256(canonical_json(self.decoding.manifest()))
        for name, label in zip(files.names[: self.length(split)], files.labels, strict=False):
            found = (self.root / name).stat()
            digest.update(
                f"{name} {label} {found.st_size} {found.st_mtime_ns}\n".encode(
                    errors="surrogatepass"
                )
            )
        return digest.hexdigest()
