r"""The results of `energy-gans data prepare` and `energy-gans data verify`."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..data.prepared.manifest import SUM_KEY
from ..terminal import PRINTED, first_lines
from .results import Result


@dataclass(frozen=True, repr=False, eq=False)
class PreparedSet(Result):
    r"""A data set as training reads it.

    Arguments:
        root: The folder of the set.
        manifest: Its manifest: the splits with their numbers of images, the classes, the source,
            the preprocessing, and the check sums of the files.
        module: The name of the data module in `energy_gans.data` that reads the set.
        arguments: The data module's arguments.
    """

    root: Path
    manifest: dict[str, Any]
    module: str
    arguments: dict[str, Any]

    @property
    def counts(self) -> dict[str, int]:
        r"""The number of images in each split."""
        return {split: about["count"] for split, about in self.manifest["splits"].items()}

    @property
    def skipped(self) -> list[dict[str, str]]:
        r"""The `name` of each image that was skipped, and the `reason`."""
        return [one for split in self.manifest["splits"].values() for one in split["skipped"]]

    @property
    def left_out(self) -> list[dict[str, str]]:
        r"""The `name` of each file of the source that was left out, and the `reason`."""
        return self.manifest["source"]["left_out"]

    def __str__(self) -> str:
        return "\n".join(_report_lines(self))


@dataclass(frozen=True, repr=False, eq=False)
class PreparedText(Result):
    r"""Lines of text as training reads them.

    Arguments:
        root: The folder of the set.
        manifest: Its manifest: the splits with their numbers of lines, the vocabulary, the source,
            and the check sums of the files.
    """

    root: Path
    manifest: dict[str, Any]

    @property
    def vocabulary(self) -> str:
        r"""The characters of the channels of samples."""
        return self.manifest["preprocessing"]["vocabulary"]

    def __str__(self) -> str:
        about, unknown = self.manifest["preprocessing"], self.manifest["source"]
        counts, n = _describe_counts(self.manifest), len(self.vocabulary)
        arguments = {name: about[name] for name in ("length", "symbols", "hold_out")}
        inner = ", ".join(f"{k}: {v}" for k, v in {"root": self.root, **arguments}.items())
        lines = [
            f"{self.root}: {counts} lines of {about['length']} characters, {n} symbols of "
            f"{about['symbols']}",
            f"data:\n  class_path: energy_gans.data.TextLines\n  init_args: {{{inner}}}",
        ]
        if count := unknown["unknown_characters"]:
            lines.insert(1, f"{count} characters are not among these symbols, and are unknown.")
        return "\n".join([*lines[:-1], "To train on it:", lines[-1]])


@dataclass(frozen=True, repr=False, eq=False)
class VerifiedSet(Result):
    r"""A prepared set every byte of which matches its manifest.

    Arguments:
        root: The folder of the set.
        manifest: Its manifest.
    """

    root: Path
    manifest: dict[str, Any]

    def __str__(self) -> str:
        counts = _describe_counts(self.manifest)
        name = self.manifest["name"]
        text = f"{self.root}: {name}, {counts}: every byte matches the manifest."
        if SUM_KEY not in self.manifest:
            text += (
                "\nThe manifest has no checksum of its own, since an older version wrote it: its "
                "classes, crops and means were not checked."
            )
        return text


def _report_lines(made: PreparedSet) -> list[str]:
    r"""Returns what was prepared, what was left out, and a config that uses the set, in lines."""
    manifest, out = made.manifest, made.arguments["root"]
    about, size = manifest["source"], manifest["preprocessing"]["size"]
    classes = _describe_classes(manifest["classes"])
    lines = [f"{out}: {_describe_counts(manifest)} images of {size} pixels{classes}"]
    lines += first_lines("images were skipped", _lines(made.skipped))
    lines += first_lines("names of the source were left out", _lines(made.left_out))
    copies = about["held_out_copies"]
    lines += first_lines("held-out images are copies of training images", copies)
    if about["copies"]:
        lines.append(f"{about['copies']} images are copies of others in their split.")
    inner = ", ".join(f"{key}: {value}" for key, value in made.arguments.items())
    data = f"data:\n  class_path: energy_gans.data.{made.module}\n  init_args: {{{inner}}}"
    return [*lines, "To train on it:", data]


def _describe_counts(manifest: dict[str, Any]) -> str:
    r"""Returns the number of images in each split, as in `50000 train, 10000 val`."""
    return ", ".join(f"{about['count']} {split}" for split, about in manifest["splits"].items())


def _describe_classes(classes: list[str]) -> str:
    r"""Returns the number of classes and the first of their names, or `""` for fewer than two."""
    if len(classes) < 2:
        return ""
    more = ", ..." if len(classes) > PRINTED else ""
    return f", {len(classes)} classes ({', '.join(classes[:PRINTED])}{more})"


def _lines(entries: list[dict[str, str]]) -> list[str]:
    r"""Returns a line for each entry of a manifest's list of images that are not in the set."""
    return [f"{entry['name']}: {entry['reason']}" for entry in entries]
