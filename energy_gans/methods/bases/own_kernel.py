r"""Checks of a kernel of one's own, the argument `kernel`, in place of that of a method."""

from __future__ import annotations

import inspect
from collections.abc import Iterable, Mapping
from typing import Any

import torch.nn as nn
from torch import Tensor

from ...functional.potentials import Kernel
from ..parts.networks import check_output_shape


def fixed_kernel(kernel: Kernel | nn.Module | None) -> Kernel | nn.Module | None:
    r"""Returns a kernel whose parameters, if any, require no gradients from now on."""
    return kernel.requires_grad_(False) if isinstance(kernel, nn.Module) else kernel


def check_left_out(cls: type, given: Mapping[str, Any], names: Iterable[str], kernel: str) -> None:
    r"""Raises a `ValueError` if parameters of a default kernel are given besides a kernel.

    Arguments:
        cls: The class whose constructor runs.
        given: The local variables of the constructor.
        names: The parameters of the default kernel.
        kernel: What the default kernel is called.
    """
    parameters = inspect.signature(cls.__init__).parameters
    for name in names if given["kernel"] is not None else ():
        if given[name] != parameters[name].default:
            raise ValueError(
                f"{name!r} should be left out where 'kernel' is given, got {given[name]!r}: it is "
                f"a parameter of the {kernel} kernel."
            )


def check_kernel(kernel: Kernel, a: Tensor) -> None:
    r"""Raises a `ValueError` unless a user's kernel gives each pair of points a number.

    Arguments:
        kernel: The kernel.
        a: Points, with shape :math:`(N, *)`.
    """
    n, shape = len(a), tuple(a.shape)
    check_output_shape(
        lambda: kernel(a, a[:1]),
        (n, 1),
        f"'model.init_args.kernel' should map points of shapes {shape} and {(1, *shape[1:])} to "
        f"{(n, 1)}",
    )
    if not kernel(a, a[:1]).isfinite().all():
        raise ValueError(
            "'model.init_args.kernel' should be finite, also where points coincide, as the first "
            "of these does with itself."
        )
