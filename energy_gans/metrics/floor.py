r"""The floor: what a measure says of real images that stand in for samples.

A perfect generator's samples are like new real images, and independent of the reference. So are real
images that are not in it, and no model can be expected to be better than they are. But most measures
depend on how many images there are, of both sets: of two sets of one distribution with the covariance
:math:`C`, the means alone contribute :math:`\operatorname{Tr} C (1/n + 1/m)` to the expected Fréchet
distance, and balls that reach a neighbour shrink with :math:`n`. So the floor is of as many images as
there are samples, where it can be. They are taken

1. from the held-out split,
2. from what the reference leaves of its own split,
3. from the reference, until as many stand in for samples as are left of it. Then the floor is of a
   smaller reference, and maybe of fewer images than there are samples: it is to be compared with as
   many samples against the same reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .reference import Part

# With fewer no set would have a covariance.
LEAST = 4


@dataclass(frozen=True)
class Floor:
    r"""Creates the choice of the real images that stand in for samples.

    Arguments:
        held_out: How many are of the held-out split.
        spare: How many are what the reference leaves of its split.
        held_back: How many are taken out of the reference.
        reference_n: How many images are left of the reference.
    """

    held_out: int
    spare: int
    held_back: int
    reference_n: int

    @property
    def n(self) -> int:
        r"""The number of images that stand in for samples."""
        return self.held_out + self.spare + self.held_back

    def parts(self, reference: str, held_out: str) -> list[Part]:
        r"""Returns which images they are, those that are held back last.

        Arguments:
            reference: The split of the reference.
            held_out: The held-out split.
        """
        end = self.reference_n + self.held_back
        parts = [
            Part(held_out, 0, self.held_out),
            Part(reference, end, end + self.spare),
            Part(reference, self.reference_n, end),
        ]
        return [part for part in parts if len(part)]

    def about(self, n: int, reference: dict[str, Any], held_out: dict[str, Any]) -> dict[str, Any]:
        r"""Returns what the first `n` of them are, for a stamp.

        Arguments:
            n: How many.
            reference: What the images of the reference's split are.
            held_out: What those of the held-out split are.
        """
        more = n - self.held_out
        found = held_out | {"n": min(n, self.held_out)}
        return found | {"more": reference | {"n": more}} if more > 0 else found


def choose_floor(n: int, reference_n: int, length: int, held_out_length: int) -> Floor:
    r"""Returns which real images stand in for samples.

    Arguments:
        n: The number of samples.
        reference_n: The number of images of the reference.
        length: The length of its split.
        held_out_length: The length of the held-out split.

    Raises:
        ValueError: If there are fewer than four images in all.
    """
    reference_n = min(reference_n, length)
    held_out = min(n, held_out_length)
    spare = min(n - held_out, length - reference_n)
    total = held_out + spare + reference_n
    if total < LEAST:
        raise ValueError(
            f"'data' should have at least {LEAST} images in its two splits to measure samples, got "
            f"{total}."
        )
    held_back = max(0, min(n, total // 2) - held_out - spare)
    return Floor(held_out, spare, held_back, reference_n - held_back)
