r"""From lines of text to a prepared set: the codes of all lines, in place of images.

The files of images hold the codes, with shape :math:`(N, L)`, and all labels are 0. The manifest
holds the vocabulary.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ... import __version__
from ...terminal import progress_bar
from .sources.text import TextSource
from .writer import PreparedWriter


@dataclass(frozen=True)
class TextPipeline:
    r"""Reads lines of text and writes their codes as a prepared set.

    Arguments:
        source: The path of the source.
        out: The folder of the prepared set.
        overwrite: Whether a prepared set in `out` may be replaced.
    """

    source: str
    out: str
    overwrite: bool = False

    def run(self, text: TextSource) -> dict[str, Any]:
        r"""Writes the set and returns its manifest.

        Arguments:
            text: The lines.

        Returns:
            The manifest.

        Raises:
            ValueError: If the source holds no text that can be used, or no line is held out.
            OSError: If the set can not be written.
        """
        with PreparedWriter(Path(self.out), self.overwrite) as writer:
            vocabulary, unknown = text.vocabulary()
            with progress_bar(None, "lines", "text") as bar:
                for codes, held_out in text.codes(vocabulary):
                    for split, keep in (("train", ~held_out), ("val", held_out)):
                        writer.append(split, codes[keep], np.zeros(keep.sum(), np.int64))
                    bar.update(len(codes))
            check_splits(text, [*writer.splits])
            return writer.finish(self.describe(text, vocabulary, unknown))

    def describe(self, text: TextSource, vocabulary: str, unknown: int) -> dict[str, Any]:
        r"""Returns the keys of the manifest that do not describe the array files.

        Arguments:
            text: The lines.
            vocabulary: The vocabulary.
            unknown: The number of characters outside of it.
        """
        return {
            "name": "text",
            "source": {
                "path": self.source,
                "kind": "text",
                "split": f"one line in {text.hold_out} is held out, by its contents",
                "left_out": [],
                "copies": 0,
                "held_out_copies": [],
                "unknown_characters": unknown,
            },
            "preprocessing": {
                "length": text.length,
                "symbols": text.symbols,
                "vocabulary": vocabulary,
                "hold_out": text.hold_out,
                "characters": text.characters,
            },
            "classes": [],
            "versions": {
                "energy_gans": __version__,
                "numpy": np.__version__,
                "python": sys.version.split()[0],
            },
        }


def check_splits(text: TextSource, splits: list[str]) -> None:
    r"""Raises a `ValueError` unless there are lines in both splits."""
    if missing := {"train", "val"} - {*splits}:
        where = "held out" if missing == {"val"} else "left for training"
        raise ValueError(
            f"{text.name} should hold more lines: with 'hold_out' = {text.hold_out}, none is "
            f"{where}."
        )
