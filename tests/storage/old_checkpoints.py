r"""Checkpoints of every method as an earlier version of the package wrote them.

They are made once, by `python -m tests.storage.old_checkpoints`, at the commit whose checkpoints
later versions have to read, and kept in `tests/data/checkpoints`: of each method the checkpoint
after two steps, the run's config, and samples of it. The command makes those of new methods only.
"""

import shutil
import tempfile
from pathlib import Path

import yaml

from energy_gans.cli import main

from ..conftest import POINTS, TINY
from ..methods.test_contracts import METHODS, of

FOLDER = Path(__file__).parents[1] / "data/checkpoints"
SAMPLES = ["--n", "16", "--seed", "5"]


def make(method: str, folder: Path) -> None:
    r"""Trains a method for two steps and keeps its checkpoint, config and samples."""
    with tempfile.TemporaryDirectory() as scratch:
        logger = {
            "class_path": "lightning.pytorch.loggers.CSVLogger",
            "init_args": {"save_dir": scratch, "name": "run"},
        }
        overlay = yaml.safe_load(POINTS) | {"trainer": {"logger": logger, "max_steps": 2}}
        configs = []
        for name, text in (("tiny", TINY), ("overlay", yaml.safe_dump(overlay))):
            path = Path(scratch) / f"{name}.yaml"
            path.write_text(text)
            configs += ["--config", str(path)]
        main(["fit", *configs, *(of(method) if method in METHODS else [])])
        run = Path(scratch) / "run/version_0"
        folder.mkdir(parents=True)
        shutil.copy(run / "checkpoints/last.ckpt", folder)
        config = yaml.safe_load((run / "config.yaml").read_text())
        # Where the run was: wherever it goes on is said then.
        config["trainer"]["logger"] = None
        (folder / "config.yaml").write_text(yaml.safe_dump(config))
        checkpoint = ["--ckpt_path", str(folder / "last.ckpt")]
        main(["sample", *checkpoint, "--out", str(folder / "samples.npz"), *SAMPLES])


if __name__ == "__main__":
    for method in ("CoulombGAN", *METHODS):
        if not (FOLDER / method).exists():
            make(method, FOLDER / method)
