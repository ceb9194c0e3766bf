r"""The pictures of a study: curves of all methods, and samples of their first finished seeds."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from ...checks import Names
from ...plots.curves import bands_picture
from ...plots.figures import write_picture
from ...plots.sheets import HELD_OUT, images_sheet, points_sheet
from ...storage.saved_run import run_data
from ..real_data import held_out_samples
from .configs import trusted_packages
from .plan import Study
from .results import Result, finished_cells

AXES = {"updates": "updates of the generator", "seconds": "seconds of training"}

Panel = tuple[str, str]
Arrays = dict[Panel, np.ndarray]


def write_pictures(study: Study, results: list[Result], out: Path) -> None:
    r"""Writes curves.png, and samples.png (images) or scatter.png and kde.png (points)."""
    panels = _curve_panels(study, results)
    if panels:
        labels = {title: AXES[over] for (title, over) in panels}
        titled = {title: panel for (title, _), panel in panels.items()}
        write_picture(bands_picture(titled, labels, columns=2), out / "curves.png")
    _write_samples(study, _sample_arrays(study, results), out)


def _write_samples(study: Study, arrays: Arrays, out: Path) -> None:
    r"""Writes samples.png for settings of images, scatter.png and kde.png for those of points."""
    images = {place: x for place, x in arrays.items() if x.ndim == 4}
    points = {place: x for place, x in arrays.items() if x.ndim == 2 and x.shape[1] == 2}
    if images:
        write_picture(images_sheet(images, *_names_in(study, images)), out / "samples.png")
    if points:
        names = _names_in(study, points)
        write_picture(points_sheet(points, *names), out / "scatter.png")
        write_picture(points_sheet(points, *names, density=True), out / "kde.png")


def _curve_panels(study: Study, results: list[Result]) -> dict[Panel, dict[str, list]]:
    r"""Returns the curves of each method, a panel for each setting, logged number and x axis."""
    panels = {}
    for setting in study.settings:
        for name in study.curves:
            for over in AXES:
                found = {
                    method: [
                        curve
                        for r in finished_cells(results, setting, method)
                        if (curve := r.curve(name, over)) is not None
                    ]
                    for method in study.methods
                }
                found = {method: curves for method, curves in found.items() if curves}
                if found:
                    panels[f"{setting}: {name} over {over}", over] = found
    return panels


def _sample_arrays(study: Study, results: list[Result]) -> Arrays:
    r"""Returns samples of the first finished seed of each method, and as many real ones."""
    arrays: Arrays = {}
    for setting in study.settings:
        for method in study.methods:
            for result in finished_cells(results, setting, method)[:1]:
                arrays[setting, method] = read_samples(result.folder)
        for result in finished_cells(results, setting)[:1]:
            trust = trusted_packages(study, setting, result.cell.method)
            arrays[setting, HELD_OUT] = _real_samples(result.folder / "run", study.samples, trust)
    return arrays


def read_samples(folder: Path) -> np.ndarray:
    r"""Returns the samples of a cell, with shape :math:`(N, *)`.

    Arguments:
        folder: The cell's folder.

    Raises:
        ValueError: If the file of the samples is missing or damaged.
    """
    path = folder / "samples.npz"
    try:
        with np.load(path, allow_pickle=False) as file:
            return file["samples"]
    except Exception as error:  # A damaged file can make numpy raise almost anything.
        raise ValueError(f"{path} is missing or damaged: remove {folder}.") from error


def _real_samples(run: Path, n: int, trust: Names = "") -> np.ndarray:
    r"""Returns at most `n` random held-out samples of a run's data."""
    data = run_data(run, trust)
    data.prepare_data()
    return held_out_samples(data, n, seed=0)[0].numpy()


def _names_in(study: Study, arrays: Arrays) -> tuple[list[str], list[str]]:
    r"""Returns the names of the settings, and of real data and the methods, that have samples."""
    settings = [name for name in study.settings if any(s == name for s, _ in arrays)]
    methods = {method for _, method in arrays}
    return settings, [name for name in (HELD_OUT, *study.methods) if name in methods]
