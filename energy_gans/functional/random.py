r"""Random numbers that are functions of a key.

A run is a function of its seed: the random numbers of a step come from a generator with the key
(seed, purpose, step), never from a stream whose position would have to be saved. Hence neither a
kill and resumption, nor a callback that draws samples, nor another number of processes changes the
random numbers of the training.
"""

from __future__ import annotations

import zlib

import torch
from torch import Tensor


def fold(seed: int, *keys: int | str) -> int:
    r"""Returns a 63-bit hash of a seed and keys; no keys are the same as the key 0.

    Each key is mixed in by one round of SplitMix64.

    Arguments:
        seed: The seed of the run.
        keys: The purpose of the random numbers, and the number of the step.

    Returns:
        The hash, at least 0 and below :math:`2^{63}`.

    References:
        Fast Splittable Pseudorandom Number Generators (Steele, Lea and Flood, 2014)

    Example:
        >>> fold(0, "noise", 1) == fold(0, "noise", 1), fold(0, "noise", 1) == fold(0, "noise", 2)
        (True, False)
    """
    mask = 2**64 - 1
    state = seed & mask
    for key in keys or (0,):
        word = zlib.crc32(key.encode()) if isinstance(key, str) else key
        state = (state + (word + 1) * 0x9E3779B97F4A7C15) & mask
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & mask
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & mask
        state ^= state >> 31
    return state >> 1


def keyed_generator(
    seed: int, *keys: int | str, device: torch.device | str = "cpu"
) -> torch.Generator:
    r"""Returns a generator seeded by :func:`fold`.

    Arguments:
        seed: The seed of the run.
        keys: The purpose of the random numbers, and the number of the step.
        device: The device of the generator.
    """
    return torch.Generator(device).manual_seed(fold(seed, *keys))


def keyed_subset(length: int, n: int, seed: int, *keys: int | str) -> Tensor:
    r"""Returns the indices of a random subset, in random order, int64 with shape :math:`(n)`.

    A smaller subset with the same key holds the first indices of a larger one.

    Arguments:
        length: The number of elements that the subset is drawn from.
        n: The size of the subset; all elements are drawn if there are fewer.
        seed: The seed of the run.
        keys: The purpose of the subset, and a number of it if there are several.
    """
    return torch.randperm(length, generator=keyed_generator(seed, *keys))[:n]
