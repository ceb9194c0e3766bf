r"""Tests for the program that measures configs on a GPU: its table, its configs, its refusal."""

import sys
from pathlib import Path

import pytest
import torch
import yaml

from benchmarks import gpu, gpu_configs

# The config of the EIEG GAN with tiny networks, which two steps on a CPU take no time for.
TINY = [
    "--data.init_args.size=8",
    "--data.init_args.n=16",
    "--data.init_args.batch_size=4",
    "--model.init_args.generator.init_args.size=8",
    "--model.init_args.generator.init_args.width=2",
    "--model.init_args.discriminator.init_args.size=8",
    "--model.init_args.discriminator.init_args.width=2",
]


def test_configs_are_measured_and_a_table_is_written() -> None:
    rows = gpu_configs.measure(60, steps=2, accelerator="cpu", configs=["eieg/celeba"], more=TINY)
    assert [row.reason for row in rows] == [""] * 3
    text = gpu.page(rows, "1 passed", "pretended", "abc")
    table = [line for line in text.splitlines() if line.startswith("|")]
    assert table[0] == f"| {' | '.join(gpu.HEADINGS)} |"
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in table]
    assert [row[:4] for row in cells[2:]] == [
        ["eieg/celeba", precision, "4", "2"] for precision in ("fp32", "TF32", "bf16")
    ]
    for row, (_, _, _, _, milliseconds, rate, _) in zip(rows, cells[2:], strict=True):
        assert float(milliseconds) == pytest.approx(1e3 * row.seconds, abs=0.051)
        assert float(rate) == pytest.approx(4 / row.seconds, abs=0.051)
    for part in ("pretended", torch.__version__, "abc", "1 passed", "`make gpu`"):
        assert part in text


def test_a_config_that_fails_is_a_row_of_the_table() -> None:
    wrong = [*TINY, "--data.init_args.size=16"]
    row = gpu_configs.run("eieg/celeba", "fp32", 2, 60, "cpu", wrong)
    assert row.reason.startswith("failed: ")
    assert len(row.cells()) == len(gpu.HEADINGS)


def test_a_config_without_time_is_a_row_of_the_table() -> None:
    assert gpu_configs.measure(0, configs=["eieg/celeba"])[0].reason == "no time was left"


def test_a_run_stops_at_the_end_of_its_time_and_is_measured() -> None:
    row = gpu_configs.run("eieg/celeba", "TF32", 200, 0.0, "cpu", TINY)
    assert (row.reason, row.steps) == ("", gpu_configs.WARM_UP + gpu_configs.CHECKED)
    assert 0 < row.seconds < 10
    assert not torch.backends.cuda.matmul.allow_tf32


def test_a_run_without_an_end_is_stopped() -> None:
    with pytest.raises(TimeoutError, match="too few steps"), gpu_configs.bounded(0.01):
        while True:
            pass


@pytest.mark.parametrize("config", gpu_configs.CONFIGS)
def test_each_config_is_there_and_is_compiled_where_its_method_can(config: str) -> None:
    settings = yaml.safe_load((gpu_configs.ROOT / f"configs/{config}.yaml").read_text())
    name = settings["model"]["class_path"].rpartition(".")[2]
    method = getattr(__import__("energy_gans").methods, name)
    compiles = "compile_gradient" in method.__init__.__annotations__
    assert ((config, "compiled") in gpu_configs.cases()) == compiles
    change = gpu_configs.overlay(settings, "fp32", 200, 1.0)
    data = gpu_configs.RandomImages(**change["data"]["init_args"])
    assert data.shape == (3, settings["data"]["init_args"]["size"], data.shape[-1])
    assert data.batch_size <= data.n
    assert data.limit is None
    assert len(change["trainer"]["callbacks"]) == 2


def test_without_a_gpu_nothing_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    out = tmp_path / "gpu.md"
    with pytest.raises(SystemExit, match=r"There is no GPU here: nothing was measured, and .*"):
        gpu.main(["--out", str(out)])
    assert not out.exists()


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(gpu, "NEEDED", ("sys", "no_such_package"))
    assert "sys" in sys.modules
    with pytest.raises(SystemExit, match="missing, install them first: no_such_package"):
        gpu.main(["--out", str(tmp_path / "gpu.md")])
