r"""Tests for the energy_gans package itself: what it gives, and that it is imported fast."""

import inspect
import subprocess
import sys

import pytest

import energy_gans
from energy_gans.commands import COMMANDS, function_of
from energy_gans.storage import load_model


def test_an_import_takes_no_time() -> None:
    code = """
import time
start = time.process_time()
import energy_gans
dir(energy_gans), energy_gans.__all__, energy_gans.__version__
spent = time.process_time() - start
import sys
heavy = {"torch", "lightning", "numpy", "jsonargparse", "tqdm", "yaml"} & sys.modules.keys()
print(sorted(heavy), spent < 0.2)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[0] == "[] True"


def test_all_names_are_there() -> None:
    assert {*energy_gans.__all__} <= {*dir(energy_gans)}
    for name in energy_gans.__all__:
        assert getattr(energy_gans, name) is not None
    made: dict[str, object] = {}
    exec("from energy_gans import *", made)
    assert made.keys() - {"__builtins__"} == {*energy_gans.__all__}
    with pytest.raises(AttributeError, match="'energy_gans' has no attribute 'evaluat'"):
        _ = energy_gans.evaluat


def test_names_are_those_of_their_rooms() -> None:
    assert energy_gans.load is load_model
    for name in energy_gans.__all__:
        value = getattr(energy_gans, name)
        if inspect.ismodule(value):
            assert value.__name__ == f"energy_gans.{name}"
        elif inspect.isfunction(value) and name in COMMANDS:
            assert value is function_of(name, COMMANDS[name])
        elif inspect.isclass(value):
            assert value is getattr(energy_gans.methods, name)
    # Every method, and no other class.
    classes = {n for n in energy_gans.__all__ if inspect.isclass(getattr(energy_gans, n))}
    assert classes == {*energy_gans.methods.__all__} - {
        *("Chains", "Flow", "GenerativeModule", "baselines")
    }
