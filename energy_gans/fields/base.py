r"""What all fields have in common, and their sum."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice

import torch
from torch import Tensor

from ..checks import check_positive
from ..descriptions import Described
from ..functional import root_mean_square, sum_in_units
from ..functional.fields import check_own, check_sets


class ParticleField(Described):
    r"""A field with its settings. A field of one's own inherits from this class.

    Attributes:
        independent: Whether generated samples have to be independent of the points.
    """

    independent: bool = False

    # What a field implements

    def velocity(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> Tensor:
        r"""Returns the field at points, for sets that were checked: see :meth:`__call__`.

        Returns:
            The field, with shape :math:`(B, *)`.
        """
        raise NotImplementedError

    def potential(self, a: Tensor, y: Tensor, x: Tensor) -> Tensor:
        r"""Returns the potential whose gradient is the field, high where real samples are.

        Arguments:
            a: The points, with shape :math:`(B, *)`.
            y: The real samples, with shape :math:`(N, *)`.
            x: The generated samples, with shape :math:`(M, *)`.

        Returns:
            The potential, with shape :math:`(B)`.

        Raises:
            ValueError: If the field has no potential.
        """
        raise ValueError(f"{self!r} has no potential.")

    # What a user calls

    def __call__(
        self,
        a: Tensor,
        y: Tensor,
        x: Tensor,
        own: bool = False,
        random: torch.Generator | None = None,
    ) -> Tensor:
        r"""Returns the field at points.

        Arguments:
            a: The points, with shape :math:`(B, *)`.
            y: The real samples, with shape :math:`(N, *)`.
            x: The generated samples, with shape :math:`(M, *)`.
            own: Whether the points are the first of the generated samples. Then no point acts on
                itself.
            random: The generator of random directions or partners, or `None` for torch's own.

        Returns:
            The field, with shape :math:`(B, *)`, in the unit of the points; that of a sum has no
            unit.

        Raises:
            ValueError: If there are too few samples.
        """
        return self.combine(self.velocities(a, y, x, own, random))

    def velocities(
        self,
        a: Tensor,
        y: Tensor,
        x: Tensor,
        own: bool = False,
        random: torch.Generator | None = None,
    ) -> list[Tensor]:
        r"""Returns the fields that :meth:`combine` adds: one, unless the field is a sum.

        Each has the shape :math:`(B, *)`. Arguments and errors are those of :meth:`__call__`.

        Raises:
            ValueError: If the sets do not fit each other, or the field needs other samples.
        """
        check_sets(a, y, x)
        check_own(a, x, own)
        if own and self.independent:
            raise ValueError(
                f"{self!r} needs generated samples that are independent of the points: "
                "'negatives' should be 'separate'."
            )
        return self.fields_at(a, y, x, own, random)

    def fields_at(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> list[Tensor]:
        r"""Returns the fields that :meth:`combine` adds, for sets that were checked.

        Returns:
            The fields, each with shape :math:`(B, *)`.
        """
        return [self.velocity(a, y, x, own, random)]

    def combine(self, velocities: Sequence[Tensor]) -> Tensor:
        r"""Returns the sum of several fields in units of their root mean square, or the only one.

        Arguments:
            velocities: The fields, each with shape :math:`(B, *)`.

        Returns:
            The sum, with shape :math:`(B, *)`.
        """
        return velocities[0] if len(velocities) == 1 else sum_in_units(velocities)

    @property
    def count(self) -> int:
        r"""The number of fields that :meth:`combine` adds."""
        return 1

    def __repr__(self) -> str:
        settings = (self.description or {}).get("init_args", {})
        arguments = ", ".join(f"{name}={value!r}" for name, value in settings.items())
        return f"{type(self).__name__}({arguments})"


def check_field(name: str, field: object) -> None:
    r"""Raises a `ValueError` that names the argument unless it is a :class:`ParticleField`."""
    if not isinstance(field, ParticleField):
        raise ValueError(
            f"{name!r} should be a ParticleField, such as PlummerField(), got {field!r}."
        )


class SumOfFields(ParticleField):
    r"""The sum of fields, each in units of its root mean square (`sum_in_units`).

    Fields of several bandwidths, or of long and of short range, act together.

    Arguments:
        fields: The fields.
        weights: The factor on each field; 1 if `None`.

    Raises:
        ValueError: If there are no fields, or not one positive weight for each.
    """

    def __init__(
        self, fields: Sequence[ParticleField], weights: Sequence[float] | None = None
    ) -> None:
        if isinstance(fields, ParticleField) or len(fields) == 0:
            got = "none" if isinstance(fields, Sequence) else type(fields).__name__
            raise ValueError(f"'fields' should be a list of at least one field, got {got}.")
        for field in fields:
            check_field("fields", field)
        weights = [1.0] * len(fields) if weights is None else list(weights)
        if len(weights) != len(fields):
            raise ValueError(
                f"'weights' should hold one number for each of {len(fields)} fields, got "
                f"{len(weights)}."
            )
        for weight in weights:
            check_positive("weights", weight)
        self.fields, self.weights = list(fields), weights

    @property
    def count(self) -> int:
        return sum(field.count for field in self.fields)

    @property
    def independent(self) -> bool:
        return any(field.independent for field in self.fields)

    def fields_at(
        self, a: Tensor, y: Tensor, x: Tensor, own: bool, random: torch.Generator | None
    ) -> list[Tensor]:
        return [v for field in self.fields for v in field.fields_at(a, y, x, own, random)]

    def combine(self, velocities: Sequence[Tensor]) -> Tensor:
        rest = iter(velocities)
        parts = [field.combine([*islice(rest, field.count)]) for field in self.fields]
        return sum_in_units(parts, self.weights)

    def potential(self, a: Tensor, y: Tensor, x: Tensor) -> Tensor:
        units = [root_mean_square(field(x, y, x)) for field in self.fields]
        terms = zip(self.weights, self.fields, units, strict=True)
        return sum(w / unit * field.potential(a, y, x) for w, field, unit in terms)
