r"""`energy-gans study`: runs the cells of a study that are left, and draws up what there is."""

from __future__ import annotations

import signal
from collections import Counter
from pathlib import Path

from ...files import remove_stale
from ...interruption import signals_as_errors
from ...terminal import progress_bar
from .cells import check_same, locked, read_state, run_cell
from .configs import check_fair, resolved_config
from .pictures import write_pictures
from .plan import Cell, Study, parse_cells, read_study
from .results import results_of
from .table import write_tables
from .work import Work


def study(
    file: str,
    out: str | None = None,
    only: str | None = None,
    methods: str | None = None,
    retry: bool = False,
    dry_run: bool = False,
) -> None:
    r"""Trains several methods with several seeds each and compares them.

    Finished cells are not run again, so a study that was stopped goes on; several processes may share
    one folder. After each cell table.md, table.csv, curves.png and pictures of samples are written.

    Arguments:
        file: The study file.
        out: The folder of the study; runs/studies/NAME by default.
        only: Which share of the cells to run, k/n with k from 1 to n: for the jobs of an array.
        methods: The methods to run, with commas between them; all by default.
        retry: Whether cells that failed are run again.
        dry_run: Whether to check all, and to say what would be run, only.
    """
    path = Path(file)
    plan = read_study(path)
    cells = parse_cells(plan, only, methods)
    folder = Path(out) if out else Path("runs") / "studies" / path.stem
    works = checked_works(plan, folder, cells if retry else [])
    if dry_run:
        for cell in cells:
            print(f"{cell}: {read_state(folder / str(cell))[0]}")
        return
    states = run_cells(plan, [works[cell] for cell in cells], folder, retry)
    print((folder / "table.md").read_text(), end="")
    print(f"{', '.join(f'{n} {state}' for state, n in states.items())}: {folder}")


def run_cells(plan: Study, works: list[Work], folder: Path, retry: bool) -> Counter[str]:
    r"""Runs cells one after another, draws up what there is after each, and counts their states."""
    states: Counter[str] = Counter()
    # What schedulers send interrupts as Ctrl-C does.
    with signals_as_errors(signal.SIGTERM, signal.SIGHUP):
        for number, work in enumerate(works, 1):
            was = read_state(work.folder)[0]
            state = run_cell(work, retry)
            states[state] += 1
            print(f"[{number}/{len(works)}] {work.cell}: {told(work, state)}", flush=True)
            if state != was and state in ("done", "failed"):
                draw_up(plan, folder)
        draw_up(plan, folder)
    return states


def checked_works(plan: Study, folder: Path, retried: list[Cell]) -> dict[Cell, Work]:
    r"""Returns the work of every cell, once all configs are known to be good, fair and unchanged."""
    places = [(setting, method) for setting in plan.settings for method in plan.methods]
    with progress_bar(len(places), "configs", "reading", items=places) as bar:
        configs = {place: resolved_config(plan, *place, folder / "configs") for place in bar}
    for setting in plan.settings:
        check_fair(setting, {method: configs[setting, method] for method in plan.methods})
    works = {
        cell: Work(plan, cell, configs[cell.setting, cell.method], folder) for cell in plan.cells()
    }
    for cell, work in works.items():
        work.config()
        if not (cell in retried and read_state(work.folder)[0] == "failed"):
            check_same(work)
    return works


def told(work: Work, state: str) -> str:
    r"""Returns the state of a cell in words."""
    if state == "failed":
        left = read_state(work.folder)[1]
        return f"failed in {left['stage']}, {left['message']}"
    return {
        "locked": "another process runs it",
        "stopped": "stopped by another process, to be run again",
    }.get(state, state)


def draw_up(plan: Study, folder: Path) -> None:
    r"""Writes tables and pictures of all cells that are finished, one process at a time."""
    with locked(folder / "tables.lock", wait=True):
        remove_stale(folder)
        results = results_of(plan, folder)
        write_tables(plan, results, folder)
        write_pictures(plan, results, folder)
