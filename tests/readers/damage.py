r"""Damage to files, drawn by hypothesis: to their bytes, to the members of archives, to values."""

import copy
import io
import zipfile
from collections.abc import Iterator
from typing import Any, NamedTuple

from hypothesis import strategies as st

# Lengths, counts and offsets that readers should not trust, for fields of eight bytes or fewer.
NUMBERS = (0, 1, 2, 3, 127, 128, 255, 2**15, 2**16 - 1, 2**24, 2**31 - 1, 2**32 - 1, 2**63 - 1)
VALUES: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    3,
    2**31,
    2**63,
    10**400,
    1.5,
    float("nan"),
    float("inf"),
    "",
    "x",
    "../../escaped",
    "/etc/hostname",
    "a\0b",
    "é" * 300,
    [],
    [[]],
    [1, 2],
    {},
    {"value": None},
    {"class_path": "os.system", "init_args": {"command": "true"}},
    {"class_path": "torch.nn.Flatten"},
)


class Harm(NamedTuple):
    r"""A change of some bytes.

    Arguments:
        kind: What is done.
        at: The place, as a share of the file in units of 2^-16.
        size: The number of bytes.
        value: The byte that is written, or the index of a number.
    """

    kind: str
    at: int
    size: int
    value: int

    def __call__(self, data: bytes) -> bytes:
        i = self.at * len(data) >> 16
        # Most headers are within the first or the last few bytes.
        i = {"head": self.at % 64, "tail": max(0, len(data) - self.at % 64)}.get(self.kind, i)
        before, within, after = data[:i], data[i : i + self.size], data[i + self.size :]
        number = NUMBERS[self.value % len(NUMBERS)]
        width = 1 << self.value // 16 % 4
        order = "big" if self.value & 128 else "little"
        return {
            "flip": before + bytes(b ^ (1 << self.value % 8) for b in within) + after,
            "head": before + number.to_bytes(8, order)[-width:] + data[i + width :],
            "tail": before + number.to_bytes(8, "little")[:width] + data[i + width :],
            "number": before + number.to_bytes(8, "little")[:width] + data[i + width :],
            "cut": before,
            "remove": before + after,
            "repeat": before + within + within + after,
            "insert": before + bytes([self.value]) * self.size + within + after,
            "fill": before + bytes([self.value]) * len(within) + after,
        }[self.kind]


KINDS = ("flip", "head", "tail", "number", "cut", "remove", "repeat", "insert", "fill")
harms = st.lists(
    st.builds(
        Harm,
        st.sampled_from(KINDS),
        st.integers(0, 2**16 - 1),
        st.sampled_from([1, 2, 8, 64, 1000]),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=3,
)


def damaged(data: bytes, harm: list[Harm]) -> bytes:
    r"""Returns bytes after several changes."""
    for one in harm:
        data = one(data)
    return data


def damaged_member(archive: bytes, place: int, harm: list[Harm]) -> bytes:
    r"""Returns a zip archive whose check sums are right, one member of which was damaged."""
    changed = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(archive)) as old, zipfile.ZipFile(changed, "w") as new:
        for i, member in enumerate(old.infolist()):
            data = old.read(member)
            hit = i == place % len(old.infolist())
            new.writestr(member.filename, damaged(data, harm) if hit else data)
    return changed.getvalue()


def _places(tree: Any) -> Iterator[tuple[Any, Any]]:
    r"""Yields each container of nested values with each of its keys or indices."""
    keys = tree if isinstance(tree, dict) else range(len(tree)) if isinstance(tree, list) else ()
    for key in keys:
        yield tree, key
        yield from _places(tree[key])


def changed(tree: Any, place: int, value: int) -> Any:
    r"""Returns nested values, one of which was replaced, or left out."""
    if place % 25 == 0:
        return VALUES[value % len(VALUES)]
    tree = copy.deepcopy(tree)
    places = [*_places(tree)]
    container, key = places[place % len(places)]
    if value % (len(VALUES) + 1) == len(VALUES):
        del container[key]
    else:
        container[key] = VALUES[value % (len(VALUES) + 1)]
    return tree


changes = st.tuples(st.integers(0, 999), st.integers(0, 999))
