r"""Tests for the energy_gans.commands.config_files module."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import yaml
from lightning.pytorch.utilities import rank_zero_only

from energy_gans.cli import main
from energy_gans.commands.config_files import (
    _print_once,
    check_config_files,
    current_config,
    find_named,
    near_config,
    resolve_configs,
    shipped_folder,
)
from energy_gans.data.prepared.writer import PreparedWriter
from energy_gans.terminal import printing

ROOT = Path(__file__).parents[2]
# The names of all configs before they were sorted by method, by what they began with.
EARLIER = {
    "coulomb_": "celeba cifar10 fashion_mnist grid grid_paper lsun lsun_church mnist ring "
    "two_modes",
    "eieg_": "celeba cifar10 direct_grid direct_ring fashion_mnist grid mnist ring",
    "few_gcn_": "64 128",
    "gcn_": "celeba cifar10 cifar10_conditional digits fashion_mnist lsun mnist",
    "ggcn_": "celeba cifar10 cifar10_conditional digits fashion_mnist lsun mnist tiny_imagenet "
    "tiny_imagenet_conditional",
    "inpainting_": "celeba mnist",
    "multigrid_": "celeba cifar10 fashion_mnist",
    "vapo_": "celeba cifar10 cifar10_small digits fashion_mnist grid lsun_bedroom_128 "
    "lsun_bedroom_64 lsun_church_128 lsun_church_64 mnist",
}
EARLIER_OVERLAYS = {
    "eieg/": "paper paper_nostab",
    "gcn/": "few frame paper wasserstein",
    "trainer/": "cpu ddp gpu",
    "vapo/": "paper",
}


def names(by_start: dict[str, str]) -> list[str]:
    return [f"{start}{end}" for start, ends in by_start.items() for end in ends.split()]


@pytest.fixture(autouse=True)
def _nothing_said() -> Iterator[None]:
    _print_once.cache_clear()
    with printing():
        yield
    _print_once.cache_clear()


@pytest.fixture
def at_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)


@pytest.mark.usefixtures("at_root")
@pytest.mark.parametrize("name", names(EARLIER))
def test_earlier_names_of_runs_are_resolved(name: str, capsys: pytest.CaptureFixture) -> None:
    new = current_config(Path(f"configs/{name}.yaml"))
    # Folders of runs have kept their names, which were those of the configs.
    assert yaml.safe_load(new.read_text())["trainer"]["logger"]["init_args"]["name"] == name
    assert capsys.readouterr().err == f"energy-gans: configs/{name}.yaml is {new} now\n"


@pytest.mark.usefixtures("at_root")
@pytest.mark.parametrize("name", names(EARLIER_OVERLAYS))
def test_earlier_names_of_overlays_are_resolved(name: str, capsys: pytest.CaptureFixture) -> None:
    new = Path(f"configs/overlays/{name}.yaml")
    assert current_config(Path(f"configs/{name}.yaml")) == new
    assert new.is_file()
    assert capsys.readouterr().err == f"energy-gans: configs/{name}.yaml is {new} now\n"


@pytest.mark.parametrize(
    ("folder", "earlier", "new"),
    [
        (ROOT, "./configs/coulomb_lsun.yaml", "configs/coulomb/lsun.yaml"),
        (ROOT / "configs", "coulomb_lsun.yaml", "coulomb/lsun.yaml"),
        (ROOT / "configs", "trainer/gpu.yaml", "overlays/trainer/gpu.yaml"),
        (ROOT / "configs/studies", "../gcn_mnist.yaml", "../gcn/mnist.yaml"),
        (ROOT.parent, f"{ROOT.name}/configs/gcn/few.yaml", None),
        (ROOT.parent, f"{ROOT}/configs/gcn/few.yaml", f"{ROOT}/configs/overlays/gcn/few.yaml"),
    ],
)
def test_earlier_names_are_resolved_from_any_folder(
    folder: Path, earlier: str, new: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    new = f"{ROOT.name}/configs/overlays/gcn/few.yaml" if new is None else new
    assert current_config(Path(earlier)) == Path(new)


@pytest.mark.usefixtures("at_root")
@pytest.mark.parametrize(
    "path",
    [
        "configs/demo.yaml",
        "configs/coulomb/lsun.yaml",
        "configs/coulomb_lsum.yaml",
        "configs/coulomb_lsun.yml",
        "configs/sweeps/coulomb_grid.yaml",
        "configs/studies/images/coulomb_lsun.yaml",
        "coulomb_lsun.yaml",
        "elsewhere/coulomb_lsun.yaml",
    ],
)
def test_other_names_are_kept(path: str, capsys: pytest.CaptureFixture) -> None:
    assert current_config(Path(path)) == Path(path)
    assert capsys.readouterr().err == ""


def test_a_file_of_an_earlier_name_is_used(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    own = tmp_path / "configs/coulomb_ring.yaml"
    (own.parent / "coulomb").mkdir(parents=True)
    shutil.copy(ROOT / "configs/coulomb/ring.yaml", own.parent / "coulomb/ring.yaml")
    assert current_config(own) == own.parent / "coulomb/ring.yaml"
    assert capsys.readouterr().err != ""
    own.write_text("{}")
    assert current_config(own) == own
    assert capsys.readouterr().err == ""


def printed(capsys: pytest.CaptureFixture, *args: str) -> tuple[str, str]:
    r"""Returns the config that `fit` prints, and what it says of the files."""
    with pytest.raises(SystemExit) as stop:
        main(["fit", *args, "--print_config"])
    assert stop.value.code == 0
    shown = capsys.readouterr()
    return shown.out, "".join(f"{line}\n" for line in shown.err.splitlines() if " is " in line)


@pytest.mark.usefixtures("at_root")
def test_fit_takes_earlier_names_however_they_are_given(capsys: pytest.CaptureFixture) -> None:
    # As a sweep of wandb gives them, and as a user types them.
    earlier = ("--config=configs/gcn_mnist.yaml", "--config", "configs/gcn/few.yaml")
    new = ("--config", "configs/gcn/mnist.yaml", "--config=configs/overlays/gcn/few.yaml")
    more = ("--seed_everything", "3", "--trainer.max_steps=7")
    config, said = printed(capsys, *earlier, *more, *earlier)
    assert (config, "") == printed(capsys, *new, *more, *new)
    assert said == (
        "energy-gans: configs/gcn_mnist.yaml is configs/gcn/mnist.yaml now\n"
        "energy-gans: configs/gcn/few.yaml is configs/overlays/gcn/few.yaml now\n"
    )


@pytest.mark.usefixtures("at_root")
def test_one_process_says_it(
    capsys: pytest.CaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(rank_zero_only, "rank", 1)
    earlier = Path("configs/coulomb_ring.yaml")
    assert current_config(earlier) == Path("configs/coulomb/ring.yaml")
    assert capsys.readouterr().err == ""


@pytest.mark.usefixtures("at_root")
@pytest.mark.parametrize(
    ("typed", "meant"),
    [
        ("configs/coulomb/lsum.yaml", "configs/coulomb/lsun.yaml"),
        ("configs/coulomb_lsum.yaml", "configs/coulomb/lsun.yaml"),
        ("configs/gcn/fasion_mnist.yaml", "configs/gcn/fashion_mnist.yaml"),
        ("configs/trainer/gpuu.yaml", "configs/overlays/trainer/gpu.yaml"),
        ("elsewhere/vapo_digits.yaml", "configs/vapo/digits.yaml"),
        ("demo.yaml", "configs/demo.yaml"),
        ("coulomb/rin", "coulomb/ring"),
        ("studies/mixture", "studies/mixtures"),
        ("configs/coulomb/xyzzy.yaml", None),
        ("xyzzy.yaml", None),
    ],
)
def test_a_near_name_is_suggested(typed: str, meant: str | None) -> None:
    listed = ": energy-gans configs lists those of the package."
    assert near_config(Path(typed)) == (f"; did you mean {meant}?" if meant else listed)


@pytest.mark.parametrize(
    "name", ["coulomb/ring", "coulomb/ring.yaml", "configs/coulomb/ring", "configs/coulomb_ring"]
)
def test_a_shipped_config_is_found_by_its_name_from_any_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    ring = ROOT / "configs/coulomb/ring.yaml"
    for flag in (["--config", name], [f"--config={name}"]):
        (*_, resolved) = resolve_configs(["fit", *flag])
        assert resolved.removeprefix("--config=") == str(ring)
    assert re.fullmatch(rf"energy-gans: {name} is {ring}( now)?\n", capsys.readouterr().err)


@pytest.mark.parametrize(
    "local", ["coulomb/ring", "coulomb/ring.yaml", "configs/coulomb/ring.yaml"]
)
def test_a_local_config_wins_over_a_shipped_one(
    local: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path(local).parent.mkdir(parents=True)
    Path(local).write_text("{}")
    assert current_config(Path("coulomb/ring")) == Path(local)


@pytest.mark.parametrize(
    "name",
    ["", ".", "..", "/", "configs", "coulomb", "../configs/demo", "coulomb/../../x", "/demo"],
)
def test_names_stay_in_the_folder_of_the_shipped_configs(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert find_named(name, shipped_folder()) is None
    assert current_config(Path(name)) == Path(name)


def test_a_name_that_is_misspelt_is_refused_with_the_nearest_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for typed, meant in (
        ("coulomb/rin", "coulomb/ring"),
        ("configs/coulomb/rin.yaml", "coulomb/ring"),
        ("coulomb_rin", "coulomb/ring"),
        ("overlays/trainer/cpuu", "overlays/trainer/cpu"),
    ):
        with pytest.raises(FileNotFoundError, match=rf"is no file; did you mean {meant}\?$"):
            check_config_files(resolve_configs(["fit", "--config", typed]))


def test_names_give_the_configs_of_their_files_from_any_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    names = ("gcn/mnist", "overlays/gcn/few", "overlays/trainer/cpu")
    paths = [flag for name in names for flag in ("--config", f"{ROOT}/configs/{name}.yaml")]
    config, _ = printed(capsys, *paths)
    monkeypatch.chdir(tmp_path)
    named, _ = printed(capsys, *(flag for name in names for flag in ("--config", name)))
    assert named == config


def write_bedrooms(folder: Path) -> None:
    r"""Writes a prepared set of four images for training, and four that are held out."""
    random = np.random.default_rng(0)
    options = {"size": 64, "category": "bedroom", "crop": "square"}
    about = {"source": {"path": "data", "kind": "folder"}, "preprocessing": options}
    with PreparedWriter(folder) as writer:
        for split in ("val", "train"):
            images = random.integers(0, 256, (4, 3, 64, 64), np.uint8)
            writer.append(split, images, np.zeros(4, int))
        writer.finish({"name": "lsun", "classes": [], **about})


def test_a_fresh_clone_trains_by_the_earlier_name_of_a_config(tmp_path: Path) -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("what a clone holds is known in a checkout only")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "energy_gans", "configs"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    for name in listed.stdout.decode().split("\0")[:-1]:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, tmp_path / name)
    write_bedrooms(tmp_path / "data/lsun_bedroom_64")
    command = [sys.executable, "-m", "energy_gans", "fit", "--config", "configs/coulomb_lsun.yaml"]
    small = ["trainer.max_steps=1", "trainer.limit_val_batches=0", "data.init_args.batch_size=2"]
    small += ["trainer.accelerator=cpu", "trainer.precision=32-true"]
    small += [f"model.init_args.{net}.init_args.width=8" for net in ("generator", "discriminator")]
    run = subprocess.run(
        [*command, *(f"--{option}" for option in small)],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert run.returncode == 0, run.stderr
    line = "energy-gans: configs/coulomb_lsun.yaml is configs/coulomb/lsun.yaml now"
    assert run.stderr.splitlines().count(line) == 1
    assert (tmp_path / "runs/coulomb_lsun/version_0/checkpoints/last.ckpt").is_file()
