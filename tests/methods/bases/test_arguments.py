r"""Tests for the energy_gans.methods.bases.arguments module: what constructors of methods say."""

import inspect
from typing import get_type_hints

import pytest
import torch
from lightning.pytorch.cli import LightningArgumentParser
from torch import nn

from energy_gans import methods
from energy_gans.methods import GGCN, CoulombGAN, GenerativeModule, baselines
from energy_gans.methods.bases.arguments import base_arguments, base_parameters
from energy_gans.networks import MLP

METHODS = {
    name: cls
    for package in (methods, baselines)
    for name in package.__all__
    if isinstance(cls := getattr(package, name), type) and issubclass(cls, GenerativeModule)
}
del METHODS["GenerativeModule"]
# What a method says otherwise than its bases, on purpose.
OWN = {
    ("GGCN", "sample_steps"),
    ("MultigridGCN", "descriptor"),
    ("CoulombGAN", "generator_optimizer"),
    ("CoulombGAN", "discriminator_optimizer"),
    ("ScatteringGAN", "generator_optimizer"),
    ("ScatteringGAN", "discriminator_steps"),
}
every_method = pytest.mark.parametrize("name", METHODS)


def parameters_of(name: str) -> dict[str, inspect.Parameter]:
    return dict(inspect.signature(METHODS[name]).parameters)


def test_all_methods_are_tested() -> None:
    assert len(METHODS) == 16


@every_method
def test_a_constructor_writes_out_all_arguments(name: str) -> None:
    own = parameters_of(name)
    kinds = {parameter.kind for parameter in own.values()}
    assert kinds == {inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY}
    assert "__init__" in vars(METHODS[name])
    assert base_parameters(METHODS[name]).keys() <= own.keys()


@every_method
def test_an_argument_of_a_base_has_its_default_and_its_type(name: str) -> None:
    cls, own = METHODS[name], parameters_of(name)
    types = get_type_hints(cls.__init__)
    for base in cls.__mro__[1:]:
        inherited = vars(base).get("__init__")
        if inherited is None or not base.__module__.startswith("energy_gans"):
            continue
        base_types = get_type_hints(inherited)
        for argument, parameter in base_parameters(cls).items():
            if argument not in base_types or (name, argument) in OWN:
                continue
            assert own[argument].default == parameter.default, argument
            assert types[argument] == base_types[argument], argument


@every_method
def test_networks_and_shapes_come_first(name: str) -> None:
    own = parameters_of(name).values()
    positional = [p.name for p in own if p.kind is p.POSITIONAL_OR_KEYWORD]
    assert positional in (
        ["generator", "discriminator", "latent_dim"],
        ["generator", "tracker", "latent_dim"],
        ["generator", "latent_dim"],
        ["generator", "descriptor", "shape", "latent_dim", "chains"],
        ["generator", "descriptor", "shape", "chains"],
        ["descriptor", "shape", "chains"],
        ["descriptor", "shape"],
    )


@every_method
def test_the_docstring_describes_every_argument_once_and_in_order(name: str) -> None:
    doc = METHODS[name].__doc__
    section = doc.partition("Arguments:\n")[2].partition("\n\n")[0].splitlines()
    described = [line.split(":")[0].strip() for line in section if line[4:5].strip()]
    assert described == list(parameters_of(name))
    assert doc.count("Arguments:\n") == 1 and max(map(len, doc.splitlines())) < 100


@every_method
def test_the_help_of_the_command_line_describes_every_argument(name: str) -> None:
    parser = LightningArgumentParser()
    parser.add_lightning_class_args(METHODS[name], "model")
    helps = {action.dest.split(".")[1]: action.help for action in parser._actions[2:]}
    for argument in parameters_of(name):
        assert len(helps[argument]) > 10, argument


def test_what_a_docstring_says_besides_arguments_stays() -> None:
    doc = inspect.cleandoc(GGCN.__doc__)
    assert doc.startswith("The generalized generative ConvNet of Wu et al.\n\nArguments:\n")
    assert doc.endswith("\n\nRaises:\n    ValueError: If an argument is out of its range.")
    assert "trains the generator, 4 in the paper." in doc


def test_a_class_that_adds_arguments_by_kwargs_keeps_its_docstring() -> None:
    class Own(CoulombGAN):
        r"""Mine.

        Arguments:
            extra: A number.
            kwargs: The arguments of the Coulomb GAN.
        """

        def __init__(self, extra: int, **kwargs: object) -> None:
            super().__init__(**kwargs)
            self.extra = extra

    class Same(CoulombGAN):
        r"""The same."""

    assert "latent_dim" not in Own.__doc__
    assert "    latent_dim: The number" in Same.__doc__
    networks = {"generator": MLP(2, 2, [4]), "discriminator": MLP(2, 1, [4])}
    own = Own(3, **networks, latent_dim=2, power=2.0)
    assert (own.extra, own.power, own.hparams.extra) == (3, 2.0, 3)


def test_arguments_of_bases_are_handed_on() -> None:
    options = {
        "updates_per_step": 2,
        "discriminator_steps": 3,
        "accumulate": 4,
        "gradient_clip_norm": 5.0,
        "initial_weights": "a",
    }
    gan = CoulombGAN(MLP(2, 2, [4]), MLP(2, 1, [4]), 2, **options, channels_last=True)
    assert {name: getattr(gan, name) for name in options} == options
    assert gan.memory_format == torch.channels_last
    assert gan.hparams.latent_dim == 2
    given = {"power": 1.0, "latent_dim": 2, "__class__": nn.Module}
    assert base_arguments(CoulombGAN, given) == {"latent_dim": 2}


def test_an_unknown_argument_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'epsilom'"):
        CoulombGAN(MLP(2, 2, [4]), MLP(2, 1, [4]), 2, epsilom=1.0)
