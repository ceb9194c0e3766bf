r"""Tests for the energy_gans.commands.study.table and results modules."""

import csv
import json
from pathlib import Path

import pytest

from energy_gans.commands.study.plan import Cell, Study
from energy_gans.commands.study.results import Result, common_seconds
from energy_gans.commands.study.table import _Entry, write_tables

STUDY = Study(
    settings={"ring": []},
    methods={"slow": [], "fast": []},
    seeds=[0, 1],
    budget={"steps": 40},
    measures={"val/modes": "modes"},
    curves=["val/modes"],
)


def number(value: float | None, real: float = 0.5, n: int = 100) -> dict:
    protocol = {"extractor": {"name": "pixels"}, "n": n}
    return {"value": value, "protocol": protocol, "real": {"value": real, "protocol": protocol}}


def result(
    folder: Path, method: str, seed: int, rate: float, measures: dict | None = None
) -> Result:
    r"""Returns a cell with `step * (seed + 1)` at `rate * step` seconds, ten updates a step."""
    cell = Cell("ring", method, seed)
    run = folder / str(cell) / "run"
    run.mkdir(parents=True)
    rows = [f"{s - 1},{rate * s},\n{s - 1},,{s * (seed + 1)}" for s in (1, 2, 4)]
    (run / "metrics.csv").write_text("\n".join(["step,time/seconds,val/modes", *rows, ""]))
    left = {"last": {"val/modes": 4.0 * (seed + 1)}, "measures": measures or {}}
    left |= {"ms_per_step": 1000 * rate}
    left |= {"config": {"fit": {"model": {"init_args": {"updates_per_step": 10}}}}}
    return Result(cell, run.parent, "done", left)


def test_curves_are_over_updates_and_over_seconds(tmp_path: Path) -> None:
    one = result(tmp_path, "slow", 0, rate=3.0)
    assert one.curve("val/modes", "updates") == ([10, 20, 40], [1.0, 2.0, 4.0])
    assert one.curve("val/modes", "seconds") == ([3.0, 6.0, 12.0], [1.0, 2.0, 4.0])
    assert one.curve("val/none", "updates") is None
    # The curve is a straight line, so what lies between its points is known.
    assert one.at("val/modes", 7.5) == pytest.approx(2.5)
    assert one.at("val/modes", 2.9) is None
    assert one.at("val/modes", 12.1) is None


def test_steps_before_the_first_time_have_theirs_in_proportion(tmp_path: Path) -> None:
    one = result(tmp_path, "slow", 0, rate=3.0)
    # The first time is that of 8 steps, 24 s; the loss is logged after 2, 8 and 12 of them.
    rows = ["1,,0.5", "7,24.0,", "7,,0.4", "11,36.0,", "11,,0.2"]
    table = "\n".join(["step,time/seconds,train/loss", *rows, ""])
    (one.folder / "run" / "metrics.csv").write_text(table)
    assert one.curve("train/loss", "seconds") == ([6.0, 24.0, 36.0], [0.5, 0.4, 0.2])


def test_means_and_deviations_over_seeds(tmp_path: Path) -> None:
    results = [
        result(tmp_path, m, s, r) for m, r in (("slow", 2.0), ("fast", 1.0)) for s in (0, 1)
    ]
    write_tables(STUDY, results, tmp_path)
    lines = (tmp_path / "table.md").read_text().splitlines()
    # 4 and 8: the mean is 6 and the deviation sqrt(2^2 + 2^2).
    assert "| slow | 6 ± 2.8 | 200 ± 0 | 2 of 2 |" in lines
    assert "## ring: after 4 s of training, which all finished cells reached" in lines
    # After 4 s the slow one is at step 2 and the fast one at step 4, its last.
    assert "| slow | 3 ± 1.4 | 2 of 2 |" in lines
    assert "| fast | 6 ± 2.8 | 2 of 2 |" in lines
    assert common_seconds(results) == 4.0
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    timed = [row for row in rows if row["budget"] == "seconds 4" and row["method"] == "fast"]
    assert [(float(row["mean"]), row["seeds"]) for row in timed] == [(6.0, "2")]


def test_one_seed_has_no_deviation_and_failed_ones_are_counted(tmp_path: Path) -> None:
    failed = [Result(Cell("ring", "slow", s), tmp_path, "failed", {}) for s in (0, 1)]
    failed += [Result(Cell("ring", "fast", 1), tmp_path, "failed", {})]
    write_tables(STUDY, [result(tmp_path, "fast", 0, 1.0), *failed], tmp_path)
    lines = (tmp_path / "table.md").read_text().splitlines()
    assert "| slow |  |  | 0 of 2, failed (2 of 2) |" in lines
    assert "| fast | 4 | 100 | 1 of 2, failed (1 of 2) |" in lines


def test_nothing_finished_makes_an_empty_table(tmp_path: Path) -> None:
    write_tables(STUDY, [], tmp_path)
    assert "| fast |  |  | 0 of 2 |" in (tmp_path / "table.md").read_text()


def test_measures_stand_with_what_real_data_gives(tmp_path: Path) -> None:
    results = [
        result(tmp_path, "slow", 0, 1.0, {"fd": number(3.0), "support": number(None)}),
        result(tmp_path, "slow", 1, 1.0, {"fd": number(5.0), "support": number(1.0)}),
    ]
    write_tables(STUDY, results, tmp_path)
    lines = (tmp_path / "table.md").read_text().splitlines()
    heading, row = lines[2], lines[4]
    assert heading.startswith("|  | modes | fd (pixels, n=100) | support (pixels, n=100) |")
    assert row.startswith("| slow | 6 ± 2.8 | 4 ± 1.4 | inf |")
    assert "| *real data* |  | 0.5 | 0.5 |  |  |" in lines


def test_unlike_numbers_are_not_put_in_one_column(tmp_path: Path) -> None:
    results = [
        result(tmp_path, "slow", 0, 1.0, {"fd": number(3.0)}),
        result(tmp_path, "fast", 0, 1.0, {"fd": number(3.0, n=200)}),
    ]
    with pytest.raises(ValueError, match="can not stand in one column: n is 100 and 200"):
        write_tables(STUDY, results, tmp_path)


def test_infinite_values_have_no_deviation() -> None:
    entry = _Entry("ring", "slow", "steps 1", "fd", [1.0, float("inf")])
    assert entry.std is None
    assert entry.text() == "inf"
    assert json.loads(json.dumps(entry.row()))[-2:] == ["2", "0"]


def test_markov_chains_of_text_have_rows_of_their_own(tmp_path: Path) -> None:
    measures = {"js_4": number(0.3) | {"markov": {"order 1": 0.56, "order 2": 0.33}}}
    results = [result(tmp_path, method, 0, 1.0, measures) for method in STUDY.methods]
    write_tables(STUDY, results, tmp_path)
    table = (tmp_path / "table.md").read_text()
    assert "| *Markov, order 1* |  | 0.56 |" in table
    assert table.index("*real data*") < table.index("order 1") < table.index("order 2")
    with (tmp_path / "table.csv").open() as file:
        rows = {row["method"]: row for row in csv.DictReader(file) if "js_4" in row["measure"]}
    assert float(rows["Markov, order 2"]["mean"]) == 0.33
