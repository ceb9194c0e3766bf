r"""The learning rates at which generative ConvNets learn, with and without the Wasserstein term.

::

    python -m benchmarks.robustness

reads the results of the study `configs/studies/robustness.yaml` and draws its curves. It prints
for each learning rate the number of runs that stayed finite, the number of those whose response
distance fell, the mean ratio of the last to the first distance, and the largest ratio at any time.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from matplotlib.figure import Figure

from energy_gans.commands.outputs import markdown_table
from energy_gans.plots.figures import CATEGORIES, render, write_picture
from energy_gans.storage.curves import read_curves

METHODS = {"gcn": "GCN", "wgcn": "wGCN"}
COLUMNS = ("finite", "fell", "to", "at most")


def outcomes(folder: Path) -> list[tuple[float, float]]:
    r"""Returns the ratios of each run's last and greatest response distance to its first.

    The first ratio is NaN if the run failed.
    """
    ratios = []
    for run in sorted(folder.glob("seed_*/")):
        if not (run / "done.json").exists() and not (run / "failed.json").exists():
            raise ValueError(f"{run} is not finished: run the study first.")
        values = read_curves(run / "run" / "metrics.csv").get("val/response", ([], [math.nan]))[1]
        last = values[-1] if (run / "done.json").exists() else math.nan
        ratios.append((last / values[0], max(values) / values[0]))
    return ratios


def cells(ratios: list[tuple[float, float]]) -> list[str]:
    r"""Returns a method's cells: finite runs, runs that fell, mean last and greatest ratio."""
    finite = [last for last, _ in ratios if math.isfinite(last)]
    mean = f"{sum(finite) / len(finite):.3g}" if finite else ""
    fell = sum(last < 1 for last in finite)
    most = max(greatest for _, greatest in ratios)
    return [f"{len(finite)} of {len(ratios)}", f"{fell} of {len(ratios)}", mean, f"{most:.3g}"]


def picture(settings: list[Path], rates: list[str], path: Path) -> None:
    r"""Draws response distances over updates, with settings in rows and rates in columns."""
    figure = Figure(figsize=(2.6 * len(rates), 2.4 * len(settings)), layout="constrained")
    for row, setting in zip(figure.subplots(len(settings), len(rates)), settings, strict=True):
        for axis, rate in zip(row, rates, strict=True):
            for colour, (method, name) in zip(CATEGORIES, METHODS.items(), strict=False):
                for run in sorted((setting / f"{method}_{rate}").glob("seed_*/")):
                    curve = read_curves(run / "run" / "metrics.csv")["val/response"]
                    label = name if run.name == "seed_0" else None
                    axis.plot(*curve, color=colour, label=label, linewidth=1)
            axis.set(yscale="log", title=f"{setting.name}, rate {rate}")
    row[0].set(xlabel="updates", ylabel="response distance")
    row[0].legend()
    write_picture(render(figure), path)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/studies/robustness", help="the study's folder")
    parser.add_argument("--picture", default="robustness.png", help="the curves")
    args = parser.parse_args()
    folder = Path(args.out)
    heads = [f"{name}: {word}" for name in METHODS.values() for word in COLUMNS]
    settings = sorted(path for path in folder.iterdir() if any(path.glob("gcn_*/")))
    rates = sorted((path.name.split("_")[1] for path in settings[0].glob("gcn_*/")), key=float)
    for setting in settings:
        rows = [["learning rate", *heads]]
        for rate in rates:
            row = [c for m in METHODS for c in cells(outcomes(setting / f"{m}_{rate}"))]
            rows.append([rate, *row])
        print(f"\n{setting.name}\n\n{markdown_table(rows)}", end="")
    picture(settings, rates, Path(args.picture))


if __name__ == "__main__":
    main()
