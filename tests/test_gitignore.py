r"""Tests that Git ignores what commands write, and nothing else."""

import re
import subprocess
from pathlib import Path

import pytest

from energy_gans.commands import OUTPUTS

ROOT = Path(__file__).parents[1]
DEFAULTS = [name for name in OUTPUTS.values() if name != "auto"]
PAGES = [ROOT / "README.md", *(ROOT / "docs").glob("*.md"), *(ROOT / "docs").glob("[hm]*/*.md")]
NAMED = [
    name
    for page in PAGES
    for name in re.findall(r"--out[= ]([\w./]+)", page.read_text(encoding="utf-8"))
]
WRITTEN = {
    *DEFAULTS,
    # Numbers and arrays beside pictures.
    *(str(Path(name).with_suffix(end)) for name in DEFAULTS for end in (".json", ".npz")),
    *(name for name in NAMED if name.islower() and not name.endswith(".yaml")),
    "runs/coulomb_ring/version_0/config.yaml",
    "runs/studies/mixtures/table.md",
    "data/MNIST/raw/train-images-idx3-ubyte",
    "lightning_logs/version_0/metrics.csv",
    "wandb/run-20260101_000000-abc/files/config.yaml",
    # Of runs without a logger, and of writes that were killed.
    *("checkpoints/last.ckpt", "samples/step_00000002.png", "samples/step_00000002.txt"),
    *("samples.png", "samples.txt"),
    "results/new.png.0123456789abcdef0123456789abcdef.part",
    # Of the site.
    *("docs/_build/html/index.html", "docs/results/fields.md", "docs/examples/index.rst"),
    "docs/reference/python/energy_gans.fields.rst",
}
KEPT = (
    "energy_gans/data/sets/new.py",
    "results/new.png",
    "docs/pictures/new.gif",
    "configs/new.yaml",
    "new.md",
    "new.py",
)


@pytest.fixture(autouse=True)
def _in_a_clone() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("what Git ignores is known in a checkout only")


def ignored(*names: str) -> list[str]:
    r"""Returns those of some names that Git ignores."""
    command = ["git", "check-ignore", "--no-index", *names]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True).stdout.split()


@pytest.mark.parametrize("name", sorted(WRITTEN))
def test_what_commands_write_is_ignored(name: str) -> None:
    assert ignored(name) == [name]


def test_what_belongs_to_the_repository_is_kept() -> None:
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    assert ignored(*KEPT, *listed.stdout.splitlines()) == []


def test_pages_name_outputs() -> None:
    assert {"samples.npz", "table.md", "landscape.gif", "shared"} <= set(NAMED)
