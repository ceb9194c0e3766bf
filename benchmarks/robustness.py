r"""Over which learning rates generative ConvNets learn, with and without the Wasserstein term.

`python -m benchmarks.robustness` reads what `energy-gans study configs/studies/robustness.yaml` left, and
prints for each learning rate how many runs stayed finite, how many of these ended with a response
distance below that of before training, and the mean of its last over its first value.
"""

from __future__ import annotations

import argparse
import math
from pathlib import Path

from energy_gans.callbacks.curves import read_curves

METHODS = {"gcn": "GCN", "wgcn": "wGCN"}


def outcomes(folder: Path) -> list[float]:
    r"""Returns the response distance at the end of each run over that before it; NaN if it broke off."""
    ratios = []
    for run in sorted(folder.glob("seed_*/")):
        if not (run / "done.json").exists() and not (run / "failed.json").exists():
            raise ValueError(f"{run} is not finished: run the study first.")
        values = read_curves(run / "run" / "metrics.csv").get("val/response", ([], [math.nan]))[1]
        ratios.append(values[-1] / values[0] if (run / "done.json").exists() else math.nan)
    return ratios


def cells(ratios: list[float]) -> list[str]:
    r"""Returns the shares of runs that stayed finite and that fell, and the mean of what they fell to."""
    finite = [ratio for ratio in ratios if math.isfinite(ratio)]
    mean = f"{sum(finite) / len(finite):.2f}" if finite else ""
    fell = sum(ratio < 1 for ratio in finite)
    return [f"{len(finite)} of {len(ratios)}", f"{fell} of {len(ratios)}", mean]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", default="runs/studies/robustness", help="the study's folder")
    folder = Path(parser.parse_args().out)
    heads = [f"{name}: {word}" for name in METHODS.values() for word in ("finite", "fell", "to")]
    for setting in sorted(path for path in folder.iterdir() if any(path.glob("gcn_*/"))):
        rates = sorted((path.name.split("_")[1] for path in setting.glob("gcn_*/")), key=float)
        print(f"\n{setting.name}\n\n| learning rate | {' | '.join(heads)} |")
        print("|---" * (len(heads) + 1) + "|")
        for rate in rates:
            row = [c for m in METHODS for c in cells(outcomes(setting / f"{m}_{rate}"))]
            print(f"| {rate} | {' | '.join(row)} |")


if __name__ == "__main__":
    main()
