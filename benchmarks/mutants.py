r"""Which mistakes the tests do not notice: mutants of the code that survive them.

::

    make mutants

changes `functional/` and `methods/` in one place at a time, runs the tests that call the changed
function, and counts the mutants with which a test fails. It takes hours. Each result is saved when
it comes, and a run that was stopped goes on::

    python -m benchmarks.mutants functional --processes 2   one room
    python -m benchmarks.mutants functional --only langevin   of some modules or functions
    python -m benchmarks.mutants methods --digits 37   a fifth of the mutants of each function
    python -m benchmarks.mutants functional --again   those that survived, after a change of tests
    python -m benchmarks.mutants functional --wide   those that survived, by tests of more rooms
    python -m benchmarks.mutants --table   the results so far, and the lines of survivors

mutmut makes the mutants and runs each in a fork of a process that has imported torch and the
tests, which takes 0.3 s instead of six. It works in copies of the tracked files in
`runs/mutants`. It does not mutate decorated functions, such as properties, and constants of
modules and classes; texts of errors are left out.

`mutants.yaml`, beside this file, lists mutants that no test here can fail on, with reasons: single
lines by function, and, under `everywhere`, patterns of text in which a line may change.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator
from configparser import ConfigParser
from fnmatch import fnmatchcase
from pathlib import Path
from typing import NamedTuple

import yaml

ROOT = Path(__file__).resolve().parents[1]
EXCUSES = Path(__file__).with_name("mutants.yaml")
# The tests that run first, and those that survivors meet with --wide.
TESTS = {"functional": ["functional"], "methods": ["methods"]}
WIDE = {
    "functional": ["functional", "fields", "methods", "metrics"],
    "methods": ["methods", "storage", "callbacks", "commands", "cli"],
}
# Tests of arguments that a constructor's caller gives: mutmut wraps constructors, whose arguments
# Lightning then does not find. And one of the line that a warning names, which is then mutmut's.
LEFT_OUT = (
    "tests/methods/bases/test_arguments.py::test_arguments_of_bases_are_handed_on",
    "tests/methods/bases/test_batch_reading.py::"
    "test_all_defaults_of_a_trainer_write_checkpoints_that_load",
    "tests/methods/bases/test_renamed.py::"
    "test_the_warning_is_of_the_line_that_reads_the_former_name",
    "tests/methods/test_python.py::test_a_run_made_in_python_is_loaded_with_its_networks",
)
# What mutmut's exit codes mean. With any other code, a test or the process failed.
STATES = {None: "not run", 2: "not run", 0: "survived", 5: "untested", 33: "untested"}
STATES |= dict.fromkeys((-24, 24, 36, 152, 255), "timeout")
COLUMNS = ("killed", "timeout", "survived", "untested", "excused", "not run")


class Mutant(NamedTuple):
    r"""A mutant: its name, the function that it changes, its state and its changed lines."""

    name: str
    function: str
    state: str
    before: str = ""
    after: str = ""


def prepare(folder: Path, room: str, tests: list[str]) -> None:
    r"""Copies the files of the repository that have changed, and writes mutmut's settings."""
    listed = ["git", "ls-files", "-co", "--exclude-standard"]
    files = subprocess.run(listed, cwd=ROOT, check=True, capture_output=True, text=True)
    for part in ("tests", "mutants/tests"):
        shutil.rmtree(folder / part, ignore_errors=True)
    for name in files.stdout.splitlines():
        source, target = ROOT / name, folder / name
        if source.is_file() and not (
            target.is_file() and target.read_bytes() == source.read_bytes()
        ):
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source, target)
    # mutmut reads setup.cfg where pyproject.toml has no settings for it.
    settings = {
        "source_paths": ["energy_gans"],
        "only_mutate": [f"energy_gans/{room}/*"],
        "also_copy": ["configs", "docs", "benchmarks", "README.md", "CHANGELOG.md", "setup.py"],
        "pytest_add_cli_args_test_selection": [f"tests/{test}" for test in tests],
        "pytest_add_cli_args": [
            *("-p", "no:cacheprovider"),
            *(f"--deselect={test}" for test in LEFT_OUT),
        ],
        # Texts of errors, which begin their lines.
        "do_not_mutate_patterns": [r"raise \w+", r'^\s*f?r?"'],
        "timeout_multiplier": ["3.0"],
        "timeout_constant": ["10.0"],
        "process_isolation": ["forkserver"],
        "track_dependencies": ["false"],
        "use_git_change_detection": ["false"],
    }
    parser = ConfigParser(interpolation=None)
    parser["mutmut"] = {key: "\n".join(value) for key, value in settings.items()}
    with (folder / "setup.cfg").open("w") as file:
        parser.write(file)


def mutate(folder: Path, processes: int, names: list[str]) -> None:
    r"""Runs mutants: the given ones, or all that have no result yet."""
    command = [sys.executable, "-m", "mutmut", "run", "--max-children", str(processes), *names]
    environment = os.environ | {"OMP_NUM_THREADS": "1"}
    subprocess.run(command, cwd=folder, env=environment, check=True)


def results(folder: Path) -> Iterator[Mutant]:
    r"""Yields the mutants of a folder, with the changed lines of those that are not killed."""
    for path in sorted((folder / "mutants").rglob("*.py.meta")):
        codes = json.loads(path.read_text())["exit_code_by_key"]
        source = path.with_suffix("").read_text().splitlines()
        for name, code in codes.items():
            mutant = Mutant(name, function_of(name), STATES.get(code, "killed"))
            if mutant.state in ("survived", "untested"):
                mutant = mutant._replace(**changed_lines(source, name.rpartition(".")[2]))
            yield mutant


