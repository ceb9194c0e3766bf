r"""Processes for tests: forks of a server that has imported, and parsed, what a run needs.

A process that starts from nothing takes seconds to import PyTorch and Lightning.
"""

import multiprocessing
import socket
from collections.abc import Callable
from multiprocessing import forkserver

context = multiprocessing.get_context("forkserver")


def start_server() -> None:
    r"""Starts the server, from a folder in which `tests` can be imported."""
    context.set_forkserver_preload(["tests.preload"])
    forkserver.ensure_running()


def spawn(function: Callable, *args: object, timeout: float | None = 120) -> int | None:
    r"""Runs a function in a new process. Returns its exit code, or `None` after `timeout` s."""
    process = context.Process(target=function, args=args)
    process.start()
    process.join(timeout)
    return process.exitcode


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]
