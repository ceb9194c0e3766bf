r"""Tests for the energy_gans.commands package itself: its exports, and when they are imported."""

import sys
from collections.abc import Iterator
from types import FunctionType
from typing import Any

import pytest

import energy_gans
import energy_gans.commands as commands
from energy_gans.storage.checkpoint import load_model

# As a user's program may write them, in any order.
IMPORTS = [
    "from energy_gans.commands import evaluate, inpaint, load_model, ood, sample",
    "import energy_gans.commands.evaluate.evaluate, energy_gans.commands.inpaint.inpaint",
    "import energy_gans.commands.sample, energy_gans.commands.ood",
    "from energy_gans.commands.evaluate import evaluate",
    "from energy_gans.commands.evaluate.evaluate import evaluate",
    "import energy_gans.commands",
]


@pytest.fixture
def unimported() -> Iterator[None]:
    r"""Makes the package of commands one that was not imported yet, for one test."""

    def names() -> list[str]:
        return [name for name in sys.modules if name.startswith("energy_gans.commands")]

    saved = {name: sys.modules.pop(name) for name in names()}
    yield
    for name in names():
        del sys.modules[name]
    sys.modules.update(saved)
    energy_gans.commands = commands


@pytest.mark.parametrize("first", IMPORTS)
@pytest.mark.usefixtures("unimported")
def test_commands_are_functions_in_every_order_of_imports(first: str) -> None:
    for line in (first, *IMPORTS):
        made: dict[str, Any] = {}
        exec(f"import energy_gans\n{line}", made)
        package = sys.modules["energy_gans.commands"]
        assert package is not commands
        exec("from energy_gans.commands import evaluate, inpaint, ood, sample", made)
        for name in ("evaluate", "inpaint", "ood", "sample"):
            assert isinstance(made[name], FunctionType)
            assert made[name].__name__ == name
            assert made[name] is getattr(package, name)


def test_the_package_exports_its_commands() -> None:
    exported: dict[str, object] = {}
    exec("from energy_gans.commands import *", exported)
    names = {
        "compare",
        "evaluate",
        "explain",
        "export",
        "inpaint",
        "interpolate",
        "landscape",
        "ood",
        "report",
        "sample",
        "synthesize",
    }
    assert exported.keys() - {"__builtins__"} == {*names, "load_model"} == {*commands.__all__}
    assert {*commands.__all__} <= {*dir(commands)}
    assert all(exported[name].__name__ == name for name in commands.__all__)
    assert commands.load_model is load_model


def test_modules_keep_their_names() -> None:
    # What these names have always been.
    from energy_gans.commands import particles, prepare, study

    assert particles.particles.__name__ == "particles"
    assert study.study.__name__ == "study"
    assert prepare.celeba.__name__ == "celeba"


def test_other_names_are_refused() -> None:
    with pytest.raises(AttributeError, match=r"'energy_gans.commands' has no attribute 'evaluat'"):
        _ = commands.evaluat
    with pytest.raises(ImportError):
        exec("from energy_gans.commands import evaluat")
