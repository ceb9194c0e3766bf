r"""Minimal uses of a class: in Python, and on the command line with a shipped config."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, NamedTuple

import yaml

from .class_sources import ClassSource
from .config_files import shipped_folder
from .fitting_networks import FITTING_NETWORKS

# Examples of required arguments, for points in the plane; then those of classes that need others.
_EXAMPLES = {
    "generator": "MLP(2, 2)",
    "discriminator": "MLP(2, 1)",
    "descriptor": "MLP(2, 1)",
    "tracker": "MLP(2, 2)",
    "latent_dim": "2",
    "shape": "[2]",
    "chains": "Chains(bound=2.0)",
    "in_features": "2",
    "out_features": "1",
    "filters": "GaborBank()",
    "encoder": "MLP(2, 1)",
    "decoder": "MLP(1, 2)",
    "root": "'data'",
    "path": "'weights.pth'",
    "train": "torch.randn(1000, 2)",
    "means": "torch.eye(2)",
    "std": "0.1",
    "batch_size": "64",
    "extractor": "EfficientNetLite0()",
    "kernel": "lambda a, b: -torch.cdist(a, b)",
    "bandwidth": "0.1",
    "epsilon": "0.1",
    "fields": "[PlummerField(), MeanShiftField(0.1)]",
}
_IMAGES = {
    "generator": "ResNetAutoencoder(1, 32)",
    "descriptor": "ConvDescriptor(1, 32)",
    "shape": "[1, 32, 32]",
    "chains": "Chains(bound=1.0)",
}
_OTHERS = {
    "InpaintingGGCN": _IMAGES,
    "MultigridGCN": _IMAGES | {"descriptor": "MultigridDescriptors(1, [1, 4, 16, 32])"},
    "NGramGenerator": {"generator": "ResidualTextGenerator(2)"},
    "EIEGGAN": {"discriminator": "MLP(2, 16)"},
    "MMDGAN": {"discriminator": "MLP(2, 16)"},
    "BEGAN": {"discriminator": "MLP(2, 2)"},
    "Pixels": {"shape": "[1, 28, 28]"},
    "FromLoader": {"train": "torch.randn(10, 64, 2)"},
    "GaussianMixture": {"means": "[[-1.0, 0.0], [1.0, 0.0]]"},
}
# Arguments that chains need, although each of them has a default.
_NEEDED = {"Chains": {"bound": "2.0"}}
# Where the names in examples come from.
_MODULES = {
    "energy_gans.networks": (
        *("ConvDescriptor", "GaborBank", "MLP", "MultigridDescriptors", "ResNetAutoencoder"),
        "ResidualTextGenerator",
    ),
    "energy_gans.methods": ("Chains",),
    "energy_gans.fields": ("MeanShiftField", "PlummerField"),
    "energy_gans.metrics.features": ("EfficientNetLite0",),
    "energy_gans.data": ("EmbeddedDigits", "EmbeddedText", "Ring"),
    "lightning": ("Trainer",),
}
# A number, or a list of numbers, and the longest line of a call.
_NUMBER = re.compile(r"\[?-?\d[\d_.e-]*(,-?[\d_.e-]+)*\]?")
_WIDTH = 95
# Data that needs no files: configs with it are preferred.
_SYNTHETIC = ("EmbeddedDigits", "EmbeddedText", "Ring", "Grid", "TwoModes")
# The config in which a class is tried that no config uses, and other ones for data of images.
_TRIED = "coulomb/ring"
_TRIED_FIELD = "fields/ring"
_TRIED_DATA = {"SVHN": "coulomb/cifar10", "CIFAR100": "coulomb/cifar10"}
# Numbers that have to match other parts of a config.
_TIED = ("in_features", "out_features", "latent_dim", "channels", "size", "grids", "shape")
# Classes that are made to be derived from, and those that only Python can give their arguments.
_BASES = (
    *("GenerativeModule", "TensorDataModule", "ImageDataModule", "FeatureExtractor"),
    "ParticleField",
)
_IN_PYTHON = (
    *("FromDataset", "FromLoader", "FeatureMap", "FeaturesOnly", "Autoencoder", "GaborBank"),
    *("KernelField", "VGGBank"),
)
# Exported names that are neither a model nor data of a config.
NO_CONFIG = (*_BASES, *_IN_PYTHON, "Chains", "Flow")
_VARIABLES = {"networks": "network", "data": "data", "callbacks": "callback"}
_VARIABLES |= {"metrics": "metric", "features": "extractor", "fields": "field"}
_VARIABLES |= {"FeatureMap": "features"}


class Use(NamedTuple):
    r"""A whole run that comes with the package and uses a class.

    Arguments:
        config: The name of the config.
        key: The key of the class in the config, as in `--model.generator`.
        given: The arguments that the config gives.
    """

    config: str
    key: str
    given: dict[str, Any]


def python_use(source: ClassSource) -> str:
    r"""Returns lines of Python that call a class; a method is also trained."""
    examples = _EXAMPLES | _OTHERS.get(source.name, {}) | _NEEDED.get(source.name, {})
    networks = FITTING_NETWORKS.get(source.name, {})
    needed = [
        a.name
        for a in source.arguments
        if a.default is None or a.name in _NEEDED.get(source.name, {})
    ]
    given = [examples[n] if n in networks else f"{n}={examples[n]}" for n in needed]
    if source.name in _BASES:
        return ""
    room = _VARIABLES.get(source.path.split(".")[-2], source.name.lower())
    name = _VARIABLES.get(source.name, room)
    call = _call(source.name, given, "model" if networks else name)
    if networks:
        data = "EmbeddedDigits(size=32)" if "32" in call else "Ring(batch_size=128)"
        data = "EmbeddedText()" if "Text" in call else data
        call += f"\nTrainer(max_steps=1000).fit(model, {data})"
    return _with_imports(call, source)


def _call(name: str, given: list[str], variable: str) -> str:
    r"""Returns an assignment of a call, on several lines if one were too long."""
    line = f"{variable} = {name}({', '.join(given)})"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{variable} = {name}(", *(f"    {one}," for one in given), ")"])


def _with_imports(code: str, source: ClassSource) -> str:
    r"""Returns code after the imports of the names in it."""
    names = {*re.findall(r"\b[A-Z]\w*(?=\()", code)} - {source.name}
    module = source.path.rpartition(".")[0]
    found = {m: sorted(names & {*known}) for m, known in _MODULES.items()}
    found[module] = sorted([source.name, *found.get(module, ())])
    lines = [f"from {m} import {', '.join(imported)}" for m, imported in found.items() if imported]
    more = ["import torch"] if "torch." in code else []
    return "\n".join([*more, *sorted(lines), code])


def command_use(source: ClassSource, uses: list[Use]) -> str:
    r"""Returns a command line that uses a class; `""` if only Python can.

    Arguments:
        source: The class.
        uses: The configs that use it.
    """
    room, name = source.path.split(".")[-2], source.name
    if name in (*_BASES, *_IN_PYTHON) or room == "metrics":
        return ""
    if room == "features":
        return _command("evaluate --ckpt_path CHECKPOINT", "extractor", source)
    if room == "fields" and name != "SumOfFields":
        more = " --model.negatives separate" if name == "SinkhornField" else ""
        return _command(f"fit --config {_TRIED_FIELD}{more}", "model.field", source)
    for use in uses:
        if (number := _number(source, use)) is not None:
            return f"energy-gans fit --config {use.config} --{use.key}.{number}"
    if room == "callbacks":
        return f"energy-gans fit --config demo --trainer.callbacks+={name}"
    if room == "data":
        return _command(f"fit --config {_TRIED_DATA.get(name, _TRIED)}", "data", source)
    if room == "networks":
        slot, (method, *_) = next(iter(slots_of(name).items()))
        return _command(f"fit --config {find_uses(method)[0].config}", f"model.{slot}", source)
    more = " --model.discriminator.out_features 2" if name == "BEGAN" else ""
    return f"energy-gans fit --config {_TRIED} --model {name}{more}"


def _command(start: str, key: str, source: ClassSource) -> str:
    r"""Returns a command line that gives a class with its required arguments."""
    examples = _EXAMPLES | _OTHERS.get(source.name, {})
    needed = [a.name for a in source.arguments if a.default is None]
    given = [f"--{key}.{n} {examples[n].strip('()').replace(', ', ',')}" for n in needed]
    return " ".join([f"energy-gans {start} --{key} {source.name}", *given])


def _number(source: ClassSource, use: Use) -> str | None:
    r"""Returns a number that a config gives to a class, or else a default, as `KEY VALUE`."""
    free = [a for a in source.arguments if a.name not in _TIED]
    given = ((a.name, use.given[a.name]) for a in free if a.name in use.given)
    defaults = ((a.name, a.default) for a in free if _NUMBER.fullmatch(a.default or ""))
    for name, value in (*given, *defaults):
        text = str(value).replace(" ", "")
        if _NUMBER.fullmatch(text):
            return f"{name} {text}"
    return None


def slots_of(network: str) -> dict[str, list[str]]:
    r"""Returns the methods that a network fits, by the name of the argument."""
    found: dict[str, list[str]] = {}
    for method, slots in FITTING_NETWORKS.items():
        for slot, networks in slots.items():
            if network in (name.partition("(")[0] for name in networks):
                found.setdefault(slot, []).append(method)
    return found


def find_uses(name: str) -> list[Use]:
    r"""Returns the shipped configs of whole runs that use a class; those without files first."""
    found = []
    pattern = re.compile(rf"[{{\s](?:class_path: [\w.]*\.{name}\b|{name.lower()}: )")
    for config, text in _shipped_configs().items():
        content = _parse(text) if pattern.search(text) else {}
        if not {"model", "data", "trainer"} <= content.keys():
            continue
        for key, given in _keys_of(content, name):
            synthetic = content["data"]["class_path"].rpartition(".")[2] in _SYNTHETIC
            rank = (config.startswith("studies"), not synthetic, config != _TRIED, config)
            found.append((rank, Use(config, key, given)))
            break
    return [use for _, use in sorted(found, key=lambda one: one[0])]


@cache
def _shipped_configs() -> dict[str, str]:
    r"""Returns the text of each shipped config by its name."""
    folder = shipped_folder()
    return {
        path.relative_to(folder).with_suffix("").as_posix(): path.read_text(encoding="utf-8")
        for path in sorted(folder.rglob("*.yaml"))
    }


@cache
def _parse(text: str) -> dict[str, Any]:
    r"""Returns the content of a config."""
    return yaml.safe_load(text)


def _keys_of(config: Any, name: str, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    r"""Yields the short keys under which nested values of a config use a class, and its arguments.

    The descriptions of chains and flows name no class.
    """
    if isinstance(config, Mapping):
        if str(config.get("class_path", "")).rpartition(".")[2] == name:
            yield key, config.get("init_args") or {}
        elif key.endswith(f".{name.lower()}") and "class_path" not in config:
            yield key, config
        for part, value in config.items():
            inner = key if part == "init_args" else f"{key}.{part}".lstrip(".")
            yield from _keys_of(value, name, inner)
    if isinstance(config, list):
        for value in config:
            path = value.get("class_path", "") if isinstance(value, Mapping) else ""
            yield from _keys_of(value, name, f"{key}.{path.rpartition('.')[2]}")
