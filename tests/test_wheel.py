r"""Tests for the wheel: what it holds, and a run with it outside of the clone."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import pytest

from energy_gans import __version__

ROOT = Path(__file__).parents[1]
# What a build reads, besides the package and the configs.
BUILD = ("pyproject.toml", "setup.py", "README.md", "LICENSE")
TRAIN_AND_SAMPLE = """
import sys
from importlib.metadata import version
from pathlib import Path
import energy_gans
from energy_gans.cli import main

assert Path(energy_gans.__file__).is_relative_to(sys.prefix), energy_gans.__file__
assert version("energy-gans") == energy_gans.__version__
small = ["trainer.max_steps=3", "trainer.enable_progress_bar=false", "data.samples=2000"]
main(["fit", "--config", "coulomb/ring", *(f"--{option}" for option in small)])
main(["sample", "--ckpt_path", "runs/coulomb_ring", "--n", "50", "--out", "samples.npz"])
"""


def run(*command: str | Path, cwd: Path) -> str:
    r"""Returns what a program prints, in an environment that does not name the clone."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    r"""Returns a wheel that is built from a copy of the sources, without a network."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("wheel")
    for name in ("energy_gans", "configs"):
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(ROOT / name, source / name, ignore=ignored)
    for name in BUILD:
        shutil.copy(ROOT / name, source / name)
    offline = ["--no-deps", "--no-index", "--no-build-isolation", "--disable-pip-version-check"]
    run(sys.executable, "-m", "pip", "wheel", *offline, "--wheel-dir", out, source, cwd=out)
    (path,) = out.iterdir()
    return path


def test_a_wheel_holds_the_package_with_its_configs_and_nothing_else(wheel: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    about = f"energy_gans-{__version__}.dist-info/"
    sources = {p.relative_to(ROOT).as_posix() for p in ROOT.glob("energy_gans/**/*.py")}
    configs = {
        f"energy_gans/{p.relative_to(ROOT)}" for p in ROOT.glob("configs/**/*") if p.is_file()
    }
    assert {name for name in names if not name.startswith(about)} == sources | configs
    assert wheel.name == f"energy_gans-{__version__}-py3-none-any.whl"


def test_the_wheel_trains_and_samples_outside_of_the_clone(wheel: Path, tmp_path: Path) -> None:
    place, work = tmp_path / "venv", tmp_path / "work"
    venv.create(place, with_pip=False)
    python = place / "bin" / "python"
    work.mkdir()
    installed = Path(
        run(
            python, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))", cwd=work
        ).strip()
    )
    run(
        *(sys.executable, "-m", "pip", "--python", python, "install", "--no-deps", "--no-index"),
        *("--disable-pip-version-check", wheel),
        cwd=work,
    )
    # The dependencies are those of this interpreter. Its own .pth files, which may name the clone,
    # are not read there.
    (installed / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    run(python, "-c", TRAIN_AND_SAMPLE, cwd=work)
    assert (work / "runs/coulomb_ring/version_0/checkpoints/last.ckpt").is_file()
    assert (work / "samples.npz").is_file()
    assert "coulomb/ring" in run(place / "bin" / "energy-gans", "configs", cwd=work)
