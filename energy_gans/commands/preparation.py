r"""One pass from a source to a prepared set.

The source is read once, in its order, by one thread; a pool of threads decodes, crops and resizes
chunks of images, and the chunks are written in the source's order again. So what is written does not
depend on the number of workers. (Pillow works without Python's lock: threads are as fast as
processes, and pass arrays without copying them.)
"""

from __future__ import annotations

import sys
import tempfile
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import PIL

from .. import __version__
from ..callbacks.progress import progress_bar
from ..data.preprocessing import Preprocessing
from ..data.sources import Record, Source
from ..data.writing import PreparedWriter
from ..functional.checks import check_count

OnError = Literal["fail", "skip"]

CHUNK = 64
# Chunks that are in work or wait to be written, for each worker.
AHEAD = 4
# The bytes of images in a chunk from which on it takes no more, and those of all chunks in work.
CHUNK_BYTES = 8 * 2**20
WORK_BYTES = 128 * 2**20
# Skipped images that are named on the terminal: the manifest names all.
NAMED = 5


@dataclass
class Chunk:
    r"""Creates some images of a source that were preprocessed.

    Arguments:
        records: The images that could be read, without what was read of them.
        arrays: Their pixels, uint8 with shape :math:`(3, S, S)` each.
        failures: The images that could not, and why.
    """

    records: list[Record]
    arrays: list[np.ndarray]
    failures: list[tuple[Record, str]]


@dataclass(frozen=True)
class Preparation:
    r"""Creates the preparation of a set, as a command asks for it.

    Arguments:
        name: The data set.
        source: Where its images are.
        out: The folder of the prepared set.
        preprocessing: What is done to each image.
        workers: The number of threads that decode.
        on_error: Whether an image that can not be read ends the run, or is left out and named.
        overwrite: Whether a prepared set in `out` may be replaced.
    """

    name: str
    source: str
    out: str
    preprocessing: Preprocessing
    workers: int
    on_error: OnError
    overwrite: bool

    def run(self, open_source: Callable[[Path, Path], Source]) -> dict[str, Any]:
        r"""Returns the manifest of the set, once it is written.

        Arguments:
            open_source: Returns the source of a path; its second argument is a scratch folder.

        Raises:
            ValueError: If the source does not fit, an image can not be read, or none can.
            OSError: If the set can not be written.
        """
        check_count("workers", self.workers)
        with PreparedWriter(Path(self.out), self.overwrite) as writer:
            with tempfile.TemporaryDirectory(dir=writer.part) as scratch:
                source = open_source(Path(self.source), Path(scratch))
                self.write(source, writer)
            for split in sorted(set(source.splits)):
                if split not in writer.splits:
                    name, reason = writer.skipped[split][0].values()
                    raise ValueError(
                        f"None of the {split} images of 'source' = {self.source!r} can be used: "
                        f"{name}: {reason}."
                    )
            return writer.finish(self.manifest(source))

    def write(self, source: Source, writer: PreparedWriter) -> None:
        r"""Writes all images of a source, in its order."""
        count = len(source.splits)
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
                    writer.append(split, images, labels)
                bar.update(len(chunk.records) + len(chunk.failures))

    def chunks(self, records: Iterable[Record]) -> Iterator[Chunk]:
        r"""Yields what becomes of the images, in their order, a few chunks ahead."""
        pending: deque[tuple[Future[Chunk], int]] = deque()
        pool = ThreadPoolExecutor(self.workers)
        try:
            for chunk, size in cut(records):
                pending.append((pool.submit(preprocess, self.preprocessing, chunk), size))
                while len(pending) > AHEAD * self.workers or (
                    sum(size for _, size in pending) > WORK_BYTES
                ):
                    yield pending.popleft()[0].result()
            while pending:
                yield pending.popleft()[0].result()
        finally:
            pool.shutdown(cancel_futures=True)

    def manifest(self, source: Source) -> dict[str, Any]:
        r"""Returns what the manifest says beside what it says of the arrays."""
        return {
            "name": self.name,
            "source": {"path": self.source, "kind": source.kind, "split": source.division},
            "preprocessing": {**self.preprocessing.manifest(), **source.options},
            "classes": source.classes,
            "versions": {
                "energy_gans": __version__,
                "pillow": PIL.__version__,
                "numpy": np.__version__,
                "python": sys.version.split()[0],
            },
        }

    def report(self, manifest: dict[str, Any], module: str, **options: Any) -> None:
        r"""Prints what was prepared, what was left out, and the lines of a config that use it.

        Arguments:
            manifest: The manifest.
            module: The data module that reads it.
            options: The data module's arguments beside `root` and `size`.
        """
        splits = manifest["splits"]
        counts = ", ".join(f"{about['count']} {name}" for name, about in splits.items())
        print(f"{self.out}: {counts} images of {self.preprocessing.size} pixels")
        skipped = [one for about in splits.values() for one in about["skipped"]]
        if skipped:
            print(f"{len(skipped)} images were skipped, which the manifest names:")
        for one in skipped[:NAMED]:
            print(f"  {one['name']}: {one['reason']}")
        arguments = {"root": self.out, **options, "size": self.preprocessing.size}
        inner = ", ".join(f"{key}: {value}" for key, value in arguments.items())
        print("To train on it:")
        print(f"data:\n  class_path: energy_gans.data.{module}\n  init_args: {{{inner}}}")


def cut(records: Iterable[Record]) -> Iterator[tuple[list[Record], int]]:
    r"""Yields images in chunks of at most `CHUNK`, and of few if they are large, and each chunk's bytes."""
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


def preprocess(preprocessing: Preprocessing, records: list[Record]) -> Chunk:
    r"""Returns the pixels of images, and the errors of those that can not be read."""
    chunk = Chunk([], [], [])
    for record in records:
        done = replace(record, image=b"")
        try:
            if isinstance(record.image, ValueError):
                raise record.image
            array = preprocessing(record.image)
        except ValueError as error:
            chunk.failures.append((done, str(error)))
        else:
            chunk.arrays.append(array)
            chunk.records.append(done)
    return chunk
