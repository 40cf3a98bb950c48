"""Runs the tests against every mutant of every table: `make mutate`.

A row that can be dropped or swapped and no test minds is a row that nobody has proved. Survivors need an explanation in
`survivors.toml`; one without, or an explanation of what does not survive, fails the run.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import json
import os
import signal
import sys
import time
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from mutation.tables import Change, Mutant, mutants
from rich.console import Console
from rich.progress import Progress
from rich.table import Table

ROOT = Path(__file__).parents[2]
#: Room -> the tests that have to notice.
TESTS = {
    "psp": ["tests/psp", "tests/workers"],
    "ct": ["tests/ct", "tests/workers"],
    "bus": ["tests/bus", "tests/workers", "-k", "not pubsub and not server and not emulator"],
    "workers": ["tests/workers"],
    "handlers": ["tests/handlers"],
}
#: Seconds; a mutant that makes the tests hang is noticed too.
TIME_S = 180.0
EXPLAINED = Path(__file__).with_name("survivors.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Case:
    room: str
    path: Path
    mutant: Mutant

    @property
    def name(self) -> str:
        return f"{self.path.relative_to(ROOT)} {self.mutant.name}"

    @property
    def module(self) -> str:
        return ".".join(self.path.relative_to(ROOT).with_suffix("").parts)


class Changed(importlib.abc.MetaPathFinder, importlib.abc.InspectLoader):
    """Imports one module from another source."""

    def __init__(self, module: str, source: str) -> None:
        self._module, self._source = module, source

    def find_spec(self, fullname, path=None, target=None):
        return importlib.util.spec_from_loader(fullname, self) if fullname == self._module else None

    def get_source(self, fullname):
        return self._source

    def get_code(self, fullname):
        return compile(self._source, f"{fullname} (mutant)", "exec", dont_inherit=True)


def cases(rooms: list[str]) -> Iterator[Case]:
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            for mutant in mutants(path.read_text()):
                yield Case(room=room, path=path, mutant=mutant)


def unchanged(case: Case) -> Case:
    """The control: no change at all."""
    same = Mutant(table="nothing", row="", change=Change.SWAPPED, source=case.path.read_text())
    return Case(room=case.room, path=case.path, mutant=same)


def start(case: Case) -> int:
    """A child that exits with 0 if no test minds."""
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(ROOT)
    sys.meta_path.insert(0, Changed(case.module, case.mutant.source))
    import pytest  # noqa: PLC0415 - imported by the parent already

    options = ["-x", "-q", "-p", "no:cacheprovider", "-p", "no:schemathesis", "--timeout=60"]
    status = pytest.main([*TESTS[case.room], *options])
    os._exit(0 if status == 0 else 1)


def survivors(todo: list[Case], *, jobs: int, progress: Progress) -> list[Case]:
    survived: list[Case] = []
    running: dict[int, tuple[Case, float]] = {}
    bar = progress.add_task("mutants", total=len(todo))
    waiting = list(todo)
    while waiting or running:
        while waiting and len(running) < jobs:
            case = waiting.pop(0)
            running[start(case)] = (case, time.monotonic())
        child, status = os.waitpid(-1, os.WNOHANG)
        if child:
            case, _ = running.pop(child)
            if status == 0:
                survived.append(case)
            progress.advance(bar)
            continue
        for each, (_, began) in running.items():
            if time.monotonic() - began > TIME_S:
                os.killpg(each, signal.SIGKILL)
        time.sleep(0.02)
    return survived


def main(
    room: Annotated[list[str] | None, typer.Option(help="Only this room; may be repeated.")] = None,
    match: Annotated[str, typer.Option(help="Only mutants whose name contains this.")] = "",
    jobs: Annotated[int, typer.Option(help="Mutants at a time.")] = os.cpu_count() or 1,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
) -> None:
    """Drop and swap every row of every table. Example: make mutate, or `python -m mutation --room ct --match RANK`."""
    todo = [each for each in cases(room or list(TESTS)) if match in each.name]
    _warm()
    console = Console(stderr=True)
    with Progress(console=console) as progress:
        # Tests that fail without a change would notice everything.
        control = [unchanged(each) for each in {one.room: one for one in todo}.values()]
        if len(survivors(control, jobs=jobs, progress=progress)) < len(control):
            sys.exit("The tests fail on the code as it is: mend that first, then run this again.")
        found = survivors(todo, jobs=jobs, progress=progress)
    explained = tomllib.loads(EXPLAINED.read_text())
    whole = not match and not room
    stale = sorted(set(explained) - {each.name for each in found}) if whole else []
    unexplained = [each.name for each in found if each.name not in explained]
    if as_json:
        names = {each.name: explained.get(each.name) for each in found}
        sys.stdout.write(json.dumps({"mutants": len(todo), "survivors": names, "stale": stale}) + "\n")
    else:
        table = Table("survivor", "why that is right")
        for each in found:
            table.add_row(each.name, explained.get(each.name, "NOT EXPLAINED: add a test, or a line to survivors.toml"))
        for name in stale:
            table.add_row(name, "NO SURVIVOR ANY MORE: take its line out of survivors.toml")
        if table.row_count:
            Console().print(table)
        noticed = len(todo) - len(found)
        Console().print(f"{len(todo)} mutants of tables, {noticed} noticed, {len(unexplained)} unexplained.")
    sys.exit(1 if unexplained or stale else 0)


def _warm() -> None:
    """Import what is not ours once, before the forks."""
    import aiohttp.web  # noqa: PLC0415, F401
    import commercetools.platform.models  # noqa: PLC0415, F401
    import pydantic_settings  # noqa: PLC0415, F401
    import pytest  # noqa: PLC0415, F401
    import structlog  # noqa: PLC0415, F401


if __name__ == "__main__":
    typer.run(main)
