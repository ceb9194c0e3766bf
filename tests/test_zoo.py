r"""Tests for zoo/: every model in it is loaded, drawn from, and within its size."""

import json
import re
import time
from pathlib import Path

import pytest
import torch

import energy_gans
from energy_gans.methods.bases.flow import FlowModule
from energy_gans.methods.bases.potential import PotentialModule

ZOO = Path(__file__).parents[1] / "zoo"
MODELS = sorted(path.parent.name for path in ZOO.glob("*/config.json"))


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_loaded_by_name_and_drawn_from(name: str) -> None:
    start = time.process_time()
    model = energy_gans.load(name)
    x = model.sample(64, random=torch.Generator().manual_seed(0))
    # Flows and chains take many passes of their network for a sample.
    limit = 30 if isinstance(model, (FlowModule, PotentialModule)) else 2
    assert time.process_time() - start < 2 * limit
    assert x.shape == (64, *model.sample_shape)
    assert x.isfinite().all()
    # Samples differ. Most of the symbols of text do not occur at most of its places.
    assert x.flatten(1).std(0).mean() > (0.005 if model.vocabulary else 0.05)


@pytest.mark.parametrize("name", MODELS)
def test_a_model_is_small_and_says_how_it_was_trained(name: str) -> None:
    folder = ZOO / name
    assert sum(path.stat().st_size for path in folder.iterdir()) < 4e6
    assert {"README.md", "config.yaml", "model.safetensors"} <= {p.name for p in folder.iterdir()}
    config = json.loads((folder / "config.json").read_text())
    assert config["step"] > 0
    # A path of this machine would mean nothing on another one.
    for file in ("config.json", "config.yaml"):
        assert not re.search(r':\s+"?/', (folder / file).read_text())


def test_all_models_are_listed_and_small_together() -> None:
    listed = {one.name for one in energy_gans.models().models}
    text = (ZOO / "README.md").read_text()
    assert listed >= {*MODELS}
    assert all(f"| `{name}` |" in text for name in MODELS)
    assert sum(path.stat().st_size for path in ZOO.rglob("*") if path.is_file()) < 60e6
