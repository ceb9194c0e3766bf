r"""Matrices, filters and samples as float16 numbers, which halves the files of a model."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from torch import Tensor

from ...methods import GenerativeModule
from ...storage.export import takes_half

# The number of samples that are compared, and the largest change, as a share of their range: one
# of 255 levels of brightness.
_SAMPLES, _LARGEST = 64, 1 / 255


@contextmanager
def rounded_weights(model: GenerativeModule, seed: int) -> Iterator[float]:
    r"""Rounds a model's matrices, filters and samples to float16 numbers within the context.

    Arguments:
        model: The model.
        seed: The seed of the samples that are compared.

    Yields:
        The largest change of a sample, as a share of the range of the samples; of text, the share
        of characters that change.

    Raises:
        ValueError: If a sample changes by more than 1/255 of the range, or a character of text
            changes.
    """
    before = _draw(model, seed)
    kept = {t: t.detach().clone() for t in _weights(model)}
    try:
        with torch.no_grad():
            for weight in kept:
                weight.copy_(weight.half())
        text, after = bool(model.vocabulary), _draw(model, seed)
        change = _changed(before, after) if text else _change(before, after)
        if not change <= (0 if text else _LARGEST):
            found = f"{change:.3g} of {'the characters' if text else 'the range of samples'}"
            raise ValueError(
                f"'half_weights' should be false for this model: float16 weights change {found}, "
                f"and {'none' if text else '1/255'} is allowed."
            )
        yield change
    finally:
        with torch.no_grad():
            for weight, value in kept.items():
                weight.copy_(value)


def _weights(model: GenerativeModule) -> list[Tensor]:
    r"""Returns the tensors of a model that are rounded, each once."""
    state = model.state_dict(keep_vars=True).values()
    stored = [*state, *model.carried_state().get("charges", ())]
    return list({id(t): t for t in stored if isinstance(t, Tensor) and takes_half(t)}.values())


def _draw(model: GenerativeModule, seed: int) -> Tensor:
    r"""Returns samples in float64, with shape :math:`(N, *)`; of text, the characters' numbers."""
    x = model.sample(_SAMPLES, random=torch.Generator(model.device).manual_seed(seed))
    return (x.argmax(1) if model.vocabulary else x).double()


def _change(before: Tensor, after: Tensor) -> float:
    r"""Returns the largest difference of two sets, as a share of the range of the first."""
    spread = (before.max() - before.min()).item()
    change = (after - before).abs().max().item()
    return change / spread if spread > 0 else change


def _changed(before: Tensor, after: Tensor) -> float:
    r"""Returns the share of characters that are others."""
    return (after != before).double().mean().item()
