r"""Tests for the energy_gans.callbacks.curves_picture module."""

from pathlib import Path

from energy_gans.storage.curves import read_curves


def test_a_row_that_was_cut_off_is_left_out(tmp_path: Path) -> None:
    table = "epoch,step,a,b\r\n0,1,0.5,\r\n0,2,,2.0\r\n0,3,0.25,4.0\r\n"
    whole = {"a": ([1.0, 3.0], [0.5, 0.25]), "b": ([2.0, 3.0], [2.0, 4.0])}
    path = tmp_path / "metrics.csv"
    path.write_bytes(table.encode())
    assert read_curves(path) == whole
    last = table.index("0,3")
    for end in range(last, len(table)):
        path.write_bytes(table[:end].encode())
        assert read_curves(path) == {"a": ([1.0], [0.5]), "b": ([2.0], [2.0])}
    path.write_bytes(b"epoch,step")
    assert read_curves(path) == {}
