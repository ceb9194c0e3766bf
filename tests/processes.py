r"""Processes for tests: forks of a server that has imported, and parsed, what a run needs.

A process that starts from nothing takes seconds to import PyTorch and Lightning.
"""

import multiprocessing
import os
import socket
from collections.abc import Callable
from multiprocessing import forkserver
from multiprocessing.process import BaseProcess
from pathlib import Path

_context = multiprocessing.get_context("forkserver")
_ROOT = Path(__file__).resolve().parents[1]


def start(function: Callable, *args: object) -> BaseProcess:
    r"""Returns a new process that runs a function. The first one starts the server."""
    _context.set_forkserver_preload(["tests.preload"])
    # The server imports `tests` from the folder in which it starts.
    folder = Path.cwd()
    os.chdir(_ROOT)
    try:
        forkserver.ensure_running()
    finally:
        os.chdir(folder)
    process = _context.Process(target=function, args=args)
    process.start()
    return process


def spawn(function: Callable, *args: object, timeout: float | None = 120) -> int | None:
    r"""Runs a function in a new process. Returns its exit code, or `None` after `timeout` s."""
    process = start(function, *args)
    process.join(timeout)
    return process.exitcode


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