def function_of(name: str) -> str:
    r"""Returns the path of a mutant's function, as `functional.langevin.annealed`."""
    module, _, function = name.partition("__mutmut_")[0].rpartition(".")
    parts = function.split("ǁ")[1:] if "ǁ" in function else [function.removeprefix("x_")]
    return ".".join([module.removeprefix("energy_gans."), *parts])


def changed_lines(source: list[str], mutant: str) -> dict[str, str]:
    r"""Returns the lines of the original and of a mutant in which they differ, each as one."""
    original = mutant.partition("__mutmut_")[0] + "__mutmut_orig"
    diff = list(difflib.ndiff(body(source, original), body(source, mutant)))
    return {
        key: " ".join(line[2:].strip() for line in diff if line.startswith(sign)).strip()
        for key, sign in (("before", "- "), ("after", "+ "))
    }


def body(source: list[str], name: str) -> list[str]:
    r"""Returns the lines of a function of a file of mutants, its name replaced."""
    start = next(i for i, line in enumerate(source) if f"def {name}(" in line)
    indent = len(source[start]) - len(source[start].lstrip())
    end = start + 1
    while end < len(source) and (
        not source[end].strip()
        or len(source[end]) - len(source[end].lstrip()) > indent
        or source[end].lstrip().startswith(")")
    ):
        end += 1
    return [source[start].replace(name, "f"), *source[start + 1 : end]]


def merged(folder: Path, room: str) -> list[Mutant]:
    r"""Returns the mutants of a room, where tests of more rooms may have killed some."""
    excuses = yaml.safe_load(EXCUSES.read_text())
    wide = {m.name: m.state for m in results(folder / f"{room}-wide")}
    mutants = []
    for mutant in results(folder / room):
        if mutant.state in ("survived", "untested"):
            if wide.get(mutant.name) in ("killed", "timeout"):
                mutant = mutant._replace(state=wide[mutant.name])
            elif excused(mutant, excuses):
                mutant = mutant._replace(state="excused")
        mutants.append(mutant)
    return mutants


def excused(mutant: Mutant, excuses: dict[str, dict[str, str]]) -> bool:
    r"""Returns whether a mutant's line is listed, or differs only where a pattern matches."""
    if mutant.after in excuses.get(mutant.function, {}):
        return True
    return any(
        re.sub(pattern, "", mutant.before) == re.sub(pattern, "", mutant.after)
        for pattern in excuses["everywhere"]
    )


def chosen(known: list[Mutant], args: argparse.Namespace) -> list[str] | None:
    r"""Returns the names or patterns of the mutants to run, none for all, or `None` to run none.

    mutmut runs mutants that it is given by name, or by a pattern, even if they have a result.
    """
    digits = f"mutmut_*[{args.digits}]" if args.digits else ""
    pattern = f"*{args.only}*{digits}"
    if not (args.again or args.wide):
        if not args.only and not digits:
            return []
        if not known:
            return [pattern]
    states = ("survived", "untested") if args.again or args.wide else ("not run",)
    names = [m.name for m in known if m.state in states and fnmatchcase(m.name, pattern)]
    return names or None


def table(folder: Path) -> str:
    r"""Returns a table of the rooms, and the changed lines of survivors."""
    rows, survivors = [], []
    for room in TESTS:
        mutants = merged(folder, room)
        if not mutants:
            continue
        counts = Counter(mutant.state for mutant in mutants)
        caught = counts["killed"] + counts["timeout"]
        valid = len(mutants) - counts["excused"] - counts["not run"]
        cells = [room, len(mutants), *(counts[c] for c in COLUMNS)]
        rows.append([*map(str, cells), f"{caught / max(valid, 1):.1%}"])
        survivors += [m for m in mutants if m.state in ("survived", "untested")]
    lines = [f"{m.function} ({m.state})\n- {m.before}\n+ {m.after}\n" for m in survivors]
    head = ["room", "mutants", *COLUMNS, "caught"]
    rows = [head, ["---"] * len(head), *rows]
    return "\n".join([*("| " + " | ".join(row) + " |" for row in rows), "", *lines])


def main() -> None:
    parser = argparse.ArgumentParser(description="Runs the tests on mutants of the package.")
    parser.add_argument("rooms", nargs="*", help=f"{', '.join(TESTS)}; all by default")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    parser.add_argument("--only", default="", help="a part of the names of modules or functions")
    parser.add_argument(
        "--digits", default="", help="last digits of the numbers of mutants to run"
    )
    parser.add_argument("--again", action="store_true", help="run survivors again")
    parser.add_argument("--wide", action="store_true", help="run survivors on tests of more rooms")
    parser.add_argument("--table", action="store_true", help="print the results so far")
    parser.add_argument("--folder", type=Path, default=ROOT / "runs" / "mutants")
    args = parser.parse_args()
    for room in [] if args.table else args.rooms or TESTS:
        names = chosen(merged(args.folder, room), args)
        if names is None:
            continue
        work = args.folder / (f"{room}-wide" if args.wide else room)
        work.mkdir(parents=True, exist_ok=True)
        prepare(work, room, (WIDE if args.wide else TESTS)[room])
        mutate(work, args.processes, names)
    print(table(args.folder))


if __name__ == "__main__":
    main()
