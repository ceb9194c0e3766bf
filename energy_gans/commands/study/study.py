r"""`energy-gans study`: runs the unfinished cells of a study and summarises the finished ones."""

from __future__ import annotations

import os
import signal
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ...checks import Names
from ...files import remove_stale
from ...interruption import SignalError, requeue_job, signals_as_errors
from ...terminal import progress_bar, say
from ..results import Result as CommandResult
from .cells import check_same, lock_file, read_state, run_cell
from .configs import check_fair, resolved_config
from .job import Job
from .pictures import write_pictures
from .plan import Cell, Study, find_study, parse_cells, read_study
from .results import Result, read_results
from .table import write_tables


@dataclass(frozen=True, repr=False, eq=False)
class StudyResults(CommandResult):
    r"""What a study has found so far.

    Arguments:
        folder: The folder of the study, with table.md, table.csv and pictures.
        table: The means and deviations over seeds, in Markdown; empty without finished cells or
            in a dry run.
        states: The state of each cell that this process was to run, by the name of the cell:
            `"done"`, `"failed"`, `"stopped"` or `"locked"`, and in a dry run also `"half"` or
            `"new"`.
        cells: The states and the numbers of all cells of the study; none in a dry run.
    """

    folder: Path
    table: str
    states: dict[str, str]
    cells: list[Result]

    def __str__(self) -> str:
        if not self.cells:
            return "\n".join(f"{name}: {state}" for name, state in self.states.items())
        counts = Counter(self.states.values()).items()
        return f"{self.table}{', '.join(f'{n} {state}' for state, n in counts)}: {self.folder}"


def study(
    file: str | os.PathLike,
    out: str | os.PathLike | None = None,
    only: str | None = None,
    methods: Names | None = None,
    retry: bool = False,
    dry_run: bool = False,
) -> StudyResults:
    r"""Trains several methods with several seeds each and compares them.

    Finished cells are not run again, so a study that was stopped continues. Several processes may
    share one folder. After each cell, table.md, table.csv, curves.png and pictures of samples are
    written.

    Arguments:
        file: The study file, or the name of a shipped one, such as mixtures.
        out: The folder of the study; runs/studies/NAME by default.
        only: The share of the cells to run, k/n with k from 1 to n, for the jobs of an array.
        methods: The methods to run, separated by commas or in a list; all by default.
        retry: Whether failed cells are run again.
        dry_run: Whether to only check all configs and give the state of each cell.

    Returns:
        The table, the state of each cell, and the results of those that are finished.

    Raises:
        ValueError: If the study, a config or an argument is wrong.
        OSError: If there is no such file.
    """
    path = find_study(file)
    plan = read_study(path)
    cells = parse_cells(plan, only, methods)
    folder = Path(out) if out else Path("runs") / "studies" / path.stem
    jobs = _check_configs(plan, folder, cells if retry else [])
    if dry_run:
        found = {str(cell): read_state(folder / str(cell))[0] for cell in cells}
        return StudyResults(folder, "", found, [])
    states = _run_cells(plan, [jobs[cell] for cell in cells], folder, retry)
    table = (folder / "table.md").read_text()
    return StudyResults(folder, table, states, read_results(plan, folder))


def _run_cells(plan: Study, jobs: list[Job], folder: Path, retry: bool) -> dict[str, str]:
    r"""Runs cells one after another, writes the summary after each, and returns their states."""
    states: dict[str, str] = {}
    with _interrupted_by_schedulers():
        for number, job in enumerate(jobs, 1):
            was = read_state(job.folder)[0]
            state = run_cell(job, retry)
            states[str(job.cell)] = state
            say(f"[{number}/{len(jobs)}] {job.cell}: {_describe_state(job, state)}")
            if state != was and state in ("done", "failed"):
                _write_summary(plan, folder)
        _write_summary(plan, folder)
    return states


@contextmanager
def _interrupted_by_schedulers() -> Iterator[None]:
    r"""Lets the signals of schedulers interrupt a study like Ctrl-C.

    SIGUSR1 announces the end of a job's time to a job of SLURM, which is then asked for again.
    """
    ends = [signal.SIGUSR1] if "SLURM_JOB_ID" in os.environ else []
    try:
        with signals_as_errors(signal.SIGTERM, signal.SIGHUP, *ends):
            yield
    except SignalError as error:
        if error.number in ends:
            say(requeue_job())
        raise


def _check_configs(plan: Study, folder: Path, retried: list[Cell]) -> dict[Cell, Job]:
    r"""Returns the jobs of all cells after checking their configs."""
    places = [(setting, method) for setting in plan.settings for method in plan.methods]
    with progress_bar(len(places), "configs", "reading", items=places) as bar:
        configs = {place: resolved_config(plan, *place, folder / "configs") for place in bar}
    for setting in plan.settings:
        check_fair(setting, {method: configs[setting, method] for method in plan.methods})
    jobs = {
        cell: Job(plan, cell, configs[cell.setting, cell.method], folder) for cell in plan.cells()
    }
    for cell, job in jobs.items():
        job.config()
        if not (cell in retried and read_state(job.folder)[0] == "failed"):
            check_same(job)
    return jobs


def _describe_state(job: Job, state: str) -> str:
    r"""Returns a description of the state of a cell."""
    if state == "failed":
        left = read_state(job.folder)[1]
        return f"failed in {left['stage']}, {left['message']}"
    return {
        "locked": "another process runs it",
        "stopped": "stopped by another process, to be run again",
    }.get(state, state)


def _write_summary(plan: Study, folder: Path) -> None:
    r"""Writes tables and pictures of all finished cells, one process at a time."""
    with lock_file(folder / "tables.lock", wait=True):
        remove_stale(folder)
        results = read_results(plan, folder)
        write_tables(plan, results, folder)
        write_pictures(plan, results, folder)
