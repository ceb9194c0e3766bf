r"""Tests for the energy_gans.commands.export package."""

import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import yaml
from PIL import Image
from torch import Tensor, nn

from energy_gans.cli import main
from energy_gans.commands import export, load_model
from energy_gans.commands.export.card import _fenced
from energy_gans.data.prepared.reader import file_digest
from energy_gans.methods import CoulombGAN, GenerativeModule
from energy_gans.networks import MLP
from energy_gans.storage.stamps import write_metrics

from ...storage.old_checkpoints import FOLDER
from ..conftest import trained  # noqa: F401

MINE = """
import torch.nn as nn
class Net(nn.Linear):
    def __init__(self):
        super().__init__(2, 2)
"""
PROTOCOL = {"extractor": {"name": "pixels"}, "n": 500, "reference": {"n": 700}}
NUMBER = {"value": 1.25, "protocol": PROTOCOL, "real": None}


@pytest.fixture
def run(trained: Callable[[str], str], tmp_path: Path) -> Callable[[str], Path]:  # noqa: F811
    r"""Returns a copy of the run of a tiny model by name."""

    def copy(name: str) -> Path:
        folder = tmp_path / "runs" / name
        shutil.copytree(Path(trained(name)).parents[1], folder)
        return folder

    return copy


def samples(path: Path | str) -> torch.Tensor:
    return load_model(path).sample(5, random=torch.Generator().manual_seed(2))


def front_matter(card: str) -> dict[str, Any]:
    return yaml.safe_load(card.split("---\n")[1])


