r"""Fixtures for the tests of data sets."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from energy_gans.data.prepared.writer import PreparedWriter


@pytest.fixture
def prepared(tmp_path: Path) -> Callable[..., Path]:
    r"""Returns a function that writes a prepared set of random images and returns its folder."""

    def write(
        name: str,
        size: int = 8,
        classes: tuple[str, ...] = (),
        folder: str = "set",
        **options: Any,
    ) -> Path:
        random = np.random.default_rng(0)
        with PreparedWriter(tmp_path / folder) as writer:
            for split, n in options.pop("counts", {"val": 5, "train": 12}).items():
                images = random.integers(0, 256, (n, 3, size, size), np.uint8)
                writer.append(split, images, np.arange(n) % max(1, len(classes)))
            writer.finish(
                {
                    "name": name,
                    "source": {"path": "the original", "kind": "folder"},
                    "preprocessing": {"size": size, **options},
                    "classes": list(classes),
                }
            )
        return tmp_path / folder

    return write
