r"""From a source to a prepared set, in one pass over the source.

One thread reads the source in its own order. A pool of threads decodes, crops and resizes chunks
of images, and the chunks are written in the order of the source, so the set does not depend on the
number of workers. Pillow releases Python's global lock, so threads are as fast as processes, and
they pass arrays without copying them.

If the source has no held-out images, :mod:`.held_out` chooses some by their contents, once all
images are read.
"""

from __future__ import annotations

import sys
import tempfile
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL
from PIL import Image

from ... import __version__
from ...checks import check_count
from ...terminal import progress_bar
from .held_out import ContentHashes, content_hash, draw_held_out
from .preprocessing import Preprocessing
from .sources import Record, Source, check_hold_out
from .writer import PreparedWriter

OnError = Literal["fail", "skip"]

CHUNK = 64
# Chunks that are decoded or wait to be written, for each worker.
AHEAD = 4
# A chunk with more bytes takes no further image; all chunks in work have about as many at most.
CHUNK_BYTES = 8 * 2**20
WORK_BYTES = 128 * 2**20


@dataclass
class _Chunk:
    r"""Preprocessed images of a source.

    Arguments:
        records: The records of the images, without their encoded contents.
        arrays: The pixels of the images, uint8 with shape :math:`(3, S, S)` each.
        hashes: The content hashes of the images.
        failures: The records of images that can not be read, and the reasons.
    """

    records: list[Record]
    arrays: list[np.ndarray]
    hashes: list[int]
    failures: list[tuple[Record, str]]


