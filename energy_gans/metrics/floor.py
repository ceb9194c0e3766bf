r"""The floor of a measure: its value for real images in place of samples.

The samples of a perfect generator are distributed like real images and independent of the
reference. Real images outside the reference are, too, so no model is expected to be better than
they are. Most measures also depend on the number of images in both sets. For example, for two sets
from one distribution with the covariance :math:`C`, the means alone contribute
:math:`\operatorname{Tr} C (1/n + 1/m)` to the expected Fréchet distance, and balls up to a nearest
neighbour shrink with :math:`n`. So the floor is measured with as many images as there are samples,
if possible. The images are taken

1. from the held-out split,
2. from images of the reference's split that are not in the reference,
3. from the reference itself, which then shrinks, until both sets have the same size.

In the last case the floor has a smaller reference, and possibly fewer images than there are
samples. It has to be compared with the value for as many samples against the same smaller
reference.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from .reference import Part

# With fewer images, one of the two sets would have no covariance.
LEAST = 4


@dataclass(frozen=True)
class Floor:
    r"""The choice of the real images that replace samples.

    Arguments:
        held_out: The number of images from the held-out split.
        spare: The number of images from the reference's split that are not in the reference.
        held_back: The number of images that are removed from the reference.
        reference_n: The number of images that remain in the reference.
    """

    held_out: int
    spare: int
    held_back: int
    reference_n: int

    @property
    def n(self) -> int:
        r"""The number of real images that replace samples."""
        return self.held_out + self.spare + self.held_back

    def parts(self, reference: str, held_out: str) -> list[Part]:
        r"""Returns the real images that replace samples; those from the reference come last.

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
        r"""Returns a description of the first `n` real images that replace samples, for a stamp.

        Arguments:
            n: The number of images.
            reference: The description of images of the reference's split.
            held_out: The description of images of the held-out split.
        """
        more = n - self.held_out
        found = held_out | {"n": min(n, self.held_out)}
        return found | {"more": reference | {"n": more}} if more > 0 else found


def choose_floor(n: int, reference_n: int, length: int, held_out_length: int) -> Floor:
    r"""Returns the choice of the real images that replace samples.

    Arguments:
        n: The number of samples.
        reference_n: The number of images of the reference.
        length: The number of images of the reference's split.
        held_out_length: The number of images of the held-out split.

    Raises:
        ValueError: If there are fewer than four images in all.
    """
    reference_n = min(reference_n, length)
    held_out = min(n, held_out_length)
    spare = min(n - held_out, length - reference_n)
    total = held_out + spare + reference_n
    if total < LEAST:
        raise ValueError(
            f"'data' should have at least {LEAST} images in its two splits to measure samples, "
            f"got {total}."
        )
    held_back = max(0, min(n, total // 2) - held_out - spare)
    return Floor(held_out, spare, held_back, reference_n - held_back)
