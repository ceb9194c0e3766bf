r"""Stamps: what decides a number stands beside it.

Two numbers may be compared if their protocols are equal: measure and parameters, extractor and the
SHA-256 of its weights, resize mode, numbers of samples, reference and number type. Where they come
from, their origin, is the seed, the checkpoint's SHA-256 and the versions of the packages.
"""

from __future__ import annotations

import importlib.metadata
import json
import math
from pathlib import Path
from typing import Any

from ..callbacks.directory import write_text
from ..metrics.features import FeatureExtractor
from ..metrics.measures import Number

DTYPE = "float32 features, float64 moments"
PACKAGES = ("energy-gans", "numpy", "pillow", "torch", "torch-fidelity", "torchvision")


def versions() -> dict[str, str]:
    r"""Returns the versions of the packages that numbers depend on."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def stamped(
    number: Number,
    real: Number | None,
    extractor: FeatureExtractor,
    reference: dict[str, Any],
    held_out: dict[str, Any],
) -> dict[str, Any]:
    r"""Returns a number with its protocol, and what real data gives, with its own.

    Arguments:
        number: The number of the samples.
        real: That of held-out real samples, or `None` if they are too few for it.
        extractor: The extractor.
        reference: The data's class, its fingerprint and the split.
        held_out: Those of the held-out real samples.
    """
    result = {**fields(number), "protocol": protocol(number, extractor, reference, held_out)}
    result["real"] = real and {
        **fields(real),
        "protocol": protocol(real, extractor, reference, held_out) | {"samples": held_out},
    }
    return result


def protocol(
    number: Number,
    extractor: FeatureExtractor,
    reference: dict[str, Any],
    held_out: dict[str, Any],
) -> dict[str, Any]:
    r"""Returns all that decides a number, but for its samples."""
    found = {"extractor": extractor.stamp(), "dtype": DTYPE, "n": number.n}
    found |= {"parameters": number.parameters}
    if number.reference_n:
        found["reference"] = reference | {"n": number.reference_n}
    if number.held_out_n:
        found["held_out"] = held_out | {"n": number.held_out_n}
    return found


def fields(number: Number) -> dict[str, float | None]:
    r"""Returns a number as JSON has it: what there is of it, and infinities as null."""
    there = {name: getattr(number, name) for name in ("value", "std", "low", "high")}
    return {
        name: value if math.isfinite(value) else None
        for name, value in there.items()
        if value is not None
    }


def shown(number: dict[str, Any]) -> str:
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
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise ValueError(f"{path!r} was not written by `energy-gans evaluate`.") from error
    return measures


def unlike(a: Any, b: Any, key: str = "") -> str | None:
    r"""Returns the first difference of two protocols in words, or `None` if they are equal."""
    if isinstance(a, dict) and isinstance(b, dict):
        for name in sorted(a.keys() | b.keys()):
            found = unlike(a.get(name), b.get(name), f"{key}.{name}".lstrip("."))
            if found is not None:
                return found
        return None
    return None if a == b else f"{key} is {a!r} and {b!r}"
