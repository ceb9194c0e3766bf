r"""Fixtures of the tests of methods."""

import pytest

from .test_contracts import context


@pytest.fixture(scope="module", autouse=True)
def preloaded() -> None:
    context.set_forkserver_preload(["energy_gans.commands.fit.training"])
