r"""Every reader of runs, models, samples and numbers: small valid files, and the call."""

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import torch
import yaml
from PIL import Image

from energy_gans.commands.compare import compare
from energy_gans.commands.config_files import check_config_files
from energy_gans.commands.inpaint.masks import choose_mask
from energy_gans.commands.inputs import open_samples
from energy_gans.commands.study.cells import read_state
from energy_gans.commands.study.pictures import read_samples
from energy_gans.commands.study.plan import read_study
from energy_gans.data.prepared.reader import file_digest
from energy_gans.metrics import reference
from energy_gans.metrics.features import DomainClassifier, TrainedEncoder
from energy_gans.metrics.statistics import Statistics
from energy_gans.storage.checkpoint import load_checkpoint, load_model, step_of
from energy_gans.storage.curves import MetricsFile, read_curves
from energy_gans.storage.export import write_export
from energy_gans.storage.saved_run import run_data
from energy_gans.storage.stamps import find_metrics, read_metrics, write_metrics

from ..data.prepared.sources.writing import pack, picture
from ..metrics.features.conftest import classifier_file, encoder_file
from .reader import JSON, TORCH, YAML, Reader, load_json, save_json

CHECKPOINT = Path(__file__).parents[1] / "data/checkpoints/CoulombGAN"
ARRAYS = ("a.npz", "b.npz", "c.npy", "d.pt", "e/0.png")


def write_run(root: Path) -> None:
    (root / "checkpoints").mkdir()
    shutil.copy(CHECKPOINT / "last.ckpt", root / "checkpoints")
    shutil.copy(CHECKPOINT / "config.yaml", root)
    table = "epoch,loss,step,val\n0,1.5,0,\n0,,1,2.5\n0,0.5,2,\n"
    (root / "metrics.csv").write_text(table)


def read_run(root: Path) -> None:
    step_of(root / "checkpoints/last.ckpt")
    load_model(root)
    run_data(root)
    read_curves(root / "metrics.csv")


def resume_curves(root: Path) -> None:
    file = MetricsFile(str(root), 2)
    file.log_metrics({"loss": 1.0}, 2)
    file.save()


def write_numbers(root: Path) -> None:
    protocol = {"extractor": {"name": "pixels"}, "n": 4, "reference": {"n": 4}, "dtype": "float"}
    real = {"value": 1.0, "protocol": protocol | {"n": 2}, "matched": {"value": 2.0, "low": 1.0}}
    real["matched"]["high"] = 3.0
    numbers = {"fid": {"value": 3.0, "std": 0.5, "protocol": protocol, "real": real}}
    for name in ("a", "b"):
        write_metrics(numbers, {"sha256": name}, root / f"metrics.{name}.json")


def read_numbers(root: Path) -> None:
    find_metrics(root, "b")
    read_metrics(str(root / "metrics.a.json"))
    compare([str(root / f"metrics.{name}.json") for name in "ab"])


def write_model(root: Path) -> None:
    (root / "model").mkdir()
    origin = {"versions": {}}
    write_export(root / "model", load_model(CHECKPOINT), load_checkpoint(CHECKPOINT), origin)


def read_model(root: Path, sealed: bool = False) -> None:
    r"""Reads an exported model, if `sealed` with the SHA-256 of its changed weights."""
    config = root / "model/config.json"
    if sealed:
        tree = load_json(config)
        tree["weights"]["sha256"] = file_digest(root / "model/model.safetensors")
        save_json(tree, config)
    load_model(root / "model")
    run_data(root / "model")


def write_samples(root: Path) -> None:
    x = np.linspace(-1, 1, 4 * 48, dtype=np.float32).reshape(4, 3, 4, 4)
    np.savez_compressed(root / "a.npz", samples=x)
    np.savez(root / "b.npz", samples=(x * 127 + 128).astype(np.uint8))
    np.save(root / "c.npy", x)
    torch.save({"samples": torch.from_numpy(x)}, root / "d.pt")
    pack(root / "e", {"0.png": picture(1), "1.png": picture(2)})


