r"""Over which learning rates generative ConvNets learn, with and without the Wasserstein term.

`python -m benchmarks.robustness` reads what `energy-gans study configs/studies/robustness.yaml` left, and
prints for each learning rate how many runs stayed finite, how many of these ended with a response
distance below that of before training, the mean of its last over its first value, and the greatest of
all values over the first.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from energy_gans.callbacks.curves import read_curves

METHODS = {"gcn": "GCN", "wgcn": "wGCN"}
COLUMNS = ("finite", "fell", "to", "at most")


def outcomes(folder: Path) -> list[tuple[float, float]]:
    r"""Returns the last and the greatest response distance of each run over its first; NaN if it broke off."""
    ratios = []
    for run in sorted(folder.glob("seed_*/")):
        if not (run / "done.json").exists() and not (run / "failed.json").exists():
            raise ValueError(f"{run} is not finished: run the study first.")
        values = read_curves(run / "run" / "metrics.csv").get("val/response", ([], [math.nan]))[1]
        last = values[-1] if (run / "done.json").exists() else math.nan
        ratios.append((last / values[0], max(values) / values[0]))
    return ratios


def cells(ratios: list[tuple[float, float]]) -> list[str]:
    r"""Returns the shares of runs that stayed finite and that fell, what they fell to, and what they rose to."""
    finite = [last for last, _ in ratios if math.isfinite(last)]
    mean = f"{sum(finite) / len(finite):.2f}" if finite else ""
    fell = sum(last < 1 for last in finite)
    most = max(greatest for _, greatest in ratios)
    return [f"{len(finite)} of {len(ratios)}", f"{fell} of {len(ratios)}", mean, f"{most:.2f}"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/studies/robustness", help="the study's folder")
    folder = Path(parser.parse_args().out)
    heads = [f"{name}: {word}" for name in METHODS.values() for word in COLUMNS]
    for setting in sorted(path for path in folder.iterdir() if any(path.glob("gcn_*/"))):
        rates = sorted((path.name.split("_")[1] for path in setting.glob("gcn_*/")), key=float)
        print(f"\n{setting.name}\n\n| learning rate | {' | '.join(heads)} |")
        print("|---" * (len(heads) + 1) + "|")
        for rate in rates:
            row = [c for m in METHODS for c in cells(outcomes(setting / f"{m}_{rate}"))]
            print(f"| {rate} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
