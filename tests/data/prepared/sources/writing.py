r"""Writers of pictures and of small sources in the layouts of published data sets."""

import contextlib
import io
import signal
import tarfile
import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from energy_gans.data.prepared.sources import Source


def picture(value: int, kind: str = "PNG", size: tuple[int, int] = (8, 8)) -> bytes:
    r"""Returns an encoded picture whose pixels all have one value."""
    file = io.BytesIO()
    options = {"lossless": True} if kind == "WEBP" else {}
    Image.new("RGB", size, (value,) * 3).save(file, kind, **options)
    return file.getvalue()


def pack(path: Path, files: Mapping[str, bytes]) -> Path:
    r"""Writes files to a folder, or to an archive of the kind that the path's suffix names."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, contents in files.items():
                archive.writestr(name, contents)
    elif ".tar" in path.name or path.suffix == ".tgz":
        with tarfile.open(path, "w" if path.suffix == ".tar" else "w:gz") as archive:
            for name, contents in files.items():
                member = tarfile.TarInfo(name)
                member.size = len(contents)
                archive.addfile(member, io.BytesIO(contents))
    else:
        for name, contents in files.items():
            (path / name).parent.mkdir(parents=True, exist_ok=True)
            (path / name).write_bytes(contents)
    return path


def value(image: bytes | np.ndarray) -> int:
    r"""Returns the value of the first pixel of a record's image."""
    array = np.asarray(Image.open(io.BytesIO(image))) if isinstance(image, bytes) else image
    return int(array[0, 0, 0])


def facts(source: Source) -> list[tuple[str, int, int]]:
    r"""Returns the split, label and first pixel of each image of a source."""
    found = [(record.split, record.label, value(record.image)) for record in source.records]
    assert sorted(split for split, _, _ in found) == sorted(source.splits)
    return found


@contextlib.contextmanager
def frugal(seconds: int = 10, memory: int = 2**30) -> Iterator[None]:
    r"""Raises an error if the block takes too many seconds or too much additional memory."""
    resource = pytest.importorskip("resource")
    status = Path("/proc/self/statm")
    if not status.exists():
        pytest.skip("This system does not say how much memory a process has.")

    def late(*_: object) -> None:
        raise TimeoutError(f"more than {seconds} s")

    has = int(status.read_text().split()[0]) * resource.getpagesize()
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, late)
    resource.setrlimit(resource.RLIMIT_AS, (has + memory, hard))
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
