r"""What hypothesis draws: how many examples, and sets of points.

The suite draws a few examples that are always the same. With `ENERGY_GANS_FUZZ=N`, as in `make
fuzz`, there are N times as many, at random.
"""

import os

import torch
from hypothesis import HealthCheck, Phase, settings, strategies as st
from torch import Tensor

FUZZ = int(os.environ.get("ENERGY_GANS_FUZZ", "0"))


def examples(n: int) -> settings:
    r"""Returns the settings of a test: `n` examples in the suite, or a multiple of them."""
    return settings(
        max_examples=n * max(1, FUZZ),
        derandomize=not FUZZ,
        deadline=None,
        database=None,
        print_blob=True,
        # Without the search for an explanation, which takes minutes for large files.
        phases=[Phase.explicit, Phase.generate, Phase.shrink],
        suppress_health_check=list(HealthCheck),
    )


@st.composite
def clouds(draw: st.DrawFn, sets: int = 3, least: int = 2) -> list[Tensor]:
    r"""Draws sets of points of one dimension from 2 to 7, float64, some of which coincide."""
    dim, seed = draw(st.integers(2, 7)), draw(st.integers(0, 2**31))
    random = torch.Generator().manual_seed(seed)
    sizes = draw(st.lists(st.integers(least, 6), min_size=sets, max_size=sets))
    found = [torch.randn(n, dim, generator=random, dtype=torch.float64) for n in sizes]
    if draw(st.booleans()):
        found[0][0] = found[-1][-1]
    return found


def rotation(dim: int, seed: int = 0) -> Tensor:
    r"""Returns a random rotation, or a reflection, float64."""
    normal = torch.randn(dim, dim, generator=torch.Generator().manual_seed(seed)).double()
    return torch.linalg.qr(normal).Q


# Decimal logarithms of scales over eight orders of magnitude.
orders = st.floats(-4, 4)
seeds = st.integers(0, 2**31)