def test_a_run_is_exported_as_a_folder_whose_card_says_how_to_use_it(
    run: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    folder = run("plane")
    digest = file_digest(folder / "checkpoints/last.ckpt")
    score = NUMBER | {"value": 2.5, "protocol": {"extractor": {"name": "pixels"}, "n": 500}}
    numbers = {"fd": NUMBER, "is": score}
    write_metrics(numbers, {"sha256": digest, "seed": 0}, folder / "metrics.json")
    result = export(str(folder), "shared")
    assert set(result.files) == {
        *("config.json", "model.safetensors", "README.md", "config.yaml", "metrics.csv"),
        *("metrics.json", "samples.png", "curves.png"),
    }
    assert result.files == {p.name: p.stat().st_size for p in Path("shared").iterdir()}
    assert str(result).startswith("shared: README.md (") and not result.left_out
    card = Path("shared/README.md").read_text()
    matter = front_matter(card)
    assert matter["library_name"] == "energy-gans" and "CoulombGAN" in matter["tags"]
    assert "license" not in matter and "pipeline_tag" not in matter
    for said in (
        "# CoulombGAN of Ring\n\nThe Coulomb GAN of Unterthiner et al.",
        "- Coulomb GANs: Provably Optimal Nash Equilibria via Potential Fields (Unterthiner et "
        "al., 2018), https://arxiv.org/abs/1708.08819\n",
        "![Samples](samples.png)",
        "![Curves of the training](curves.png)",
        "energy-gans fit --config config.yaml\n",
        "| steps | 2 |\n| seed | 3 |\n",
        "`energy_gans.data.Ring(",
        "| the data's split 'train' | 256 samples with SHA-256 ",
        "| fd | 1.25 |  | 500 | 700 |\n| is | 2.5 |  | 500 |  |",
        (folder / "config.yaml").read_text().strip(),
    ):
        assert said in card
    for link in re.findall(r"\]\((\w+\.png)\)", card):
        Image.open(Path("shared") / link).verify()
    # The lines that the card gives, run as a reader runs them.
    (code,) = re.findall("```python\n(.*?)```", card, re.DOTALL)
    found: dict[str, Any] = {}
    exec(code, found)
    assert found["x"].shape == (64, 2) and type(found["model"]) is CoulombGAN
    assert torch.equal(samples("shared"), samples(folder))
    monkeypatch.chdir(folder)
    (line,) = re.findall("^energy-gans (fit .*)$", card, re.MULTILINE)
    main([*line.split(), "--trainer.max_steps=1", f"--trainer.logger.save_dir={tmp_path}/again"])


def test_an_exported_folder_keeps_its_numbers_when_it_is_exported_again(
    run: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = run("coulomb")
    last = folder / "checkpoints/last.ckpt"
    write_metrics({"fd": NUMBER}, {"sha256": file_digest(last)}, folder / "metrics.json")
    first, second = tmp_path / "first", tmp_path / "second"
    export(str(folder), str(first))
    export(str(first), str(second))
    for path in first.iterdir():
        content = path.read_bytes()
        if path.name == "README.md":
            # The card gives the name of its folder.
            content = content.replace(b"first", b"second")
        assert (second / path.name).read_bytes() == content, path.name
    assert front_matter((first / "README.md").read_text())["pipeline_tag"] == (
        "unconditional-image-generation"
    )


def test_numbers_that_a_study_wrote_beside_the_run_are_kept(
    run: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = run("plane")
    digest = file_digest(folder / "checkpoints/last.ckpt")
    write_metrics({"fd": NUMBER}, {"sha256": digest}, folder.parent / "metrics.json")
    result = export(str(folder), str(tmp_path / "shared"))
    assert "metrics.json" in result.files
    write_metrics({"fd": NUMBER}, {"sha256": "0" * 64}, folder.parent / "metrics.json")
    result = export(str(folder), str(tmp_path / "shared"), overwrite=True)
    assert "metrics.json" not in result.files


def test_numbers_of_another_checkpoint_are_left_out(
    run: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = run("plane")
    write_metrics({"fd": NUMBER}, {"sha256": "0" * 64}, folder / "metrics.json")
    (folder / "metrics.best.json").write_text("{")
    result = export(str(folder), str(tmp_path / "shared"))
    assert "metrics.json" not in result.files
    assert "Numbers" not in (tmp_path / "shared/README.md").read_text()


def test_a_checkpoint_without_its_run_is_exported_too(
    run: Callable[[str], Path], tmp_path: Path
) -> None:
    alone = tmp_path / "alone" / "a.ckpt"
    alone.parent.mkdir()
    shutil.copy(run("plane") / "checkpoints/last.ckpt", alone)
    result = export(str(alone), str(tmp_path / "shared"))
    assert set(result.files) == {"README.md", "config.json", "model.safetensors", "samples.png"}
    card = (tmp_path / "shared/README.md").read_text()
    assert "The config of the training is not known." in card
    assert "training data" not in card


def test_the_card_counts_samples_of_the_data_that_the_weights_hold(tmp_path: Path) -> None:
    for name, count in (("MultigridGCN", 128), ("EIEGGAN", 64), ("InpaintingGGCN", 64)):
        export(str(FOLDER / name / "last.ckpt"), str(tmp_path / name))
        card = (tmp_path / name / "README.md").read_text()
        found = re.findall(r"holds (\d+) samples of the training data", card)
        assert found == [str(count)]


def test_what_exists_is_kept_unless_an_export_wrote_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, out = str(FOLDER / "InpaintingGGCN/last.ckpt"), tmp_path / "shared"
    out.mkdir()
    with pytest.raises(
        FileExistsError, match="'out' = .* exists: choose another name, or add --o"
    ):
        export(folder, str(out))
    export(folder, str(out), overwrite=True)
    written = (out / "config.json").stat().st_mtime_ns
    export(folder, str(out), overwrite=True)
    assert (out / "config.json").stat().st_mtime_ns > written
    (out / "LICENSE").write_text("mine")
    with pytest.raises(FileExistsError, match="it holds 'LICENSE', which `export` did not write"):
        export(folder, str(out), overwrite=True)
    with pytest.raises(FileExistsError, match="it holds 'a.txt', which `export` did not write"):
        (tmp_path / "a.txt").write_text("mine")
        export(folder, str(tmp_path / "a.txt"), overwrite=True)
    with pytest.raises(ValueError, match="'out' should be a folder below others, got '/'"):
        export(folder, "/")
    (out / "LICENSE").unlink()
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    (pictures / "step_1000.png").write_bytes(b"mine")
    with pytest.raises(FileExistsError, match="it holds 'step_1000.png', which `export` did not"):
        export(folder, str(pictures), overwrite=True)
    assert (pictures / "step_1000.png").read_bytes() == b"mine"
    before = {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")}

    def fail(*args: object) -> None:
        raise OSError("The disk is full.")

    # The card is written last.
    monkeypatch.setattr(sys.modules["energy_gans.commands.export.export"], "Card", fail)
    with pytest.raises(OSError, match="full"):
        export(folder, str(out), overwrite=True)
    assert {path: path.stat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_network_of_ones_own_has_to_be_trusted(
    run: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_networks.py").write_text(MINE)
    monkeypatch.syspath_prepend(str(tmp_path))
    last = run("plane") / "checkpoints/last.ckpt"
    content = torch.load(last, weights_only=True)
    content["hyper_parameters"]["generator"] = {"class_path": "my_networks.Net"}
    # It has no other weights than a layer.
    own = {"averaged.module.weight": torch.eye(2), "averaged.module.bias": torch.zeros(2)}
    own |= {"generator.weight": torch.eye(2), "generator.bias": torch.zeros(2)}
    state = {
        key: value
        for key, value in content["state_dict"].items()
        if not key.startswith(("averaged.module.", "generator."))
    }
    content["state_dict"] = state | own
    torch.save(content, last)
    with pytest.raises(ValueError, match="--trust my_networks"):
        export(str(last), "shared")
    assert not os.path.exists("shared")
    export(str(last), "shared", trust="my_networks")
    card = Path("shared/README.md").read_text()
    assert 'CoulombGAN.from_pretrained("shared", trust="my_networks")' in card
    with pytest.raises(ValueError, match="--trust my_networks"):
        load_model("shared")
    assert load_model("shared", "my_networks").sample(3).shape == (3, 2)


def test_a_block_of_code_ends_where_its_text_ends() -> None:
    text = "a: '```'\n````\nb: 1"
    block = _fenced(text, "yaml")
    fence = block.split("yaml")[0]
    assert fence == "`" * 5 and block == f"{fence}yaml\n{text}\n{fence}\n"


class Twice(nn.Module):
    def forward(self, z: Tensor) -> Tensor:
        return 2 * z


def test_a_model_that_was_made_in_python_is_exported(tmp_path: Path) -> None:
    folder = str(tmp_path / "shared")
    model = CoulombGAN(MLP(2, 2, [4]), nn.Sequential(nn.Linear(2, 1)), latent_dim=2, power=2.0)
    export(model, folder)
    loaded = load_model(folder)
    assert loaded.power == 2.0
    samples = [one.sample(5, random=torch.Generator().manual_seed(0)) for one in (model, loaded)]
    assert torch.equal(*samples)


def test_objects_of_an_exported_model_are_given_when_it_is_loaded(tmp_path: Path) -> None:
    folder = str(tmp_path / "shared")
    export(CoulombGAN(Twice(), MLP(2, 1, [4]), latent_dim=2, power=2.0), folder)
    with pytest.raises(ValueError, match="'generator' .*Twice.* give load.path, generator=...."):
        load_model(folder)
    assert load_model(folder, generator=Twice()).power == 2.0
    assert CoulombGAN.from_pretrained(folder, generator=Twice()).sample(3).shape == (3, 2)


def test_a_network_that_its_description_does_not_cover_is_given_when_it_is_loaded(
    tmp_path: Path,
) -> None:
    generator = MLP(2, 2, [4])
    generator[1] = nn.Tanh()
    model = CoulombGAN(generator, MLP(2, 1, [4]), latent_dim=2)
    export(model, tmp_path / "shared")
    with pytest.raises(ValueError, match="'generator' of this checkpoint was changed after its"):
        load_model(tmp_path / "shared")
    loaded = load_model(tmp_path / "shared", generator=generator)
    assert isinstance(loaded.generator[1], nn.Tanh)


def test_switches_need_no_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    asked = []

    def write_onnx(model: GenerativeModule, folder: Path) -> tuple[dict[str, str], list[str]]:
        asked.append(type(model).__name__)
        (folder / "sampler.onnx").write_bytes(b"")
        return {"sampler.onnx": "samples"}, ["field.onnx is left out: why."]

    module = sys.modules["energy_gans.commands.export.export"]
    monkeypatch.setattr(module, "write_onnx", write_onnx)
    monkeypatch.setattr(module, "check_onnx", lambda model: None)
    path = str(FOLDER / "InpaintingGGCN/last.ckpt")
    to = ("--out", "shared")
    for _ in range(2):
        main(["export", "--onnx", "--ckpt_path", path, "--overwrite", "--half_weights", *to])
    assert asked == ["InpaintingGGCN"] * 2
    said = capsys.readouterr().out.splitlines()
    assert said[0].startswith("shared: README.md (") and said[1] == "field.onnx is left out: why."
    assert "- `sampler.onnx`: samples\n" in Path("shared/README.md").read_text()


def test_a_model_that_diverged_is_not_exported(tmp_path: Path) -> None:
    model = load_model(FOLDER / "InpaintingGGCN/last.ckpt")
    next(model.sampling_network.parameters()).data.fill_(torch.nan)
    with pytest.raises(ValueError, match="can not be exported, as its training diverged"):
        export(model, tmp_path / "out")
    assert not (tmp_path / "out").exists()
