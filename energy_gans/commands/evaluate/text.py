r"""The evaluation of text: n-grams of samples, of held-out lines and of Markov chains.

- `js`: the Jensen-Shannon divergence of the n-grams of the samples and the reference, for n from 1
  to 6. It is smaller for more lines.
- `seen`: the share of the samples' 12-grams that occur in the reference.

Held-out lines have the floor of the divergence. Chains of order 3 and more have a lower one, as
they recite the reference, which the second measure shows.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from ...characters import code_table, to_codes
from ...checks import Names, split_names
from ...data import TensorDataModule
from ...data.batches import EVALUATION_BATCH
from ...data.prepared.reader import file_digest
from ...data.prepared.sources.text import read_text
from ...functional import keyed_generator, markov_lines
from ...methods import GenerativeModule
from ...metrics.measures import Measurement
from ...metrics.ngram_divergence import text_measures
from ...metrics.reference import MEASURE_BATCH, reference_order
from ...storage.stamps import stamp_number
from ..models import argument_of, model_origin, open_model

MEASURES = ("js", "seen")
# The number of samples in the papers.
SAMPLES = 640
ORDERS, SEEN = (1, 2, 3, 4, 5, 6), 12
# The orders of the Markov chains.
CHAINS = range(6)


def parse_text_measures(measures: Names | None) -> list[str]:
    r"""Returns the names of measures of text in a string such as `"js,seen"`, or in a list.

    All measures are returned for `None`.

    Raises:
        ValueError: If a name is unknown or there are no names.
    """
    if measures is None:
        return list(MEASURES)
    names = split_names("measures", measures)
    if not names or {*names} - {*MEASURES}:
        raise ValueError(
            f"'measures' should be of {','.join(MEASURES)} for text, got {measures!r}."
        )
    return names


@dataclass(frozen=True)
class TextSamples:
    r"""Samples of text, and where they come from.

    Arguments:
        codes: Their codes, with shape :math:`(N, L)`.
        origin: Their origin, for a stamp.
    """

    codes: Tensor
    origin: dict[str, Any]


def open_text_samples(
    ckpt_path: Path | GenerativeModule | None,
    samples: Any,
    data: TensorDataModule,
    n: int | None,
    seed: int,
    device: torch.device,
    trust: Names,
) -> TextSamples:
    r"""Returns samples of text: of a model, or the lines of a file.

    Arguments:
        ckpt_path: The path of the model's checkpoint, or the model itself, or `None`.
        samples: The text file in place of a model.
        data: The data module, whose vocabulary the samples have.
        n: The number of samples; 640 of a model and all of a file if `None`.
        seed: The seed of the latents.
        device: The device that computes.
        trust: The packages besides this one whose classes the checkpoint may name.

    Raises:
        ValueError: If the samples are no text of the data's vocabulary, or are too few.
    """
    if samples is not None:
        return _file_samples(samples, data, n)
    model = open_model(ckpt_path, trust)
    if model.vocabulary != data.vocabulary:
        raise ValueError(
            f"{argument_of(ckpt_path)} should hold a model of the vocabulary of 'data', and holds "
            "one of another text."
        )
    # A live model stays where it is.
    model = model if model is ckpt_path else model.to(device)
    parts = []
    for j in range(-(-(n or SAMPLES) // MEASURE_BATCH)):
        random = keyed_generator(seed, "evaluate", j, device=model.device)
        parts.append(to_codes(model.sample(MEASURE_BATCH, random=random)).cpu())
    return TextSamples(torch.cat(parts)[: n or SAMPLES], model_origin(ckpt_path) | {"seed": seed})


def _file_samples(samples: Any, data: TensorDataModule, n: int | None) -> TextSamples:
    r"""Returns the first `n` lines of a text file, or all, with the vocabulary of the data."""
    if isinstance(samples, (Tensor, np.ndarray)) or not Path(samples).is_file():
        raise ValueError("'samples' should be a text file where 'data' is text.")
    table = code_table(data.vocabulary)
    rows = [part.rows for part in read_text(Path(samples), data.shape[1], "samples")]
    codes = torch.from_numpy(table[np.concatenate(rows)]).long() if rows else torch.empty(0)
    if len(codes) == 0 or len(codes) < (n or 1):
        raise ValueError(
            f"'samples' = {str(samples)!r} should hold {n or 'some'} lines, got {len(codes)}."
        )
    origin = {"samples": str(samples), "sha256": file_digest(Path(samples))}
    return TextSamples(codes[:n], origin)


def measure_text(
    names: list[str],
    x: Tensor,
    data: TensorDataModule,
    splits: tuple[str, str],
    reference_n: int,
    about: list[dict[str, Any]],
) -> dict[str, dict[str, Any]]:
    r"""Returns stamped numbers by name, with those of held-out lines and of Markov chains.

    Arguments:
        names: The names of the measures.
        x: The codes of the samples, with shape :math:`(N, L)`.
        data: The data module.
        splits: The split of the reference, and the other split.
        reference_n: The largest number of lines in the reference.
        about: The data, its fingerprint and the split of both splits, for the stamps.
    """
    n, length = len(x), data.shape[1]
    y, z = (_random_lines(data, s, k) for s, k in zip(splits, (reference_n, n), strict=True))
    chains = {f"order {k}": markov_lines(y, k, n, keyed_generator(0, "markov", k)) for k in CHAINS}
    orders = [k for k in ORDERS if k <= length] if "js" in names else []
    seen = SEEN if "seen" in names and length >= SEEN else None
    # Where there are fewer held-out lines than samples, as many samples are measured, too.
    sets = {"samples": x, "real": z, "matched": x[: len(z)], **chains}
    values = text_measures(list(sets.values()), y, orders, seen)
    stamp = _stamp(about[0] | {"n": len(y)}, data.vocabulary)
    numbers: dict[str, dict[str, Any]] = {}
    for name in values[0]:
        found = dict(zip(sets, (one[name].item() for one in values), strict=True))
        parameters = {"n-gram": int(name.rpartition("_")[2])}
        of = {
            which: Measurement(found[which], len(sets[which]), len(y), parameters=parameters)
            for which in ("samples", "real", "matched")
        }
        matched = of["matched"] if len(z) < n else None
        real = about[1] | {"n": len(z)}
        numbers[name] = stamp_number(of["samples"], of["real"], matched, stamp, real)
        numbers[name]["markov"] = {chain: found[chain] for chain in chains}
    return numbers


def _stamp(reference: dict[str, Any], vocabulary: str) -> Callable[[Measurement], dict[str, Any]]:
    r"""Returns the protocol of a number as a function of it."""
    extractor = {"name": "characters", "vocabulary": vocabulary}
    return lambda number: {
        "extractor": extractor,
        "dtype": "float64",
        "n": number.n,
        "parameters": number.parameters,
        "reference": reference,
    }


def _random_lines(data: TensorDataModule, split: str, n: int) -> Tensor:
    r"""Returns the codes of `n` lines of a split, or of all if it has fewer, in random order."""
    order = reference_order(data.length(split), min(n, data.length(split)))
    return torch.cat([y for y, _ in data.loader(split, order.split(EVALUATION_BATCH))]).long()