def read_each(root: Path, name: str) -> None:
    samples = open_samples(root / name, None, 3)
    samples.at(torch.arange(samples.n))
    samples.origin()


STUDY = {
    "settings": {"ring": ["base.yaml"]},
    "methods": {"one": ["base.yaml"]},
    "seeds": [0],
    "budget": {"steps": 20},
    "measures": {"val/modes": "modes"},
    "evaluate": {"n": 100},
    "curves": ["loss"],
    "samples": 20,
}


def write_study(root: Path) -> None:
    (root / "base.yaml").write_text("model: {class_path: x}\n")
    (root / "study.yaml").write_text(yaml.safe_dump(STUDY))
    (root / "done.json").write_text(json.dumps({"digest": "0", "config": {"fit": {"a": 1}}}))
    np.savez_compressed(root / "samples.npz", samples=np.zeros((3, 2), np.float32))


def read_study_files(root: Path) -> None:
    check_config_files(["fit", "--config", str(root / "base.yaml")])
    read_study(root / "study.yaml")
    assert isinstance(read_state(root)[1], dict)
    read_samples(root)


def read_mask(root: Path) -> None:
    choose_mask(str(root / "mask.png"), None, None, (8, 8), 1, torch.Generator())


def read_statistics(root: Path) -> None:
    found = reference._read_cache(root / "cache.npz", "key")
    if found is not None:
        sizes = {found.mean.shape[0], *found.covariance.shape, found.features.shape[1]}
        assert len(sizes) == 1 and found.n > 0


def write_statistics(root: Path) -> None:
    x = torch.arange(12.0).reshape(4, 3)
    made = Statistics(4, x.double().mean(0), x.double().T.cov(), x, torch.zeros(0))
    reference._write_cache(made, root / "cache.npz", "key")


def write_encoders(root: Path) -> None:
    classifier_file(1, root / "a.pt")
    encoder_file(1, None, root / "b.pt", kind="contrastive")


def read_encoders(root: Path) -> None:
    DomainClassifier(str(root / "a.pt"))
    TrainedEncoder(str(root / "b.pt"))


RUNS: dict[str, Reader] = {
    "run": Reader(
        write_run,
        read_run,
        ("checkpoints/last.ckpt", "config.yaml", "metrics.csv"),
        ("checkpoints/last.ckpt",),
        {"checkpoints/last.ckpt": TORCH, "config.yaml": YAML},
    ),
    "resumed curves": Reader(write_run, resume_curves, ("metrics.csv",)),
    "metrics": Reader(
        write_numbers,
        read_numbers,
        ("metrics.a.json", "metrics.b.json"),
        trees={"metrics.a.json": JSON, "metrics.b.json": JSON},
    ),
    "export": Reader(
        write_model,
        read_model,
        ("model/config.json", "model/model.safetensors"),
        trees={"model/config.json": JSON},
    ),
    "export, sealed": Reader(
        write_model, partial(read_model, sealed=True), ("model/model.safetensors",)
    ),
    **{
        f"samples, {name}": Reader(
            write_samples,
            partial(read_each, name=name.split("/")[0]),
            (name,),
            (name,) if name.endswith(("npz", "pt")) else (),
            {name: TORCH} if name.endswith("pt") else {},
        )
        for name in ARRAYS
    },
    "statistics": Reader(write_statistics, read_statistics, ("cache.npz",), ("cache.npz",)),
    "encoders": Reader(
        write_encoders, read_encoders, ("a.pt", "b.pt"), ("a.pt",), {"a.pt": TORCH, "b.pt": TORCH}
    ),
    "study": Reader(
        write_study,
        read_study_files,
        ("study.yaml", "base.yaml", "done.json", "samples.npz"),
        ("samples.npz",),
        {"study.yaml": YAML, "base.yaml": YAML, "done.json": JSON},
    ),
    "mask": Reader(
        lambda root: Image.fromarray(np.eye(8, dtype=np.uint8) * 255).save(root / "mask.png"),
        read_mask,
        ("mask.png",),
    ),
}
