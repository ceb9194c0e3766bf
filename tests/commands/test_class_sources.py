r"""Tests for the energy_gans.commands.class_sources and definitions modules."""

import importlib
import inspect
import sys
from pathlib import Path

import pytest
from jsonargparse import ArgumentParser

from energy_gans.commands.class_sources import exported_names, first_sentence, plain, read_class
from energy_gans.commands.explain import MODULES, explained_paths
from energy_gans.commands.usage import NO_CONFIG


def live(path: str) -> type:
    module, _, name = path.rpartition(".")
    return getattr(importlib.import_module(module), name)


@pytest.mark.parametrize("module", MODULES)
def test_the_exported_classes_are_those_of_the_module(module: str) -> None:
    package = importlib.import_module(module)
    classes = [name for name in package.__all__ if isinstance(getattr(package, name), type)]
    assert exported_names(module) == classes


@pytest.mark.parametrize("path", explained_paths())
def test_the_source_has_the_arguments_of_the_class(path: str) -> None:
    source, cls = read_class(path), live(path)
    if cls.__name__ not in NO_CONFIG and "energy_gans.metrics." not in path:
        # jsonargparse follows arguments that are handed on, too.
        added = ArgumentParser(exit_on_error=False).add_class_arguments(cls, fail_untyped=False)
        assert [one.name for one in source.arguments] == added
    parameters = inspect.signature(cls).parameters
    for one in source.arguments:
        if one.name in parameters:
            assert (one.default is None) == (parameters[one.name].default is inspect._empty)
        assert one.about
        assert one.about in plain(" ".join(base.__doc__ or "" for base in cls.__mro__))
    assert plain(source.about) in plain(cls.__doc__)


def test_types_and_defaults_are_written_out() -> None:
    def shown(path: str) -> dict[str, str]:
        return {one.name: str(one) for one in read_class(path).arguments}

    gan = shown("energy_gans.methods.CoulombGAN")
    assert gan["generator"] == "generator: Module"
    assert gan["generator_optimizer"] == "generator_optimizer: Optimizer = Adam(lr=0.0001)"
    # An alias of a `Literal`, in another module.
    crop = shown("energy_gans.data.CelebA")["crop"]
    assert crop.startswith("crop: 'rows' | 'center140' | ") and crop.endswith(" = 'rows'")
    # What a class hands on itself is no argument.
    assert [*shown("energy_gans.data.Ring")] == ["modes", "radius", "std", "batch_size", "samples"]
    assert shown("energy_gans.methods.Chains")["steps"] == "steps: int = 30"


def test_references_are_on_one_line_each() -> None:
    (one,) = read_class("energy_gans.methods.CoulombGAN").references
    assert one.endswith("(Unterthiner et al., 2018), https://arxiv.org/abs/1708.08819")
    frame = read_class("energy_gans.networks.FRAME").references
    assert [line.partition(" ")[0] for line in frame] == ["Filters,", "Learning", "Generalizing"]


def test_classes_of_others_are_read_without_importing_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_package").mkdir()
    (tmp_path / "own_package" / "__init__.py").write_text("from .nets import Net as Network\n")
    (tmp_path / "own_package" / "nets.py").write_text(
        "raise RuntimeError\n"
        "try:\n"
        "    class Base:\n"
        "        '''A base.\n\n        Arguments:\n            width: The width.\n        '''\n"
        "        def __init__(self, depth, width=3): ...\n"
        "except ImportError: ...\n"
        "class Net(Base):\n"
        "    def __init__(self, own: int, **kwargs): super().__init__(2, **kwargs)\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    source = read_class("own_package.Network")
    assert [str(one) for one in source.arguments] == ["own: int", "width: Any = 3"]
    assert source.arguments[1].about == "The width."
    assert "own_package" not in sys.modules
    for path in ("own_package.Nothing", "nowhere.Nothing", "sys.Nothing", "Nothing"):
        with pytest.raises(LookupError, match="There is no class"):
            read_class(path)


def test_texts_of_docstrings_are_plain() -> None:
    text = r"The factor :math:`\gamma` on :class:`~a.B`. \mathbb{E} \|x\| of `x`."
    assert plain(text) == "The factor gamma on a.B. E |x| of `x`."
    assert first_sentence(text) == "The factor gamma on a.B."
    assert first_sentence("The GAN of Li et al. of 2017. More.") == "The GAN of Li et al. of 2017."