@dataclass(frozen=True)
class Pipeline:
    r"""Reads a source, preprocesses its images and writes them as a prepared set.

    Arguments:
        name: The name of the data set.
        source: The path of the source.
        out: The folder of the prepared set.
        preprocessing: The map from a picture to its pixels.
        workers: The number of threads that decode.
        on_error: What happens if an image can not be read: fail ends the run, skip leaves the
            image out and names it in the manifest.
        overwrite: Whether a prepared set in `out` may be replaced.
    """

    name: str
    source: str
    out: str
    preprocessing: Preprocessing
    workers: int = 2
    on_error: OnError = "fail"
    overwrite: bool = False

    def run(self, open_source: Callable[[Path, Path], Source]) -> dict[str, Any]:
        r"""Writes the set and returns its manifest.

        Arguments:
            open_source: Returns the source of a path; its second argument is a scratch folder.

        Returns:
            The manifest.

        Raises:
            ValueError: If the source does not have the expected layout, an image can not be read
                and `on_error` is `"fail"`, or no image of a split can be read.
            OSError: If the set can not be written.
        """
        check_count("workers", self.workers)
        with PreparedWriter(Path(self.out), self.overwrite) as writer, warnings.catch_warnings():
            # An image that is too large raises an error; Pillow would also warn of it.
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            with tempfile.TemporaryDirectory(dir=writer.part) as scratch:
                source = open_source(Path(self.source), Path(scratch))
                contents = self.write_images(source, writer)
            for split in sorted(set(source.splits)):
                if split not in contents.labels:
                    name, reason = writer.skipped[split][0].values()
                    raise ValueError(
                        f"None of the {split} images of 'source' = {self.source!r} can be used: "
                        f"{name}: {reason}."
                    )
            if source.hold_out:
                self.hold_out(writer, contents, source.hold_out)
            return writer.finish(self.describe(source, contents))

    def write_images(self, source: Source, writer: PreparedWriter) -> ContentHashes:
        r"""Writes all images of a source, in its order, and returns their classes and hashes."""
        count = len(source.splits)
        contents = ContentHashes()
        with progress_bar(count, "images", self.name) as bar:
            for chunk in self.chunks(source.records):
                for record, reason in chunk.failures:
                    if self.on_error == "fail":
                        raise ValueError(
                            f"{record.name} can not be used: {reason}. Add --on_error skip to "
                            "leave out such images; the manifest names them."
                        )
                    writer.skip(record.split, record.name, reason)
                for split in dict.fromkeys(record.split for record in chunk.records):
                    own = [i for i, record in enumerate(chunk.records) if record.split == split]
                    images = np.stack([chunk.arrays[i] for i in own])
                    labels = np.array([chunk.records[i].label for i in own], np.int64)
                    writer.append(None if source.hold_out else split, images, labels)
                    hashes = [chunk.hashes[i] for i in own]
                    names = [chunk.records[i].name for i in own]
                    contents.append(split, labels, hashes, names)
                bar.update(len(chunk.records) + len(chunk.failures))
        return contents

    def hold_out(self, writer: PreparedWriter, contents: ContentHashes, hold_out: int) -> None:
        r"""Moves one in `hold_out` of the written images to the validation split.

        Raises:
            ValueError: If there are fewer images, or all images of each class are copies.
        """
        labels, hashes = contents.training()
        check_hold_out(self.source, len(labels), hold_out)
        held_out = draw_held_out(labels, hashes, hold_out)
        if not held_out.any():
            raise ValueError(
                f"No image of 'source' = {self.source!r} can be held out: all of a class have the "
                "same contents."
            )
        with progress_bar(len(labels), "images", "splits") as bar:
            for n in writer.assign(held_out):
                bar.update(n)

    def chunks(self, records: Iterable[Record]) -> Iterator[_Chunk]:
        r"""Yields the preprocessed images in their order, and works a few chunks ahead."""
        pending: deque[tuple[Future[_Chunk], int]] = deque()
        pool = ThreadPoolExecutor(self.workers)
        try:
            for chunk, size in _cut_into_chunks(records):
                pending.append((pool.submit(_preprocess_chunk, self.preprocessing, chunk), size))
                while len(pending) > AHEAD * self.workers or (
                    sum(size for _, size in pending) > WORK_BYTES
                ):
                    yield pending.popleft()[0].result()
            while pending:
                yield pending.popleft()[0].result()
        finally:
            pool.shutdown(cancel_futures=True)

    def describe(self, source: Source, contents: ContentHashes) -> dict[str, Any]:
        r"""Returns the keys of the manifest that do not describe the array files."""
        copies, held_out_copies = contents.copies()
        return {
            "name": self.name,
            "source": {
                "path": self.source,
                "kind": source.kind,
                "split": source.split_rule,
                "left_out": [{"name": name, "reason": why} for name, why in source.left_out],
                "copies": copies,
                "held_out_copies": held_out_copies,
            },
            "preprocessing": {**self.preprocessing.manifest(), **source.options},
            "classes": source.classes,
            "versions": {
                "energy_gans": __version__,
                "pillow": PIL.__version__,
                "numpy": np.__version__,
                "python": sys.version.split()[0],
            },
        }


def _cut_into_chunks(records: Iterable[Record]) -> Iterator[tuple[list[Record], int]]:
    r"""Yields chunks of images and the bytes of each chunk.

    A chunk has at most `CHUNK` images, and ends at the first image after `CHUNK_BYTES` bytes.
    """
    chunk: list[Record] = []
    size = 0
    for record in records:
        chunk.append(record)
        size += 0 if isinstance(record.image, ValueError) else memoryview(record.image).nbytes
        if len(chunk) == CHUNK or size > CHUNK_BYTES:
            yield chunk, size
            chunk, size = [], 0
    if chunk:
        yield chunk, size


def _preprocess_chunk(preprocessing: Preprocessing, records: list[Record]) -> _Chunk:
    r"""Preprocesses images, and collects the errors of those that can not be read."""
    chunk = _Chunk([], [], [], [])
    for record in records:
        without_image = replace(record, image=b"")
        try:
            if isinstance(record.image, ValueError):
                raise record.image
            array = preprocessing(record.image)
        except ValueError as error:
            chunk.failures.append((without_image, str(error)))
        else:
            chunk.arrays.append(array)
            chunk.hashes.append(content_hash(record.image))
            chunk.records.append(without_image)
    return chunk
