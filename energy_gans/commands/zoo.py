r"""`energy-gans models`: the trained models that are found by name, with their numbers."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ..storage.curves import read_curves
from ..storage.export import CONFIG, read_config
from ..storage.stamps import comparisons, format_number, read_metrics
from ..storage.zoo import VARIABLE, zoo_models
from .outputs import markdown_table
from .real_data import data_name
from .results import Result

_HEADINGS = ("model", "method", "data", "steps", "MB", "numbers (of real samples)", "extractor")
# The measures of a table: the others are in metrics.json of the model's folder.
_SHOWN = ("fd", "fid", "is", "js_4")


@dataclass(frozen=True)
class ZooModel:
    r"""A trained model of the zoo.

    Arguments:
        name: Its name, for `energy_gans.load(name)`.
        folder: Its folder.
        method: The name of its class.
        data: The name of its data, that of the class or of a folder; `""` if it is not known.
        steps: The number of training steps, or `None`.
        size: The size of the folder's files, in bytes.
        numbers: Its numbers by name, with those of real samples, as text.
        extractor: The name of the extractor in whose features the numbers are, and the start of
            the SHA-256 of its weights, if it has a file of them; `""` if they are numbers of a
            validation, which do not name one. Numbers of models compare in the same features only.
    """

    name: str
    folder: Path
    method: str
    data: str
    steps: int | None
    size: int
    numbers: dict[str, str]
    extractor: str


@dataclass(frozen=True, repr=False)
class ModelList(Result):
    r"""The models of the zoo.

    Arguments:
        models: The models, by name.
    """

    models: tuple[ZooModel, ...]

    @property
    def table(self) -> str:
        r"""The models as a table in Markdown; `""` if there are none."""
        rows = [
            [
                *(one.name, one.method, one.data, one.steps, f"{one.size / 1e6:.1f}"),
                ", ".join(f"{name} {text}" for name, text in one.numbers.items()),
                one.extractor,
            ]
            for one in self.models
        ]
        return markdown_table([_HEADINGS, *rows]) if rows else ""

    def __str__(self) -> str:
        if not self.models:
            return (
                f"There are no models: they are in zoo/ of a clone, or in folders that {VARIABLE} "
                "names."
            )
        name = self.models[0].name
        return f"{self.table}\nTo draw samples: energy-gans sample --model {name}"


def models() -> ModelList:
    r"""Lists the trained models that --model NAME finds, with their numbers.

    They are in zoo/ of a clone, and in the folders that the variable ENERGY_GANS_ZOO names.

    Returns:
        The models.

    Raises:
        ValueError: If a file of a model is damaged.
    """
    return ModelList(tuple(_read(name, folder) for name, folder in zoo_models().items()))


def _read(name: str, folder: Path) -> ZooModel:
    r"""Returns what the files of an exported folder say of its model."""
    config = read_config(folder / CONFIG, "model")
    method = str(config["model"]["class_path"]).rpartition(".")[2]
    size = sum(path.stat().st_size for path in folder.iterdir() if path.is_file())
    stamped = folder / "metrics.json"
    numbers, extractor = (
        _stamped(stamped) if stamped.is_file() else (_logged(folder / "metrics.csv"), "")
    )
    data = data_name(config["data"])
    return ZooModel(name, folder, method, data, config["step"], size, numbers, extractor)


def _stamped(path: Path) -> tuple[dict[str, str], str]:
    r"""Returns the numbers that `evaluate` wrote, and the name of their extractor."""
    measures = read_metrics(str(path))
    numbers = {
        row.label: format_number(row.samples)
        + (f" ({format_number(row.real)})" if row.real else "")
        for name, number in measures.items()
        for row in comparisons(name, number)
        if row.samples and row.label in _SHOWN
    }
    # All numbers of an evaluation are in the features of one extractor.
    used = [number["protocol"]["extractor"] for number in measures.values()]
    names = [" ".join([one["name"], (one.get("sha256") or "")[:6]]).strip() for one in used]
    return numbers, names[0] if names else ""


def _logged(path: Path) -> dict[str, str]:
    r"""Returns the numbers of the last validation."""
    curves = read_curves(path) if path.is_file() else {}
    return {
        name.removeprefix("val/"): f"{values[-1]:.4g}"
        for name, (_, values) in curves.items()
        if name.startswith("val/")
    }
