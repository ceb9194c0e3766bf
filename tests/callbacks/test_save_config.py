r"""Tests for the energy_gans.callbacks.directory module."""

import csv
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
import torch
import yaml
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger, WandbLogger

from energy_gans.callbacks.save_config import SaveConfig
from energy_gans.cli import main
from energy_gans.storage.resume import WANDB_ID, resume_loggers


def versions(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.glob("*"))


# A resumed run


def test_a_resumed_run_goes_on_in_its_folder(tiny: Callable, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=3", points=True))
    main(tiny("--trainer.max_steps=3", points=True))
    first = tmp_path / "tiny/version_0"
    begun = yaml.safe_load((first / "config.yaml").read_text())
    # The one that was trained last, whichever was begun last; a run's folder or its checkpoint.
    for given in (first, first / "checkpoints/last.ckpt", "last"):
        main(tiny("--trainer.max_steps=6", f"--ckpt_path={given}", points=True))
    assert versions(first.parent) == ["version_0", "version_1"]
    with (first / "metrics.csv").open() as file:
        steps = [int(row["step"]) for row in csv.DictReader(file) if row["train/loss_d"]]
    assert steps == [2, 5]
    config = yaml.safe_load((first / "config.yaml").read_text())
    # That of the whole run: started again, it would be a new one.
    assert (begun["trainer"].pop("max_steps"), config["trainer"].pop("max_steps")) == (3, 6)
    assert config == begun
    assert config["ckpt_path"] is None


def test_a_run_that_goes_on_from_an_earlier_checkpoint_has_what_was_before_it(
    tiny: Callable, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    args = ["--trainer.val_check_interval=2", "--trainer.log_every_n_steps=1"]
    args += ["--trainer.callbacks.monitor=val/energy"]
    main(tiny(*args, "--trainer.max_steps=4", points=True))
    folder = tmp_path / "tiny/version_0"
    best = folder / "checkpoints/best.ckpt"
    assert torch.load(best, weights_only=True)["global_step"] == 2
    main(tiny(*args, "--trainer.max_steps=3", f"--ckpt_path={best}", points=True))
    assert "The run goes on from step 2" in caplog.text
    assert versions(folder.parent) == ["version_0"]
    with (folder / "metrics.csv").open() as file:
        assert [int(row["step"]) for row in csv.DictReader(file)] == [0, 1, 1, 2]
    assert torch.load(folder / "checkpoints/last.ckpt", weights_only=True)["global_step"] == 3


def test_a_checkpoint_from_elsewhere_begins_a_new_folder_with_its_best(
    tiny: Callable, tmp_path: Path
) -> None:
    args = ["--trainer.val_check_interval=2"]
    main(tiny(*args, "--trainer.max_steps=4", points=True, name="there"))
    there = tmp_path / "there/version_0"
    before = {path: path.read_bytes() for path in there.rglob("*.*")}
    main(tiny(*args, "--trainer.max_steps=5", f"--ckpt_path={there}", points=True, name="here"))
    here = tmp_path / "here/version_0/checkpoints"
    assert before == {path: path.read_bytes() for path in there.rglob("*.*")}
    assert (here / "best.ckpt").read_bytes() == before[there / "checkpoints/best.ckpt"]
    saved = torch.load(here / "last.ckpt", weights_only=True)
    assert saved["callbacks"]["Checkpoints"]["best"] is not None
    assert saved["global_step"] == 5


def test_a_version_that_is_given_is_kept(tiny: Callable, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=3", "--trainer.logger.version=mine", points=True))
    main(tiny("--trainer.max_steps=3", points=True))
    args = ["--trainer.max_steps=6", "--ckpt_path=last", "--trainer.logger.version=mine"]
    main(tiny(*args, points=True))
    mine = torch.load(tmp_path / "tiny/mine/checkpoints/last.ckpt", weights_only=True)
    assert mine["global_step"] == 6
    assert versions(tmp_path / "tiny") == ["mine", "version_0"]
    with pytest.raises(SystemExit, match=r"'last' finds no other/checkpoints/last.ckpt"):
        main(tiny("--ckpt_path=last", "--trainer.logger.version=other", points=True))


def trainer(*loggers: object) -> SimpleNamespace:
    return SimpleNamespace(loggers=list(loggers))


def test_loggers_go_on_in_the_folder_of_the_run_if_it_is_theirs(tmp_path: Path) -> None:
    folder = tmp_path / "runs/ring/version_3"
    own = CSVLogger(tmp_path / "runs", "ring")
    other = CSVLogger(tmp_path / "elsewhere", "ring")
    given = CSVLogger(tmp_path / "runs", "ring", version=1)
    # TensorBoard need not be there.
    board = TensorBoardLogger.__new__(TensorBoardLogger)
    board.__dict__ |= {"_root_dir": str(tmp_path / "runs"), "_name": "ring", "_version": None}
    board.__dict__ |= {"_kwargs": {}, "_sub_dir": None, "_fs": None}
    resume_loggers(folder, trainer(own, other, given, board), 60)
    assert Path(own.log_dir) == folder
    assert Path(other.log_dir) == tmp_path / "elsewhere/ring/version_0"
    assert Path(given.log_dir) == tmp_path / "runs/ring/version_1"
    assert Path(board.log_dir) == folder
    assert board._kwargs == {"purge_step": 60}


def test_a_run_of_wandb_goes_on_under_its_identity(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    save = SaveConfig(SimpleNamespace(dump=lambda *args, **kwargs: ""), Config())
    save.directory = tmp_path
    first = WandbLogger(save_dir=tmp_path, project="rings", id="abc123", offline=True)
    save.on_train_start(SimpleNamespace(is_global_zero=True, loggers=[first]), None)
    assert (tmp_path / WANDB_ID).read_text() == "abc123\n"
    resumed = WandbLogger(save_dir=tmp_path, project="rings", offline=True)
    resume_loggers(tmp_path, trainer(resumed), 60)
    assert resumed.version == resumed._wandb_init["id"] == "abc123"
    assert resumed._wandb_init["resume"] == "allow"
    alone = WandbLogger(save_dir=tmp_path, project="rings", offline=True)
    resume_loggers(tmp_path / "rings/def456", trainer(alone), 60)
    assert alone.version == "def456"
    (tmp_path / WANDB_ID).unlink()
    new = WandbLogger(save_dir=tmp_path, project="rings", offline=True)
    with caplog.at_level("INFO"):
        resume_loggers(tmp_path, trainer(new), 60)
    assert new.version is None
    assert "wandb logs the rest of the run as a new one" in caplog.text


class Config(dict):
    def clone(self) -> "Config":
        return Config(self)


# A start that fails


@pytest.mark.parametrize(
    "options, message",
    [
        (["--data=energy_gans.data.MNIST", "--data.init_args.root=none"], "none/MNIST/raw"),
        (["--data.init_args.batch_size=2048"], "'batch_size' should be at most"),
        (["--model.init_args.generator.init_args.out_features=3"], "should map"),
        (["--model.init_args.initial_weights=none.ckpt"], "'initial_weights' should be"),
    ],
)
def test_a_start_that_fails_takes_no_version(
    tiny: Callable, tmp_path: Path, options: list[str], message: str
) -> None:
    with pytest.raises(SystemExit, match=message):
        main(tiny(*options, points=True))
    assert versions(tmp_path / "tiny") == []


def test_a_measurement_that_fails_takes_no_version(tiny: Callable, tmp_path: Path) -> None:
    main(tiny("--trainer.max_steps=1", points=True))
    _, *args = tiny("--data=energy_gans.data.MNIST", "--data.init_args.root=none", points=True)
    with pytest.raises(SystemExit, match="none/MNIST/raw"):
        main(["validate", *args, f"--ckpt_path={tmp_path / 'tiny'}"])
    assert versions(tmp_path / "tiny") == ["version_0"]


def test_two_runs_that_start_at_once_take_two_versions(tiny: Callable, tmp_path: Path) -> None:
    listed = CSVLogger._get_next_version
    other = tmp_path / "tiny/version_0/config.yaml"

    def late(self: CSVLogger) -> int:
        version = listed(self)
        if version == 0:
            # The other run makes its folder between the look and the making.
            other.parent.mkdir(parents=True)
            other.write_text("mine")
        return version

    wrong = tiny("--data.init_args.batch_size=2048", points=True)
    with (
        mock.patch.object(CSVLogger, "_get_next_version", late),
        pytest.raises(SystemExit, match="'batch_size'"),
    ):
        main(wrong)
    assert versions(tmp_path / "tiny") == ["version_0"]
    assert other.read_text() == "mine"
    main(tiny("--trainer.max_steps=1", points=True))
    assert versions(tmp_path / "tiny") == ["version_0", "version_1"]


def test_a_run_that_fails_later_keeps_its_folder(tiny: Callable, tmp_path: Path) -> None:
    callbacks = "--trainer.callbacks=[{class_path: energy_gans.callbacks.Checkpoints}]"
    with pytest.raises(SystemExit, match="'monitor' should be one of"):
        main(tiny(callbacks, "--trainer.callbacks.monitor=val/fid", points=True))
    assert (tmp_path / "tiny/version_0/metrics.csv").is_file()


def test_a_resumed_run_that_fails_to_start_leaves_its_folder_as_it_was(
    tiny: Callable, tmp_path: Path
) -> None:
    main(tiny("--trainer.max_steps=3"))
    folder = tmp_path / "tiny/version_0"
    before = {path: path.read_bytes() for path in folder.rglob("*.*")}
    coverage = "--trainer.callbacks+=energy_gans.callbacks.MixtureCoverage"
    with pytest.raises(SystemExit, match="MixtureCoverage needs data with known modes"):
        main(tiny("--trainer.max_steps=6", "--ckpt_path=last", coverage))
    assert before == {path: path.read_bytes() for path in folder.rglob("*.*")}
