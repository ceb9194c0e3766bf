r"""Tests for the energy_gans.data.sets.celeba module.

What the data modules of prepared sets share is tested in `tests/data/prepared/test_module.py`.
"""

from collections.abc import Callable
from pathlib import Path
from typing import get_args

import pytest

from energy_gans.data import CelebA
from energy_gans.data.prepared.preprocessing import Crop

Writer = Callable[..., Path]
crops = pytest.mark.parametrize("crop", get_args(Crop))


@crops
def test_the_crop_is_that_of_the_set(prepared: Writer, crop: Crop) -> None:
    assert CelebA(str(prepared("celeba", crop=crop)), size=8, crop=crop).length("train") == 12


@crops
def test_another_crop_is_refused(prepared: Writer, crop: Crop) -> None:
    root = prepared("celeba", crop=crop)
    other = "face" if crop == "rows" else "rows"
    message = f"'data.init_args.crop' is '{other}', .* with '{crop}'.* --crop {other} --size 8"
    with pytest.raises(ValueError, match=message):
        CelebA(str(root), size=8, crop=other).length("train")


def test_the_default_is_the_crop_of_vapo() -> None:
    assert CelebA("nowhere").crop == "rows"


def test_faces_have_no_classes(prepared: Writer) -> None:
    data = CelebA(str(prepared("celeba", crop="rows")), size=8)
    assert data.classes == []
    assert {int(i) for _, label in data.val_dataloader() for i in label} == {0}
