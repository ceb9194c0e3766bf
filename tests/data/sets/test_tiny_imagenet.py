r"""Tests for the energy_gans.data.sets.tiny_imagenet module.

What the data modules of prepared sets share is tested in `tests/data/prepared/test_module.py`.
"""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

from energy_gans.data import TinyImageNet


def test_labels_go_along(prepared: Callable[..., Path]) -> None:
    root = prepared("tinyimagenet", classes=("n01", "n02", "n03"))
    data = TinyImageNet(str(root), size=8, batch_size=12)
    ((_, label),) = data.train_dataloader()
    assert torch.bincount(label).tolist() == [4, 4, 4]
    assert data.classes == ["n01", "n02", "n03"]


def test_another_size_is_refused(prepared: Callable[..., Path]) -> None:
    root = prepared("tinyimagenet", size=32)
    with pytest.raises(ValueError, match="'data.init_args.size' is 64, .* with 32"):
        TinyImageNet(str(root)).length("train")
