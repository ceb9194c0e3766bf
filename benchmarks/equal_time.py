r"""Methods of the FashionMNIST study at equal wall-clock time.

::

    python -m benchmarks.equal_time

reads the results of the studies `configs/studies/fashion.yaml` and `fashion_clock.yaml`. It prints
the measures of each method after the time of 5,000 updates of `dcgan`: the values of its curves at
the number of updates that fit into that time, by linear interpolation, or the first value of a
curve if fewer updates fit.
"""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from energy_gans.commands.outputs import markdown_table
from energy_gans.storage.curves import read_curves

STUDIES = Path("runs/studies")
MEASURES = ("val/is_2k", "val/fd_2k")
UPDATES, REFERENCE = 5000, "dcgan"


def main() -> None:
    clock = STUDIES / "fashion_clock" / "fashion_mnist"
    times = {
        path.name: json.loads((path / "seed_0" / "done.json").read_text())["ms_per_step"]
        for path in clock.iterdir()
        if path.is_dir()
    }
    budget, rows = UPDATES * times[REFERENCE], []
    for name, time in times.items():
        run = STUDIES / "fashion" / "fashion_mnist" / name / "seed_0" / "run"
        curves = read_curves(run / "metrics.csv")
        # Steps count from 0.
        values = [
            np.interp(budget / time, np.add(curves[m][0], 1), curves[m][1]) for m in MEASURES
        ]
        rows.append((values[0], name, time, budget / time, values[1]))
    print(f"{budget / 1e3:.0f} seconds\n")
    table = [["", "ms an update", "updates", "Inception Score", "Fréchet distance"]]
    for score, name, time, updates, fd in sorted(rows, reverse=True):
        table.append([f"`{name}`", f"{time:.0f}", f"{updates:,.0f}", f"{score:.2f}", f"{fd:.2f}"])
    print(markdown_table(table), end="")


if __name__ == "__main__":
    main()
