r"""Tests for the energy_gans.data.sets.lsun module.

What the data modules of prepared sets share is tested in `tests/data/prepared/test_module.py`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest

from energy_gans.data import LSUN

Writer = Callable[..., Path]


@pytest.mark.parametrize("category", ["bedroom", "church_outdoor", "tower"])
def test_the_category_is_that_of_the_set(prepared: Writer, category: str) -> None:
    root = prepared("lsun", category=category, crop="square", classes=(category,))
    data = LSUN(str(root), category, size=8)
    assert data.length("train") == 12
    assert data.classes == [category]


def test_another_category_is_refused(prepared: Writer) -> None:
    root = prepared("lsun", category="tower", crop="square", classes=("tower",))
    message = (
        "'data.init_args.category' is 'bedroom', .* with 'tower'.*"
        "--out .*_bedroom --category bedroom --crop square --size 8"
    )
    with pytest.raises(ValueError, match=message):
        LSUN(str(root), size=8).length("train")


def test_a_set_that_was_stretched_is_refused(prepared: Writer) -> None:
    root = prepared("lsun", category="bedroom", crop="none", classes=("bedroom",))
    with pytest.raises(ValueError, match="'data.init_args.crop' is 'square', .* with 'none'"):
        LSUN(str(root), size=8).length("train")
    assert LSUN(str(root), size=8, crop="none").length("train") == 12
