r"""Text as tensors: lines of single characters, cut or padded to one length.

A vocabulary is a string. The character at index :math:`v` of it is that of channel :math:`v`. The
first two are symbols of their own: :data:`PAD` fills lines that are too short, and :data:`UNKNOWN`
stands for all characters outside the vocabulary. A line is stored as the indices of its
characters, its *codes*, and a sample of text is the one-hot code of a line, with shape
:math:`(V, L)`. Generated samples hold probabilities instead, and are read as the most probable
character at each place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

# The symbol for null and the replacement character of Unicode: text has other uses for neither.
PAD, UNKNOWN = "\u2400", "\ufffd"
OWN = PAD + UNKNOWN
# Codes are stored as uint8.
LARGEST = 256
_CODE_POINTS = 0x110000


def code_points(lines: Sequence[str], length: int) -> np.ndarray:
    r"""Returns lines, cut or padded, as Unicode code points, uint32, with shape :math:`(N, L)`.

    Arguments:
        lines: The :math:`N` lines.
        length: The number :math:`L` of characters of a line.
    """
    text = "".join([line[:length].ljust(length, PAD) for line in lines])
    return np.frombuffer(text.encode("utf-32-le"), np.uint32).reshape(len(lines), length)


def count_characters(rows: np.ndarray) -> np.ndarray:
    r"""Returns how often each code point occurs in rows of code points, without padding."""
    counts = np.bincount(rows.ravel(), minlength=_CODE_POINTS)
    counts[ord(PAD)] = 0
    return counts


def frequent_characters(counts: np.ndarray, symbols: int) -> str:
    r"""Returns the vocabulary of the most frequent characters, equal ones by code point.

    Arguments:
        counts: How often each code point occurs.
        symbols: The largest number of characters in the vocabulary, its own two included.
    """
    own = [ord(character) for character in OWN]
    order = np.argsort(-counts, kind="stable")[: symbols + len(own)]
    found = [chr(i) for i in order.tolist() if counts[i] > 0 and i not in own]
    return OWN + "".join(found[: symbols - len(own)])


def given_vocabulary(characters: str, symbols: int) -> str:
    r"""Returns the vocabulary of characters that a user gives.

    Arguments:
        characters: The characters, each once.
        symbols: The largest number of characters in the vocabulary, its own two included.

    Raises:
        ValueError: If there are none or too many, or one is there twice or is a symbol of ours.
    """
    if not 1 <= len(characters) <= symbols - len(OWN):
        raise ValueError(
            f"'characters' should be 1 to {symbols - len(OWN)} characters, {len(OWN)} fewer than "
            f"'symbols' = {symbols}, got {len(characters)}."
        )
    if len(set(characters)) < len(characters) or set(characters) & set(OWN):
        wrong = next(c for c in characters if c in OWN or characters.count(c) > 1)
        raise ValueError(
            f"'characters' should hold each character once, and none of {OWN!r}, got {wrong!r}."
        )
    return OWN + characters


def code_table(vocabulary: str) -> np.ndarray:
    r"""Returns the code of each code point, uint8; 1 for those outside the vocabulary."""
    table = np.ones(_CODE_POINTS, np.uint8)
    table[[ord(character) for character in vocabulary]] = np.arange(len(vocabulary))
    return table


def one_hot(codes: Tensor, symbols: int) -> Tensor:
    r"""Returns codes :math:`(B, L)` as float32 in {0, 1}, with shape :math:`(B, V, L)`.

    Arguments:
        codes: The codes, integers from 0 to :math:`V - 1`, with shape :math:`(B, L)`.
        symbols: The number :math:`V` of channels.
    """
    shape = (len(codes), symbols, codes.shape[1])
    return torch.zeros(shape, device=codes.device).scatter_(1, codes[:, None].long(), 1.0)


def to_codes(x: Tensor) -> Tensor:
    r"""Returns the most probable codes, int64, with shape :math:`(B, L)`.

    Arguments:
        x: Samples of text, with shape :math:`(B, V, L)`, or codes, with shape :math:`(B, L)`,
            which are returned as int64.

    Raises:
        ValueError: If they are neither.
    """
    if x.ndim == 3 and x.is_floating_point() and x.shape[1] > 0:
        return x.argmax(1)
    if x.ndim == 2 and not x.is_floating_point():
        return x.long()
    raise ValueError(
        "Text should be floats with shape (B, V, L), or integers with shape (B, L), got "
        f"{x.dtype} of shape {tuple(x.shape)}."
    )


def read_lines(x: Tensor, vocabulary: str) -> list[str]:
    r"""Returns samples of text as lines, without the padding at their ends.

    Arguments:
        x: The samples, with shape :math:`(B, V, L)`, or codes, with shape :math:`(B, L)`.
        vocabulary: The vocabulary. Channels without a character are read as :data:`UNKNOWN`.
    """
    characters = np.full(max(LARGEST, len(vocabulary)), UNKNOWN)
    characters[: len(vocabulary)] = list(vocabulary)
    return ["".join(row).rstrip(PAD) for row in characters[to_codes(x).cpu().numpy()]]
