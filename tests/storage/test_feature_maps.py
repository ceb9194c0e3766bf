r"""Tests for models whose features come from a file of weights, which are read without it."""

import json
from collections.abc import Callable
from pathlib import Path
from unittest import mock

import pytest
import torch
import yaml
from lightning.pytorch import Trainer
from torch import nn

from energy_gans.cli import main
from energy_gans.commands.export import export
from energy_gans.data import EmbeddedDigits
from energy_gans.methods import FieldGenerator
from energy_gans.metrics.features import FeatureMap, TrainedEncoder, save_encoder
from energy_gans.metrics.features.resnet import PreActResNet
from energy_gans.networks import DCGANGenerator
from energy_gans.storage import load_checkpoint, load_model

from ..commands.conftest import generator, part


def write_encoder(path: Path, seed: int = 0) -> Path:
    torch.manual_seed(seed)
    metadata = {"kind": "contrastive", "channels": 1, "size": 8, "widths": [4, 6]}
    save_encoder(PreActResNet(1, None, [4, 6]), metadata, path)
    return path


def spec(path: Path) -> dict:
    encoder = part("metrics.features.TrainedEncoder", path=str(path))
    return part("metrics.features.FeatureMap", extractor=encoder, stages=[0], grid=2)


@pytest.fixture
def fit(tiny: Callable, tmp_path: Path) -> Callable[..., Path]:
    r"""Returns a function that trains in the features of `encoder.pt`, and returns the run."""
    networks = {"generator": generator(), "features": spec(tmp_path / "encoder.pt")}
    model = part("methods.FieldGenerator", latent_dim=4, **networks)
    (tmp_path / "model.yaml").write_text(yaml.safe_dump({"model": model}))

    def run(*more: str) -> Path:
        arguments = tiny("--config", str(tmp_path / "model.yaml"), *more)
        config = yaml.safe_load(Path(arguments[2]).read_text())
        del config["model"]
        Path(arguments[2]).write_text(yaml.safe_dump(config))
        main([*arguments, "--trainer.callbacks.monitor=val/energy_distance"])
        return tmp_path / "tiny" / "version_0"

    write_encoder(tmp_path / "encoder.pt")
    return run


def samples(model: FieldGenerator) -> torch.Tensor:
    return model.sample(4, random=torch.Generator().manual_seed(0))


def test_a_run_is_read_and_exported_without_the_file(fit: Callable, tmp_path: Path) -> None:
    run = fit("--trainer.max_steps=2")
    model = load_model(run)
    with mock.patch("energy_gans.metrics.features.encoder.load_weights") as load:
        again = load_model(run)
    load.assert_not_called()
    (tmp_path / "encoder.pt").unlink()
    assert torch.equal(samples(again), samples(model))
    encoder = again.maps[0].extractor
    assert encoder.metadata["kind"] == "contrastive"
    x = samples(model)
    assert torch.equal(again.maps(x)[0], model.maps(x)[0])
    export(run, str(tmp_path / "shared"))
    shared = load_model(tmp_path / "shared")
    assert torch.equal(samples(shared), samples(model))
    assert torch.equal(shared.maps(x)[0], model.maps(x)[0])


def test_a_run_resumes_with_its_encoder_only(fit: Callable, tmp_path: Path) -> None:
    last = str(fit("--trainer.max_steps=1") / "checkpoints" / "last.ckpt")
    path = tmp_path / "encoder.pt"
    write_encoder(path, seed=1)
    with pytest.raises(SystemExit, match=r"encoder.pt' should be the file of the checkpoint's"):
        fit("--trainer.max_steps=2", "--ckpt_path", last)
    write_encoder(path)
    fit("--trainer.max_steps=2", "--ckpt_path", last)
    assert load_checkpoint(last)["global_step"] == 2


def trained_in(features: FeatureMap, path: Path) -> FieldGenerator:
    r"""Trains a model that is made in Python, and writes its checkpoint."""
    network = DCGANGenerator(latent_dim=4, channels=1, size=8, width=4)
    model = FieldGenerator(network, latent_dim=4, features=features)
    trainer = Trainer(
        max_steps=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        limit_val_batches=0,
    )
    trainer.fit(model, EmbeddedDigits("8x8", 8, batch_size=50))
    trainer.save_checkpoint(path)
    return model.eval()


def test_a_model_made_in_python_is_read_without_the_file(tmp_path: Path) -> None:
    path = write_encoder(tmp_path / "encoder.pt")
    features = FeatureMap(TrainedEncoder(str(path)), stages=[0])
    model = trained_in(features, tmp_path / "a.ckpt")
    # A network that is no longer as its constructor made it.
    features.extractor.network.body[-3] = nn.Tanh()
    trained_in(features, tmp_path / "changed.ckpt")
    features.extractor.network.body[-3] = nn.ReLU()
    path.unlink()
    again, x = load_model(tmp_path / "a.ckpt"), samples(model)
    assert torch.equal(samples(again), x)
    assert torch.equal(again.maps(x)[0], model.maps(x)[0])
    with pytest.raises(ValueError, match="'features' of this checkpoint was changed after its"):
        load_model(tmp_path / "changed.ckpt")


def test_a_checkpoint_can_not_ask_for_an_encoder_far_larger_than_its_weights(
    fit: Callable, tmp_path: Path
) -> None:
    path = fit("--trainer.max_steps=1") / "checkpoints" / "last.ckpt"
    checkpoint = load_checkpoint(path)
    (name,) = [n for n in checkpoint["state_dict"] if n.endswith("_extra_state")]
    metadata, sha256 = json.loads(bytes(checkpoint["state_dict"][name].tolist()))
    metadata["widths"] = [2000, 2000, 2000]
    state = json.dumps([metadata, sha256]).encode()
    checkpoint["state_dict"][name] = torch.tensor([*state], dtype=torch.uint8)
    torch.save(checkpoint, path)
    (tmp_path / "encoder.pt").unlink()
    with pytest.raises(ValueError, match="The state dict's encoder is no encoder") as refusal:
        load_model(path)
    assert "far larger than its weights" in str(refusal.value.__cause__.__cause__)
