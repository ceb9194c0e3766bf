r"""The CPU time of an update of a generator that follows a field, for all fields of the study.

::

    energy-gans fit --config studies/fields/five_modes
    OMP_NUM_THREADS=1 python -m benchmarks.field_updates

trains each config of `configs/studies/fields` on the grid for 200 updates after the first 50, all
fields in turns, and prints the smaller of two times. CPU time, because other work on the machine
changes it less than the time on the clock.
"""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

from lightning.pytorch import Callback, LightningModule, Trainer

from energy_gans.cli import main
from energy_gans.commands.outputs import markdown_heading, markdown_row

FOLDER = Path("configs/studies/fields")
SHARED = ("five_modes", "wrong_weights", "grid", "two_modes")
# A step makes ten updates.
WARM_UP, STEPS, UPDATES = 5, 25, 10
REPEATS = 2
measured: list[float] = []


class CPUClock(Callback):
    r"""Measures the CPU time of an update after the first few steps, in milliseconds."""

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, *args: object
    ) -> None:
        if trainer.global_step == WARM_UP:
            self.start = time.process_time()
        elif trainer.global_step == trainer.max_steps:
            updates = (trainer.max_steps - WARM_UP) * UPDATES
            measured.append((time.process_time() - self.start) / updates * 1e3)


def update_time(name: str) -> float:
    r"""Returns the CPU time of an update with a field, in milliseconds."""
    average = {"class_path": "energy_gans.callbacks.EMA", "init_args": {"decay": 0.9}}
    with tempfile.TemporaryDirectory() as folder:
        options = {
            "callbacks": [average, {"class_path": "benchmarks.field_updates.CPUClock"}],
            "max_steps": STEPS,
            "limit_val_batches": 0,
            "enable_checkpointing": False,
            "enable_model_summary": False,
            "enable_progress_bar": False,
            "logger": {
                "class_path": "lightning.pytorch.loggers.CSVLogger",
                "init_args": {"save_dir": folder, "name": name},
            },
        }
        configs = [f"--config={FOLDER / file}.yaml" for file in ("grid", name)]
        main(["fit", *configs, *(f"--trainer.{k}={json.dumps(v)}" for k, v in options.items())])
    return measured.pop()


if __name__ == "__main__":
    # `main` imports this file by name, and the clock writes into that module.
    import benchmarks.field_updates as module

    names = [path.stem for path in sorted(FOLDER.glob("*.yaml")) if path.stem not in SHARED]
    times = [[module.update_time(name) for name in names] for _ in range(REPEATS)]
    print(markdown_heading(("", "ms an update")), end="")
    for name, values in zip(names, zip(*times, strict=True), strict=True):
        print(markdown_row([name, f"{min(values):.1f}"]), end="")
