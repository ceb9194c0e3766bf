r"""Tests for the energy_gans.commands.study.plan module."""

from pathlib import Path
from typing import Any

import pytest

from energy_gans.commands.study.plan import Cell, find_study, parse_cells, read_study
from energy_gans.terminal import printing

from .conftest import Workshop


def test_one_seed_of_everything_comes_first(workshop: Workshop) -> None:
    cells = read_study(workshop.file).cells()
    assert [str(cell) for cell in cells[:5]] == [
        "ring/one/seed_0",
        "ring/two/seed_0",
        "other/one/seed_0",
        "other/two/seed_0",
        "ring/one/seed_1",
    ]
    assert len(cells) == 8


@pytest.mark.parametrize("n", [1, 3, 8, 11])
def test_shares_are_all_cells_once(workshop: Workshop, n: int) -> None:
    study = read_study(workshop.file)
    shares = [parse_cells(study, f"{k}/{n}", None) for k in range(1, n + 1)]
    assert sorted(str(cell) for share in shares for cell in share) == sorted(
        map(str, study.cells())
    )
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


def test_methods_are_chosen_by_name(workshop: Workshop) -> None:
    study = read_study(workshop.file)
    assert parse_cells(study, "1/2", "two")[0] == Cell("ring", "two", 0)
    assert {cell.method for cell in parse_cells(study, None, "two")} == {"two"}
    with pytest.raises(ValueError, match="'tow' is not a method .*Did you mean 'two'"):
        parse_cells(study, None, "one,tow")


@pytest.mark.parametrize("only", ["0/2", "3/2", "1", "a/b", "1/0", "-1/2", "1/2/3", ""])
def test_shares_that_can_not_be_are_refused(workshop: Workshop, only: str) -> None:
    with pytest.raises(ValueError, match="'only' should be k/n"):
        parse_cells(read_study(workshop.file), only, None)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"sedes": [1]}, "'sedes' is not a key of .*Did you mean 'seeds'"),
        ({"seeds": []}, "should give 'seeds'"),
        ({"seeds": [1, 1]}, "'seeds' should be a list of unlike"),
        ({"seeds": ["a"]}, "'seeds' should be"),
        ({"methods": {}}, "should give 'methods'"),
        ({"methods": {"a/b": ["one.yaml"]}}, "names of letters"),
        ({"methods": {"..": ["one.yaml"]}}, "names of letters"),
        ({"methods": {"a": {"b": 1}}}, "'methods.a' should be a list"),
        ({"methods": ["a"]}, "'methods' should map"),
        ({"budget": {"updates": 3}}, "'budget' should be"),
        ({"budget": {"steps": 3, "seconds": 3}}, "'budget' should be"),
        ({"budget": {"steps": 2.5}}, "'budget.steps' should be a whole number"),
        ({"budget": {"seconds": -1}}, "'budget.seconds' should be at least 1"),
        ({"methods": {"real": ["one.yaml"]}}, "other than real"),
        ({"measures": {"a": "m", "b": "m"}}, "unlike columns"),
        ({"evaluate": {"out": "a"}}, "'evaluate' should leave out 'out'"),
        ({"samples": 0}, "'samples' should be at least 1"),
        ({"measures": ["a"]}, "'measures' should map"),
        ({"curves": {"a": 1}}, "'curves' should be a list"),
    ],
)
def test_files_that_say_something_else_are_refused(
    workshop: Workshop, change: dict[str, Any], message: str
) -> None:
    workshop.change(**change)
    with pytest.raises(ValueError, match=message):
        read_study(workshop.file)


def test_missing_files_are_named(workshop: Workshop) -> None:
    workshop.change(methods={"a": ["one.yaml", "none.yaml"]})
    with pytest.raises(FileNotFoundError, match="'methods.a' names the config .*none.yaml"):
        read_study(workshop.file)
    with pytest.raises(FileNotFoundError, match="should be a study file"):
        read_study(workshop.folder / "no.yaml")
    workshop.file.write_text("{")
    with pytest.raises(ValueError, match="is no YAML"):
        read_study(workshop.file)


def test_earlier_names_of_shipped_configs_are_resolved(
    workshop: Workshop, capsys: pytest.CaptureFixture
) -> None:
    new = workshop.folder / "configs/coulomb/ring.yaml"
    new.parent.mkdir(parents=True)
    new.write_text("{}")
    workshop.change(settings={"ring": ["base.yaml", "configs/coulomb_ring.yaml"]})
    workshop.change(methods={name: ["configs/coulomb_ring.yaml"] for name in ("a", "b")})
    with printing():
        study = read_study(workshop.file)
    assert study.settings == {"ring": [workshop.folder / "base.yaml", new]}
    assert study.methods == {"a": [new], "b": [new]}
    earlier = workshop.folder / "configs/coulomb_ring.yaml"
    assert capsys.readouterr().err == f"energy-gans: {earlier} is {new} now\n"


@pytest.mark.parametrize("name", ["mixtures", "studies/mixtures", "configs/studies/mixtures.yaml"])
def test_a_copy_of_a_shipped_study_names_its_configs_from_any_folder(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    shipped = find_study(name)
    copy = tmp_path / "own.yaml"
    copy.write_text(shipped.read_text())
    assert read_study(copy) == read_study(shipped)
    # A local file wins.
    (tmp_path / "mixtures").mkdir()
    (tmp_path / "mixtures/ring.yaml").write_text("{}")
    study = read_study(copy)
    assert study.settings["ring"] == [tmp_path / "mixtures/ring.yaml"]
    assert study.settings["grid"] == [shipped.parent / "mixtures/grid.yaml"]


def test_the_nearest_study_is_named() -> None:
    with pytest.raises(FileNotFoundError, match="none; did you mean studies/mixtures"):
        read_study(find_study("mixture"))
