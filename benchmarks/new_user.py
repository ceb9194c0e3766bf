r"""A new user: from a wheel in an empty environment to own pictures trained, measured and shared.

::

    python -m benchmarks.new_user --folder /tmp/user

builds the wheel, installs it with all dependencies into a new environment in the folder, draws 500
pictures of many sizes and modes, and runs :data:`COMMANDS` and the lines of :data:`PYTHON` there,
outside of the clone. It prints the seconds of each, and ends at the first that fails. `--steps`
shortens the training, `--pip_args` passes options to pip.
"""

from __future__ import annotations

import argparse
import os
import shlex
import subprocess
import sys
import textwrap
import time
import venv
from pathlib import Path

from energy_gans.commands.outputs import markdown_heading, markdown_row

CLONE = Path(__file__).parents[1]
COMMANDS = """
    energy-gans fit --config coulomb/folder --data.root pictures --trainer.max_steps {steps}
    energy-gans sample --ckpt_path runs/coulomb_folder --n 64 --out samples.png
    energy-gans evaluate --ckpt_path runs/coulomb_folder --n 400
    energy-gans export --ckpt_path runs/coulomb_folder --out shared
    energy-gans sample --ckpt_path shared --n 64 --out again.png
    energy-gans report --run runs/coulomb_folder
"""
PYTHON = """
    from lightning import Trainer
    import energy_gans
    from energy_gans.networks import DCGANDiscriminator, DCGANGenerator
    data = energy_gans.data.ImageFolder("pictures", size=32, batch_size=64)
    generator = DCGANGenerator(latent_dim=32, channels=3, size=32, width=32)
    discriminator = DCGANDiscriminator(channels=3, size=32, width=32)
    model = energy_gans.CoulombGAN(generator, discriminator, latent_dim=32)
    Trainer(max_steps={steps}).fit(model, data)
    x = energy_gans.sample(model, 64, out="python.png").x
    print(energy_gans.evaluate(model, data=data, n=400))
    energy_gans.export(model, out="python_shared")
    energy_gans.sample(energy_gans.load("python_shared"), 64, out="python_again.png")
"""
PICTURES = """
    from pathlib import Path
    import numpy as np
    from PIL import Image, ImageDraw
    random = np.random.default_rng(0)
    Path("pictures").mkdir()
    for i in range(500):
        w, h = map(int, random.integers(24, 90, 2))
        light, dark = random.integers(120, 256, 3), random.integers(0, 120, 3)
        image = Image.new("RGB", (w, h), tuple(map(int, light)))
        (x, y), s = random.uniform(0.3, 0.7, 2), random.uniform(0.2, 0.4) / 2
        draw = ImageDraw.Draw(image)
        shape = draw.ellipse if i % 2 else draw.rectangle
        shape([w * (x - s), h * (y - s), w * (x + s), h * (y + s)], tuple(map(int, dark)))
        mode, ending = ("RGB", "L", "RGBA")[i % 3], "png" if i % 3 == 2 else "jpg"
        image.convert(mode).save(f"pictures/{i:03d}.{ending}")
"""


def timed(name: str, command: list[str], folder: Path) -> None:
    r"""Runs a command in a folder and prints a row with its seconds.

    Raises:
        SystemExit: If the command fails, with what it said.
    """
    start = time.perf_counter()
    # No other environment's packages, and no clone on the path.
    kept = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True)
    print(markdown_row([f"`{name}`", f"{time.perf_counter() - start:.0f}"]), end="", flush=True)
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-4000:])


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--pip_args", default="")
    given = parser.parse_args()
    folder = given.folder.resolve()
    folder.mkdir(parents=True)
    pip = [sys.executable, "-m", "pip", "-q", "--disable-pip-version-check"]
    print(markdown_heading(["step", "s"]), end="")
    build = [*pip, "wheel", "--no-deps", "--wheel-dir", str(folder), str(CLONE)]
    timed("pip wheel", build, folder)
    (wheel,) = folder.glob("*.whl")
    venv.create(folder / "environment", with_pip=True)
    programs = folder / "environment" / "bin"
    python = str(programs / "python")
    install = [python, "-m", "pip", "install", "-q", *shlex.split(given.pip_args), str(wheel)]
    timed(f"pip install {wheel.name}", install, folder)
    timed("500 pictures", [python, "-c", textwrap.dedent(PICTURES)], folder)
    for line in COMMANDS.format(steps=given.steps).split("\n"):
        if command := shlex.split(line):
            timed(line.strip(), [str(programs / command[0]), *command[1:]], folder)
    code = textwrap.dedent(PYTHON.format(steps=given.steps))
    timed(f"{len(code.strip().splitlines())} lines of Python", [python, "-c", code], folder)


if __name__ == "__main__":
    main()
