r"""Tests for the energy_gans.allocator module."""

import os
import subprocess
import sys
from types import SimpleNamespace

import pytest

from energy_gans import allocator
from energy_gans.cli import main

# Page faults of the second to the fifth time that a process takes and frees 64 MiB.
FAULTS = """
import resource, sys
import numpy as np
from energy_gans.allocator import keep_freed_memory

if sys.argv[1] == "keep":
    assert keep_freed_memory()
for turn in range(5):
    x = np.ones(2**23)
    del x
    if turn == 0:
        start = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - start)
"""
SETTINGS = {"MALLOC_TRIM_THRESHOLD_": "131072", "GLIBC_TUNABLES": "glibc.malloc.perturb=0"}


def faults(word: str) -> int:
    env = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    command = [sys.executable, "-c", FAULTS, word]
    done = subprocess.run(command, capture_output=True, text=True, check=True, env=env)
    return int(done.stdout)


@pytest.mark.skipif(
    not hasattr(os, "confstr") or "CS_GNU_LIBC_VERSION" not in os.confstr_names,
    reason="needs glibc",
)
def test_memory_that_is_kept_is_not_cleared_again() -> None:
    assert faults("keep") * 20 < faults("default")


@pytest.mark.parametrize("name", [*SETTINGS, "MALLOC_MMAP_THRESHOLD_"])
def test_settings_of_the_user_stay(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, SETTINGS.get(name, "131072"))
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: pytest.fail("called"))
    assert not allocator.keep_freed_memory()


def test_other_c_libraries_are_left_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SETTINGS, "MALLOC_MMAP_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: SimpleNamespace())
    assert not allocator.keep_freed_memory()


def test_older_versions_of_glibc_get_a_smaller_number(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (*SETTINGS, "MALLOC_MMAP_THRESHOLD_"):
        monkeypatch.delenv(name, raising=False)
    calls = []

    def mallopt(parameter: int, number: int) -> int:
        calls.append((parameter, number))
        return int(parameter == -1 or number <= 2**25)

    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda name: SimpleNamespace(mallopt=mallopt))
    assert allocator.keep_freed_memory()
    assert calls == [(-3, 2**30), (-3, 2**25), (-1, 2**31 - 1)]


def test_commands_keep_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    called = []
    module = sys.modules["energy_gans.cli.main"]
    monkeypatch.setattr(module, "keep_freed_memory", lambda: called.append(1))
    main(["configs"])
    assert called == [1]
