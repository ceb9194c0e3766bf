r"""Tests for the energy_gans.commands.compare module."""

import csv
import json
from pathlib import Path

import pytest

from energy_gans.cli import main


def number(value: float | None, n: int = 100, sha256: str = "a", **more: object) -> dict:
    protocol = {"extractor": {"name": "pixels", "sha256": sha256}, "n": n}
    real = {"value": 0.5, "protocol": protocol | {"samples": {"split": "val"}}}
    return {"value": value, "real": real, "protocol": protocol, **more}


def apart(value: float, matched: float | None, n: int, reference_n: int | None = None) -> dict:
    r"""Returns a number whose real images have another protocol."""
    found = number(value)
    protocol = found["real"]["protocol"] | {"n": n}
    if reference_n is not None:
        protocol["reference"] = {"n": reference_n}
    found["real"]["protocol"] = protocol
    if matched is not None:
        found["real"]["matched"] = {"value": matched}
    return found


def written(folder: Path, name: str, **measures: dict) -> str:
    path = folder / name / "metrics.json"
    path.parent.mkdir()
    path.write_text(json.dumps({"measures": measures, "origin": {}}))
    return str(path)


def test_a_row_for_each_run_and_one_for_real_data(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    a = written(tmp_path, "a", fd=number(1.25), kid=number(0.001, std=0.0002))
    b = written(tmp_path, "b", fd=number(3.0), support=number(None, low=1000.0))
    main(["compare", a, b, "--out", str(tmp_path / "table.csv")])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2:] == [
        f"| {a} | 1.25 | 0.001 ± 0.0002 |  |",
        f"| {b} | 3 |  | > 1000 |",
        "| real | 0.5 | 0.5 | 0.5 |",
    ]
    assert lines[0] == "|  | fd (pixels, n=100) | kid (pixels, n=100) | support (pixels, n=100) |"
    with (tmp_path / "table.csv").open(newline="") as file:
        rows = list(csv.reader(file))
    assert rows[1] == [a, "1.25", "0.001 ± 0.0002", ""]
    main(["compare", a, b, "--measures", "kid", "--out", str(tmp_path / "table.md")])
    assert (tmp_path / "table.md").read_text().splitlines()[0] == "|  | kid (pixels, n=100) |"


@pytest.mark.parametrize(
    ("other", "words"),
    [({"n": 200}, "n is 100 and 200"), ({"sha256": "b"}, "extractor.sha256 is 'a' and 'b'")],
)
def test_unlike_numbers_are_not_put_in_one_column(
    tmp_path: Path, other: dict, words: str, capsys: pytest.CaptureFixture
) -> None:
    a = written(tmp_path, "a", fd=number(1.0), kid=number(1.0))
    b = written(tmp_path, "b", fd=number(1.0, **other), kid=number(1.0))
    with pytest.raises(SystemExit, match="can not stand in one column") as error:
        main(["compare", a, b])
    assert words in str(error.value)
    assert a in str(error.value)
    assert b in str(error.value)
    main(["compare", a, b, "--measures", "kid"])
    assert "kid" in capsys.readouterr().out


def test_real_images_are_never_shown_under_the_number_of_others(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    a = written(tmp_path, "a", fd=apart(1.0, 11.0, 60, 70))
    b = written(tmp_path, "b", fd=apart(2.0, 12.0, 60, 70))
    main(["compare", a, b])
    assert capsys.readouterr().out.splitlines() == [
        "|  | fd (pixels, n=100) | fd (pixels, n=60, reference n=70) |",
        "|---|---|---|",
        f"| {a} | 1 | 11 |",
        f"| {b} | 2 | 12 |",
        "| real |  | 0.5 |",
    ]


def test_files_of_earlier_versions_have_no_number_to_match(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    a = written(tmp_path, "a", fd=apart(1.0, None, 60))
    main(["compare", a])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "|  | fd (pixels, n=100) | fd (pixels, n=60) |"
    assert lines[2:] == [f"| {a} | 1 |  |", "| real |  | 0.5 |"]


def test_real_images_of_unlike_protocols_are_left_out(
    tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    a = written(tmp_path, "a", fd=apart(1.0, 11.0, 60))
    b = written(tmp_path, "b", fd=apart(2.0, 12.0, 61))
    main(["compare", a, b])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0] == "|  | fd (pixels, n=100) |"
    assert lines[-1] == "| real |  |"


# What real images give, without a protocol.
REAL = '{"measures": {"fd": {"value": 1, "protocol": {}, "real": {"value": 1}}}}'


@pytest.mark.parametrize("content", ["{", "[]", '{"measures": {"fd": 1}}', '{"a": 1}', REAL])
def test_other_files_are_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "a.json").write_text(content)
    with pytest.raises(SystemExit, match="was not written by"):
        main(["compare", str(tmp_path / "a.json")])
    with pytest.raises(SystemExit, match="is none"):
        main(["compare", str(tmp_path / "b.json")])


def test_unknown_columns_and_endings_are_refused(tmp_path: Path) -> None:
    a = written(tmp_path, "a", fd=number(1.0))
    with pytest.raises(SystemExit, match="got 'fid'"):
        main(["compare", a, "--measures", "fid"])
    with pytest.raises(SystemExit, match="should end in"):
        main(["compare", a, "--out", "table.txt"])
    with pytest.raises(SystemExit):
        main(["compare"])
