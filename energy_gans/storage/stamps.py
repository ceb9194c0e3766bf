r"""Stamps: what decides a number stands beside it.

Two numbers may be compared if their protocols are equal: measure and parameters, extractor and the
SHA-256 of its weights, resize mode, numbers of samples, reference and number type. Where they come
from, their origin, is the seed, the checkpoint's SHA-256 and the versions of the packages.

What real images give stands beside a number as `real`, with a protocol of its own. If that is
another one, of fewer images or of a smaller reference, `real` has the samples' number under it,
too: `matched`.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..files import write_text
from ..metrics.measures import Measurement

DTYPE = "float32 features, float64 moments"
PACKAGES = ("energy-gans", "numpy", "pillow", "torch", "torch-fidelity", "torchvision")


def versions() -> dict[str, str]:
    r"""Returns the versions of the packages that numbers depend on."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def stamp_number(
    number: Measurement,
    real: Measurement | None,
    matched: Measurement | None,
    about: Stamp,
    samples: dict[str, Any],
) -> dict[str, Any]:
    r"""Returns a number with its protocol, and what real images give, with their own.

    Arguments:
        number: The number of the samples.
        real: That of real images that stand in for them, or `None` if they are too few for it.
        matched: The number of the samples under the protocol of `real`, if that is another one.
        about: The stamp of an evaluation.
        samples: What the real images are.
    """
    result = {**fields(number), "protocol": about(number), "real": None}
    if real is not None:
        protocol = about(real) | {"samples": samples}
        result["real"] = {**fields(real), "protocol": protocol}
        if matched is not None:
            result["real"]["matched"] = fields(matched)
    return result


@dataclass(frozen=True)
class Stamp:
    r"""Creates what decides the numbers of an evaluation, but for the samples.

    Arguments:
        extractor: The extractor's stamp.
        reference: The reference's class of data, its fingerprint and the split.
        held_out: Those of the first held-out real images, by their number.
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
class View:
    r"""Creates numbers of samples and of real images that may stand beside each other.

    Arguments:
        label: The measure's name.
        samples: The number of the samples, or `None`.
        real: That of real images, or `None`.
        protocol: The protocol of both.
    """

    label: str
    samples: dict[str, Any] | None
    real: dict[str, Any] | None
    protocol: dict[str, Any]

    def counts(self) -> tuple[int, int | None]:
        r"""Returns the numbers of samples and of reference images, `None` without a reference."""
        return self.protocol["n"], self.protocol.get("reference", {}).get("n")


def views(name: str, number: dict[str, Any]) -> list[View]:
    r"""Returns a stamped number as it may be shown: twice where real ones have another protocol."""
    real, protocol = number["real"], number["protocol"]
    if real is None:
        return [View(name, number, None, protocol)]
    other = {k: v for k, v in real["protocol"].items() if k != "samples"}
    alone = {k: v for k, v in real.items() if k != "matched"}
    if first_difference(protocol, other) is None:
        return [View(name, number, alone, protocol)]
    # Of fewer samples it is no FID.
    label = "fd" if name == "fid" else name
    return [View(name, number, None, protocol), View(label, real.get("matched"), alone, other)]


def fields(number: Measurement) -> dict[str, float | None]:
    r"""Returns a number as JSON has it: what there is of it, and infinities as null."""
    there = {name: getattr(number, name) for name in ("value", "std", "low", "high")}
    return {
        name: value if math.isfinite(value) else None
        for name, value in there.items()
        if value is not None
    }


def display(number: dict[str, Any]) -> str:
    r"""Returns a number in words: with its standard deviation or interval, if it has one."""
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
    content = {"measures": numbers, "origin": origin | {"versions": versions()}}
    write_text(json.dumps(content, indent=1, allow_nan=False) + "\n", path)


def read_metrics(path: str) -> dict[str, dict[str, Any]]:
    r"""Returns the stamped numbers in a file that `evaluate` wrote.

    Raises:
        FileNotFoundError: If there is no such file.
        ValueError: If it is something else.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"'files' should be metrics.json files, and {path!r} is none.")
    try:
        measures = json.loads(Path(path).read_text())["measures"]
        for name, number in measures.items():
            if not {"value", "protocol", "real"} <= number.keys():
                raise KeyError(name)
            if number["real"] is not None and "protocol" not in number["real"]:
                raise KeyError("real")
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path!r} was not written by `energy-gans evaluate`.") from error
    return measures


def first_difference(a: Any, b: Any, key: str = "") -> str | None:
    r"""Returns the first difference of two protocols in words, or `None` if they are equal."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted(a.keys() | b.keys()):
            found = first_difference(a.get(name), b.get(name), f"{key}.{name}".lstrip("."))
            if found is not None:
                return found
        return None
    return None if a == b else f"{key} is {a!r} and {b!r}"
