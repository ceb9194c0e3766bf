r"""Tests that the package cites papers by their titles."""

from pathlib import Path

import pytest

import energy_gans

TITLES = {
    "1708.08819": "Coulomb GANs",
    "1910.14216": "Generalizing Energy-based Generative ConvNets from Particle Evolution "
    "Perspective",
    "2303.10553": "Elastic Interaction Energy-Based Generative Model: Approximation in Feature "
    "Space",
    "2407.15238": "Variational Potential Flow: A Novel Probabilistic Framework for Energy-Based "
    "Generative Modelling",
}


@pytest.mark.parametrize("number, title", TITLES.items())
def test_the_title_of_a_paper_stands_before_its_number(number: str, title: str) -> None:
    cited = 0
    for path in Path(energy_gans.__file__).parent.rglob("*.py"):
        before, *rest = " ".join(path.read_text().split()).split(f"https://arxiv.org/abs/{number}")
        for after in rest:
            assert title in before[-250:], path
            cited, before = cited + 1, after
    assert cited > 0
