r"""The model card of an exported model: a README.md with front matter for the Hugging Face Hub."""

from __future__ import annotations

import inspect
import re
import sys
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ... import __version__
from ...methods import GenerativeModule
from ...storage.rebuild import packages_beyond
from ...storage.stamps import comparisons, format_number
from ..outputs import markdown_table
from ..real_data import data_name

# The license is a choice of whoever shares the weights.
_LICENSE = "# license: add the license under which you share the weights, such as `license: mit`"
# The number of samples that the examples draw.
SHOWN = 64
_ROLE = re.compile(r":\w+:`~?([^`]*)`")


@dataclass(frozen=True)
class Card:
    r"""What a model card says.

    Arguments:
        name: The name of the folder.
        model: The model.
        config: The contents of its `config.json`.
        training: The config that trained the model, as text, or `None` if it is unknown.
        numbers: The stamped numbers of the model by measure.
        pictures: What each picture shows, by file name.
        lines: Samples of text, a line each.
        real: The number of samples of the training data in the weights' file.
        onnx: The description of each ONNX file, by file name.
        change: The largest change of a sample by float16 weights, as a share of the range of
            samples; `None` if weights are not rounded.
    """

    name: str
    model: GenerativeModule
    config: Mapping[str, Any]
    training: str | None = None
    numbers: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, str] = field(default_factory=dict)
    lines: Sequence[str] = ()
    real: int = 0
    onnx: Mapping[str, str] = field(default_factory=dict)
    change: float | None = None

    def __str__(self) -> str:
        parts = [self.front_matter(), self.heading(), self.usage(), self.training_section()]
        parts += [self.numbers_section(), self.onnx_section()]
        return "\n".join(part.strip("\n") + "\n" for part in parts if part)

    @property
    def method(self) -> str:
        r"""The name of the model's class."""
        return type(self.model).__name__

    def front_matter(self) -> str:
        r"""Returns the metadata that the Hugging Face Hub reads, in YAML."""
        tags = ["energy-gans", self.method, "generative-model", "pytorch"]
        lines = ["---", _LICENSE, "library_name: energy-gans"]
        if self.model.classes is None and len(self.model.sample_shape) == 3:
            lines.append("pipeline_tag: unconditional-image-generation")
        return "\n".join([*lines, "tags:", *(f"- {tag}" for tag in tags), "---"])

    def heading(self) -> str:
        r"""Returns the title, what the method is, its references, the pictures and lines."""
        data = data_name(self.config["data"])
        title = f"# {self.method}" + (f" of {data}" if data else "")
        pictures = [f"![{text}]({name})" for name, text in self.pictures.items()]
        lines = [_fenced("\n".join(self.lines))] if self.lines else []
        return "\n\n".join(
            [title, _sentence(type(self.model)), *_references(self.model), *pictures, *lines]
        )

    def usage(self) -> str:
        r"""Returns how the model is loaded."""
        out = "samples.txt" if self.model.vocabulary else "samples.png"
        code = "\n".join(self.code())
        text = (
            f"## Use\n\nWith `pip install energy-gans` ({__version__} wrote this folder), and the "
            "path of this folder or the name of its repository:\n\n"
            f"{_fenced(code, 'python')}\n"
            f"Every command that takes `--ckpt_path` takes the folder, too:\n\n"
            f"{_fenced(f'energy-gans sample --ckpt_path {self.name} --n {SHOWN} --out {out}')}"
        )
        if self.real:
            text += (
                f"\n`model.safetensors` holds {self.real} samples of the training data, in some "
                "methods coarse or with holes, on which samples or the potential depend.\n"
            )
        if self.change is not None:
            text += "\nMatrices, filters and stored samples are float16 numbers, which "
            text += (
                "changed no character of 64 samples.\n"
                if self.model.vocabulary
                else f"changed 64 samples by at most {self.change:.2g} of their range.\n"
            )
        return text

    def code(self) -> list[str]:
        r"""Returns the lines of Python that load the model and draw from it."""
        spec, name = self.config["model"], self.method
        beyond = sorted(packages_beyond(spec))
        options = f', trust="{",".join(beyond)}"' if beyond else ""
        # Objects without a description are given when the model is loaded.
        options += "".join(f", {name}=..." for name in spec.get("objects", ()))
        lines = [
            f"from {spec['class_path'].rpartition('.')[0]} import {name}",
            "",
            f'model = {name}.from_pretrained("{self.name}"{options})',
            f"x = model.sample({SHOWN})  # {(SHOWN, *self.model.sample_shape)}",
        ]
        if self.model.vocabulary:
            last = f"lines = energy_gans.sample(model, n={SHOWN}).lines"
            lines = ["import energy_gans", *lines, last]
        return lines

    def training_section(self) -> str:
        r"""Returns how the model was trained: numbers, command and config."""
        config, origin = self.config, self.config["origin"]
        data = config["data"]
        rows = [["", ""], ["steps", config["step"]], ["seed", config["seed"]]]
        if data:
            options = ", ".join(f"{k}={v!r}" for k, v in data["init_args"].items())
            rows.append(["data", f"`{data['class_path']}({options})`"])
        rows += [[name, value] for name, value in config["conditions"].items()]
        versions = origin.get("versions", {})
        rows.append(["versions", ", ".join(f"{k} {v}" for k, v in versions.items())])
        text = f"## Training\n\n{markdown_table(rows)}\n"
        if self.training is None:
            return text + "The config of the training is not known.\n"
        return (
            f"{text}The command that trained the model, with the `config.yaml` of this folder:\n\n"
            f"{_fenced('energy-gans fit --config config.yaml')}\n"
            f"<details><summary>config.yaml</summary>\n\n{_fenced(self.training, 'yaml')}\n"
            "</details>\n"
        )

    def numbers_section(self) -> str:
        r"""Returns the stamped numbers as a table, or nothing if there are none."""
        if not self.numbers:
            return ""
        rows = [["measure", "samples", "real", "number of samples", "reference"]]
        for name, number in self.numbers.items():
            for one in comparisons(name, number):
                pair = [format_number(part) if part else "" for part in (one.samples, one.real)]
                counts = ["" if n is None else n for n in one.counts()]
                rows.append([one.label, *pair, *counts])
        return (
            f"## Numbers\n\n{markdown_table(rows)}\n`metrics.json` has the protocol of each "
            "number: extractor, reference, seed and versions.\n"
        )

    def onnx_section(self) -> str:
        r"""Returns what the ONNX files compute, or nothing if there are none."""
        if not self.onnx:
            return ""
        return f"## ONNX\n\n{_list(f'`{k}`: {v}' for k, v in self.onnx.items())}"


def _sentence(cls: type) -> str:
    r"""Returns the first sentence of a class's docstring."""
    first = (inspect.getdoc(cls) or "").partition("\n\n")[0]
    return _ROLE.sub(r"\1", " ".join(first.split()))


def _references(model: GenerativeModule) -> list[str]:
    r"""Returns the references in the docstring of the method's module, a list of one or none."""
    doc = inspect.cleandoc(sys.modules[type(model).__module__].__doc__ or "")
    _, found, after = doc.partition("References:\n")
    if not found:
        return []
    block = textwrap.dedent(re.split(r"\n(?=\S)", after)[0])
    # A reference ends with its address.
    entries = re.findall(r"\S.*?https?://\S+", block, re.DOTALL) or [block]
    return [_list(" ".join(entry.split()) for entry in entries).strip()]


def _list(items: Iterable[str]) -> str:
    r"""Returns a list in Markdown."""
    return "".join(f"- {item}\n" for item in items)


def _fenced(text: str, language: str = "") -> str:
    r"""Returns text as a block of code in Markdown, whatever the text contains."""
    longest = max(map(len, re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.strip()}\n{fence}\n"
