r"""Stamped numbers: each measure with its protocol, as `evaluate` writes them.

Two numbers can be compared if their protocols are equal: measure and parameters, extractor and the
SHA-256 of its weights, resize mode, numbers of samples, reference and number type. The origin of
the numbers is the seed, the checkpoint's SHA-256 and the versions of the packages.

`real` is the same measure of real images, with a protocol of its own. If that protocol differs,
because it has fewer images or a smaller reference, `real` also holds `matched`: the number of the
samples under the protocol of the real images.
"""

from __future__ import annotations

import importlib.metadata
import itertools
import json
import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import write_text
from ..metrics.measures import Measurement

# What reading a file of another format can raise.
_DAMAGED = (
    ValueError,
    LookupError,
    TypeError,
    AttributeError,
    ArithmeticError,
    RecursionError,
)
DTYPE = "float32 features, float64 moments"
PACKAGES = ("energy-gans", "numpy", "pillow", "torch", "torch-fidelity", "torchvision")


def package_versions() -> dict[str, str]:
    r"""Returns the versions of the packages on which numbers depend."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def stamp_number(
    number: Measurement,
    real: Measurement | None,
    matched: Measurement | None,
    about: Stamp,
    samples: dict[str, Any],
) -> dict[str, Any]:
    r"""Returns a number with its protocol, and the number of real images with theirs.

    Arguments:
        number: The number of the samples.
        real: The number of real images, or `None` if there are too few for the measure.
        matched: The number of the samples under the protocol of `real`, if that differs.
        about: The stamp of the evaluation.
        samples: A description of the real images.
    """
    result = {**number_fields(number), "protocol": about(number), "real": None}
    if real is not None:
        protocol = about(real) | {"samples": samples}
        result["real"] = {**number_fields(real), "protocol": protocol}
        if matched is not None:
            result["real"]["matched"] = number_fields(matched)
    return result


@dataclass(frozen=True)
class Stamp:
    r"""The protocol that all numbers of an evaluation share.

    Arguments:
        extractor: The extractor's stamp.
        reference: The class, the fingerprint and the split of the reference's data.
        held_out: Returns a description of the first `n` real images outside the reference.
    """

    extractor: dict[str, Any]
    reference: dict[str, Any]
    held_out: Callable[[int], dict[str, Any]]

    def __call__(self, number: Measurement) -> dict[str, Any]:
        r"""Returns the protocol of a number."""
        found = {"extractor": self.extractor, "dtype": DTYPE, "n": number.n}
        found |= {"parameters": number.parameters}
        if number.reference_n:
            found["reference"] = self.reference | {"n": number.reference_n}
        if number.held_out_n:
            found["held_out"] = self.held_out(number.held_out_n)
        return found


@dataclass(frozen=True)
class Comparison:
    r"""The numbers of samples and of real images under one protocol.

    Arguments:
        label: The measure's name.
        samples: The number of the samples, or `None`.
        real: The number of real images, or `None`.
        protocol: The protocol of both.
    """

    label: str
    samples: dict[str, Any] | None
    real: dict[str, Any] | None
    protocol: dict[str, Any]

    def counts(self) -> tuple[int, int | None]:
        r"""Returns the number of samples and of reference images, `None` without a reference."""
        return self.protocol["n"], self.protocol.get("reference", {}).get("n")


def comparisons(name: str, number: dict[str, Any]) -> list[Comparison]:
    r"""Returns the rows of a stamped number: a second one if real images have another protocol."""
    real, protocol = number["real"], number["protocol"]
    if real is None:
        return [Comparison(name, number, None, protocol)]
    other = {k: v for k, v in real["protocol"].items() if k != "samples"}
    alone = {k: v for k, v in real.items() if k != "matched"}
    if first_difference(protocol, other) is None:
        return [Comparison(name, number, alone, protocol)]
    # The name FID is reserved for the standard number of samples.
    label = "fd" if name == "fid" else name
    return [
        Comparison(name, number, None, protocol),
        Comparison(label, real.get("matched"), alone, other),
    ]


def number_fields(number: Measurement) -> dict[str, float | None]:
    r"""Returns the fields of a number that are set, with `None` for infinity, as JSON requires."""
    fields = {name: getattr(number, name) for name in ("value", "std", "low", "high")}
    return {
        name: value if math.isfinite(value) else None
        for name, value in fields.items()
        if value is not None
    }


def format_number(number: dict[str, Any]) -> str:
    r"""Returns a number as text, with its standard deviation or interval if it has one."""
    if number.get("value") is None:
        return f"> {number['low']:.4g}" if "low" in number else "infinite"
    text = f"{number['value']:.4g}"
    if "std" in number:
        text += f" ± {number['std']:.2g}"
    if "low" in number:
        text += f" [{number['low']:.3g}, {number['high']:.3g}]"
    return text


def write_metrics(numbers: dict[str, dict[str, Any]], origin: dict[str, Any], path: Path) -> None:
    r"""Writes stamped numbers as JSON."""
    content = {"measures": numbers, "origin": origin | {"versions": package_versions()}}
    write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", path)


def read_metrics(path: str) -> dict[str, dict[str, Any]]:
    r"""Returns the stamped numbers in a file that `evaluate` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If the file was not written by `evaluate`.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"'files' should be metrics.json files, and {path!r} is none.")
    try:
        measures = json.loads(Path(path).read_text())["measures"]
        for name, number in measures.items():
            _check_number(name, number)
    except _DAMAGED as error:
        raise ValueError(f"{path!r} was not written by `energy-gans evaluate`.") from error
    return measures


def _check_number(name: str, number: dict[str, Any]) -> None:
    r"""Raises some error unless a stamped number has all that tables show of it."""
    if "value" not in number:
        raise KeyError(name)
    for row in comparisons(name, number):
        row.protocol["extractor"]["name"], row.counts()
        for one in (row.samples, row.real):
            if one is not None:
                format_number(one)


def find_metrics(folder: Path, sha256: str) -> Path | None:
    r"""Returns the file of the numbers that `evaluate` measured of a checkpoint, or `None`.

    A study writes them beside the folder of the run.

    Arguments:
        folder: The folder of the checkpoint's run.
        sha256: The SHA-256 of the checkpoint.
    """
    found = (sorted(place.glob("metrics*.json")) for place in (folder, folder.resolve().parent))
    for path in itertools.chain(*found):
        with suppress(*_DAMAGED):
            if json.loads(path.read_text())["origin"]["sha256"] == sha256:
                return path
    return None


def first_difference(a: Any, b: Any, key: str = "") -> str | None:
    r"""Returns the first difference of two protocols in words, or `None` if they are equal."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted(a.keys() | b.keys()):
            found = first_difference(a.get(name), b.get(name), f"{key}.{name}".lstrip("."))
            if found is not None:
                return found
        return None
    return None if a == b else f"{key} is {a!r} and {b!r}"
