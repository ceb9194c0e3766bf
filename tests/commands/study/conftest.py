r"""A study of two settings, two methods and two seeds, with replacements of the programs."""

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml

from energy_gans.commands.study import cells, configs

BASE = {
    "model": {
        "class_path": "energy_gans.methods.CoulombGAN",
        "init_args": {"updates_per_step": 2},
    },
    "data": {
        "class_path": "energy_gans.data.Ring",
        "init_args": {"modes": 8, "batch_size": 64, "samples": 500},
    },
    "trainer": {
        "precision": None,
        "accelerator": "cpu",
        "max_steps": 77,
        "logger": None,
        "callbacks": [
            {"class_path": "energy_gans.callbacks.MixtureCoverage", "init_args": {"n": 100}},
            {"class_path": "energy_gans.callbacks.Checkpoints", "init_args": {"monitor": None}},
        ],
    },
}
STUDY = {
    "seeds": [0, 1],
    "budget": {"steps": 20},
    "settings": {"ring": ["base.yaml"], "other": ["base.yaml", "other.yaml"]},
    "methods": {"one": ["one.yaml"], "two": ["two.yaml"]},
    "measures": {"val/modes": "modes"},
    "curves": ["val/modes"],
    "samples": 50,
}
OVERLAYS = {
    "other.yaml": {"data": {"init_args": {"modes": 5}}},
    "one.yaml": {"model": {"init_args": {"power": 1.0}}},
    "two.yaml": {"model": {"init_args": {"power": 3.0}}},
}


def merged(a: dict, b: dict) -> dict:
    r"""Returns one nested mapping overlaid by another."""
    result = deepcopy(a)
    for key, value in b.items():
        nested = isinstance(value, dict) and isinstance(a.get(key), dict)
        result[key] = merged(a[key], value) if nested else value
    return result


class Workshop:
    r"""The folder of a study, with replacements of `fit`, `evaluate` and `sample`."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.out, self.file = folder, folder / "out", folder / "study.yaml"
        self.ran: list[tuple[str, str]] = []
        self.printed: list[list[str]] = []
        self.before: Callable[[str, str], int | None] = lambda stage, cell: None
        for name, content in ({"base.yaml": BASE, "study.yaml": STUDY} | OVERLAYS).items():
            self.write(name, content)

    def write(self, name: str, content: Any) -> None:
        (self.folder / name).write_text(yaml.safe_dump(content, sort_keys=False))

    def change(self, **more: Any) -> None:
        r"""Changes keys of the study file."""
        self.write("study.yaml", yaml.safe_load(self.file.read_text()) | more)

    def printed_config(self, flags: list[str]) -> str:
        self.printed.append(flags)
        config: dict = {}
        for file in flags[1::2]:
            config = merged(config, yaml.safe_load(Path(file).read_text()))
        return yaml.safe_dump(config)

    def run_program(self, args: list[str], log: Path, lock: object) -> int:
        stage, cell = args[0], log.parent.relative_to(self.out).as_posix()
        self.ran.append((stage, cell))
        log.write_text("first\nthe last line\n")
        code = self.before(stage, cell)
        if code is None:
            getattr(self, stage)(log.parent, args)
        return code or 0

    def fit(self, folder: Path, args: list[str]) -> None:
        r"""Writes a run whose curve rises to the seed plus ten, half a second for each step."""
        steps = int(args[args.index("--trainer.max_steps") + 1])
        seed = int(args[args.index("--seed_everything") + 1])
        run = folder / "run"
        # A run that was stopped is resumed in its folder.
        (run / "checkpoints").mkdir(parents=True, exist_ok=True)
        rows = [f"{s - 1},{0.5 * s},{(10 + seed) * s / steps}" for s in range(1, steps + 1)]
        (run / "metrics.csv").write_text("\n".join(["step,time/seconds,val/modes", *rows, ""]))
        config = yaml.safe_load(self.printed_config(args[1 : args.index("--seed_everything")]))
        (run / "config.yaml").write_text(yaml.safe_dump({"data": config["data"]}))
        state = {"state_dict": {}, "seed": seed, "global_step": steps}
        state["callbacks"] = {"TrainingClock": {"seconds": 0.5 * steps}}
        torch.save(state, run / "checkpoints" / "last.ckpt")

    def sample(self, folder: Path, args: list[str]) -> None:
        x = np.random.default_rng(0).normal(size=(int(args[args.index("--n") + 1]), 2))
        np.savez(folder / "samples.npz", samples=x.astype(np.float32))


@pytest.fixture(autouse=True)
def no_notices(monkeypatch: pytest.MonkeyPatch) -> None:
    r"""Silences the warnings of jsonargparse about its next version, once in each process."""
    monkeypatch.setenv("JSONARGPARSE_DEPRECATION_WARNINGS", "off")


@pytest.fixture
def workshop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Workshop:
    made = Workshop(tmp_path)
    monkeypatch.setattr(configs, "printed_config", made.printed_config)
    monkeypatch.setattr(cells, "_run_program", made.run_program)
    return made
