r"""Growth rates of waves in a discriminator's features, and the stabilizer that stops them.

`python -m benchmarks.stability` draws `results/stability.png`, the spectral picture of
Proposition 2 of the EIEG paper, and prints the critical coefficients up to a few wave numbers. On
the left the stabilizer is the kernel itself, without cut-offs: one coefficient, 1, is critical for
every wave. In the middle both have the paper's cut-offs, 0.1 and 0.8: no coefficient
stops the short waves.
"""

from __future__ import annotations

from pathlib import Path

import torch
from jsonargparse import auto_cli
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

from energy_gans.commands.outputs import markdown_table
from energy_gans.functional.stability import critical_coefficient, elastic_transform, growth_rate
from energy_gans.plots.figures import GENERATED, ORDERED, REAL, render, write_picture

CUTOFFS = (0.1, 0.8)
COEFFICIENTS = dict(zip((0.0, 0.5, 1.0, 1.5, 2.0), ORDERED, strict=True))
SHOWN, LARGEST = 6.0, 12.0


def stability(out: str = "results/stability.png") -> None:
    r"""Draws growth rates and critical coefficients, and prints the latter.

    Arguments:
        out: The picture.
    """
    rows = [["largest wave number", "critical coefficient"]]
    for largest in (1.0, 2.0, 3.0, 4.0, 5.0, 5.03):
        rows.append([f"{largest:g}", f"{critical_coefficient(largest, *CUTOFFS):.4g}"])
    print(markdown_table(rows), end="")
    write_picture(picture(), Path(out))
    print(out)


def picture() -> Image.Image:
    r"""Returns the growth rates without and with cut-offs, and the critical coefficients."""
    figure = Figure(figsize=(13, 4.2), layout="constrained")
    left, middle, right = figure.subplots(1, 3)
    draw_rates(left, (None, None), "without cut-offs, $h = K$")
    draw_rates(middle, CUTOFFS, f"cut-offs {CUTOFFS[0]} and {CUTOFFS[1]}: short waves grow")
    draw_critical(right)
    return render(figure)


def draw_rates(axis: Axes, cutoffs: tuple[float | None, float | None], title: str) -> None:
    r"""Draws the growth rates for a few coefficients."""
    k = torch.linspace(SHOWN / 500, SHOWN, 500, dtype=torch.float64)
    for coefficient, colour in COEFFICIENTS.items():
        rates = growth_rate(k, coefficient, *cutoffs)
        axis.plot(k, rates, color=colour, linewidth=1.8, label=rf"$\lambda = {coefficient:g}$")
    axis.axhline(0, color="k", linewidth=0.6, zorder=1)
    axis.set_title(title, fontsize=11)
    axis.set_xlabel("wave number $|k|$")
    axis.set_ylabel(r"growth rate $\sigma$")
    axis.legend(loc="upper left", fontsize=9, frameon=False)
    axis.grid(alpha=0.3)


def draw_critical(axis: Axes) -> None:
    r"""Draws the smallest coefficient at which a wave decays, if there is one."""
    k = torch.linspace(LARGEST / 2000, LARGEST, 2000, dtype=torch.float64)
    kernel, stabilizer = (elastic_transform(k, cutoff) for cutoff in CUTOFFS)
    stopped = stabilizer > 0
    ratio = torch.where(stopped, kernel / stabilizer, torch.nan)
    axis.plot(k, ratio, color=GENERATED, linewidth=1.8)
    axis.axhline(1, color=REAL, linewidth=1.2, linestyle="--", label="the paper's $\\lambda$")
    axis.fill_between(
        k, 0, 1, where=~stopped, color=REAL, alpha=0.25, linewidth=0,
        transform=axis.get_xaxis_transform(), label="no coefficient stops the wave",
    )  # fmt: skip
    axis.set(yscale="log", ylim=(0.5, 1e3), xlim=(0, LARGEST))
    axis.set_title("critical coefficient, same cut-offs", fontsize=11)
    axis.set_xlabel("wave number $|k|$")
    axis.set_ylabel(r"$\hat K / \hat h$")
    axis.legend(loc="lower right", bbox_to_anchor=(1, 0.12), fontsize=9, framealpha=1)
    axis.grid(alpha=0.3)


if __name__ == "__main__":
    auto_cli(stability, as_positional=False)
