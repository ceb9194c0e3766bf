r"""Lines of text: of a user's file, of Billion Word, or of any other corpus.

The papers train on Billion Word (Chelba et al., 2013), in lines of 32 characters, and do not state
the size of the vocabulary. Its shards,
`training-monolingual.tokenized.shuffled/news.en-*-of-00100`, are a folder of text files. They are
prepared once, as 30 million lines take a GB of memory and minutes to read:
`energy-gans data prepare text`.

References:
    One Billion Word Benchmark for Measuring Progress in Statistical Language Modeling (Chelba et
    al., 2013), https://arxiv.org/abs/1312.3005
    Improved Training of Wasserstein GANs (Gulrajani et al., 2017), https://arxiv.org/abs/1704.00028
    Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et al., 2018),
    Section 5.3, https://arxiv.org/abs/1708.08819
"""

from __future__ import annotations

import hashlib
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning.pytorch.utilities import rank_zero_warn
from torch import Tensor

from ...characters import one_hot
from ..base import Samples, TensorDataModule
from ..prepared.module import StoredSet
from ..prepared.sources.text import TextSource, check_text, file_source
from ..prepared.text import check_splits


class TextDataModule(TensorDataModule):
    r"""Base class of data modules of text, whose lines are read into memory.

    Arguments:
        length: The number :math:`L` of characters of a line.
        symbols: The number :math:`V` of symbols.
        characters: The characters of the vocabulary; by default the most frequent ones.
        hold_out: One in this many lines is held out.
        batch_size: The size of the global batch of a training step, over all processes.

    Raises:
        ValueError: If an argument is out of its range.
    """

    def __init__(
        self, length: int, symbols: int, characters: str | None, hold_out: int, batch_size: int
    ) -> None:
        super().__init__(batch_size)
        check_text(length, symbols, characters, hold_out)
        self.line_length, self.symbols = length, symbols
        self.characters, self.hold_out = characters, hold_out

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.symbols, self.line_length)

    @property
    def vocabulary(self) -> str:
        return self.text[0]

    @cached_property
    def text(self) -> tuple[str, dict[str, Tensor]]:
        r"""The vocabulary, and the codes of each split, uint8, with shape :math:`(N, L)`."""
        text = self.open_text()
        vocabulary, unknown = text.vocabulary()
        parts: dict[str, list[np.ndarray]] = {"train": [], "val": []}
        for codes, held_out in text.codes(vocabulary):
            for split, keep in (("train", ~held_out), ("val", held_out)):
                parts[split] += [codes[keep]] if keep.any() else []
        check_splits(text, [split for split, found in parts.items() if found])
        if unknown:
            rank_zero_warn(
                f"{unknown} characters of the text are not among its {len(vocabulary) - 2} most "
                "frequent ones, and are all read as one unknown symbol: 'symbols' sets how many "
                "are known."
            )
        joined = {split: torch.from_numpy(np.concatenate(part)) for split, part in parts.items()}
        return vocabulary, joined

    def open_text(self) -> TextSource:
        r"""Returns the lines of the text."""
        raise NotImplementedError

    def load(self, split: str) -> Samples:
        codes = self.text[1][split]
        return codes, torch.zeros(len(codes), dtype=torch.long)

    def to_samples(self, y: Tensor) -> Tensor:
        return one_hot(y, self.symbols)

    def fingerprint(self, split: str) -> str:
        identity = f"{super().fingerprint(split)} {self.vocabulary}"
        return hashlib.sha256(identity.encode()).hexdigest()


class TextLines(StoredSet, TextDataModule):
    r"""Data module of the lines of a text, one sample a line.

    Samples have the shape :math:`(V, L)`: one-hot codes of characters. Longer lines are cut, and
    shorter ones are padded with a symbol of its own. Lines that are equal are in one split. Equal
    characters of upper and lower case are different ones.

    Arguments:
        root: A text file in UTF-8, a `.gz` file, a folder of such files, or the folder of a
            prepared set.
        length: The number :math:`L` of characters of a line.
        symbols: The number :math:`V` of symbols, from 3 to 256, which is that of the networks'
            channels. Two are those of padding and of unknown characters.
        characters: The characters of the vocabulary. By default, the most frequent ones that fit
            into `symbols`; all others are then read as one unknown symbol.
        hold_out: One in this many lines is held out.
        batch_size: The size of the global batch of a training step, over all processes.

    Raises:
        FileNotFoundError: If there is no such file or folder.
        ValueError: If an argument is out of its range; if a file is no text in UTF-8 or holds no
            line of `length` characters; if `characters` lacks one of the text; or if `root` holds
            another prepared set, or one with another preprocessing.
    """

    command = "text"
    files = "a text file in UTF-8 or a .gz file of it"
    source = ""

    def __init__(
        self,
        root: str,
        length: int = 32,
        symbols: int = 128,
        characters: str | None = None,
        hold_out: int = 20,
        batch_size: int = 64,
    ) -> None:
        super().__init__(length, symbols, characters, hold_out, batch_size)
        self.root = Path(root)

    @property
    def preprocessing(self) -> dict[str, Any]:
        given = {} if self.characters is None else {"characters": self.characters}
        return {
            "length": self.line_length,
            "symbols": self.symbols,
            "hold_out": self.hold_out,
            **given,
        }

    @property
    def vocabulary(self) -> str:
        if self.manifest is None:
            return super().vocabulary
        return self.manifest["preprocessing"]["vocabulary"]

    def load_unprepared(self, split: str) -> Samples:
        return TextDataModule.load(self, split)

    def missing_message(self) -> str:
        return (
            f"'data.init_args.root' = {str(self.root)!r} should be {self.files}, a folder of such "
            "files, or a prepared set, and is not there. To prepare a large text once: "
            f"{self.prepare_command('FILE', self.root)}"
        )

    def open_text(self) -> TextSource:
        if not self.root.exists():
            raise FileNotFoundError(self.missing_message())
        arguments = self.line_length, self.symbols, self.characters, self.hold_out
        return file_source(self.root, *arguments, argument="data.init_args.root")
