r"""Watches over code that reads a hostile file: what it writes, starts, allocates and raises."""

import os
import resource
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

SECONDS = 20
MEMORY = 2**29
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND
# Audit events that no reader should cause. The second argument of some is a path, too.
CHANGING = {"os.remove", "os.rename", "os.mkdir", "os.rmdir", "os.symlink", "os.link", "os.chmod"}
STARTING = {
    "os.system",
    "os.exec",
    "os.fork",
    "os.posix_spawn",
    "os.spawn",
    "pty.spawn",
    "socket.connect",
    "subprocess.Popen",
}


class _Watch:
    r"""Collects the forbidden events; an audit hook can not be removed, so it is installed once.

    Attributes:
        scratch: The folder that may be written, or `None` while nothing is watched.
        found: The forbidden events.
    """

    def __init__(self) -> None:
        self.scratch: str | None = None
        self.found: list[str] = []
        self.installed = False

    def hook(self, event: str, args: tuple[Any, ...]) -> None:
        if self.scratch is None:
            return
        if event in STARTING:
            self.found.append(f"{event} {args!r:.200}")
        elif event in CHANGING or (event == "open" and self.writes(*args)):
            paths = [p for p in args if isinstance(p, (str, bytes, os.PathLike))]
            paths = paths[:1] if event == "open" else paths
            if not all(os.path.abspath(os.fsdecode(p)).startswith(self.scratch) for p in paths):
                self.found.append(f"{event} {args!r:.200}")

    @staticmethod
    def writes(_: Any, mode: Any, flags: Any = 0) -> bool:
        return bool(isinstance(flags, int) and flags & WRITING)


_WATCH = _Watch()


def _late(*_: object) -> None:
    raise TimeoutError(f"more than {SECONDS} s")


@contextmanager
def watched(scratch: Path) -> Iterator[None]:
    r"""Fails if the block starts programs, writes outside a folder, hangs or takes much memory."""
    if not _WATCH.installed:
        sys.addaudithook(_WATCH.hook)
        _WATCH.installed = True
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    before = signal.signal(signal.SIGALRM, _late)
    resource.setrlimit(resource.RLIMIT_AS, (pages * resource.getpagesize() + MEMORY, hard))
    signal.alarm(SECONDS)
    _WATCH.scratch, _WATCH.found = os.path.join(os.path.abspath(scratch), ""), []
    try:
        yield
    finally:
        _WATCH.scratch = None
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
    assert not _WATCH.found, _WATCH.found


def check_own(error: Exception, *names: str) -> None:
    r"""Fails unless an error is one of the package's sentences, which names a file."""
    kind = type(error)
    own = kind in (ValueError, FileNotFoundError, PermissionError, OSError, FileExistsError)
    if not own and not kind.__module__.startswith("energy_gans"):
        pytest.fail(f"{kind.__name__}: {error}", pytrace=False)
    text = str(error)
    assert any(name in text for name in names), f"{text!r} names none of {names}"
    assert text.endswith((".", "?", ".)")) and "\n" not in text, text
    while error is not None:
        much = isinstance(error, (MemoryError, TimeoutError))
        assert not much and "can't allocate memory" not in str(error), (
            f"{type(error).__name__}: {error}"
        )
        error = error.__cause__ or error.__context__
