"""Runs the tests against every mutant of every table: `make mutate`.

Each mutant meets the few test files that are most about its module first, and the room's others only where those did
not mind. Each time it is a child of a process that has imported the third parties already.

A row that can be dropped or swapped and no test minds is a row that nobody has proved. Survivors need an explanation in
`survivors.toml`; one without, or an explanation of what does not survive, fails the run.
"""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import os
import re
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from mutation.explained import Run, report
from mutation.tables import Mutant, mutants
from rich.console import Console
from rich.progress import Progress

ROOT = Path(__file__).parents[2]
#: Room -> where the tests are that have to notice, the ones that see most first.
TESTS = {
    "psp": ["tests/workers", "tests/psp"],
    "ct": ["tests/workers", "tests/ct"],
    "workers": ["tests/workers"],
    "bus": ["tests/workers", "tests/bus"],
    "handlers": ["tests/handlers"],
    "enabler": ["tests/enabler"],
    "ctpay": ["tests/ctpay"],
}
#: Met by tests of real processes alone, which run the code as it is whatever is changed in this one.
BY_PROCESSES = frozenset({"ctpay/run.py", "ctpay/stories.py"})
OPTIONS = ["-x", "-q", "-m", "not emulator", "-p", "no:cacheprovider", "-p", "no:schemathesis", "--timeout=60"]
#: As many test files meet a mutant before the others do.
NEAREST = 4
#: Seconds; a mutant that makes the tests hang is noticed too.
TIME_S = 600.0


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

    @property
    def stages(self) -> list[list[Path]]:
        """The test file that is most about the module, then a few that are about it too, then the room's others."""
        package, _, name = self.module.rpartition(".")
        imported = re.compile(rf"(from {self.module} |import {self.module}\b|from {package} import .*\b{name}\b)")
        files = [each for place in TESTS[self.room] for each in sorted((ROOT / place).glob("test_*.py"))]
        naming = [each for each in files if imported.search(each.read_text())]
        # Who imports little beside it is about it.
        about = sorted(naming, key=lambda each: each.read_text().count("\nfrom "))[:NEAREST]
        return [some for some in (about[:1], about[1:], [each for each in files if each not in about]) if some]


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
            if path.relative_to(ROOT).as_posix() in BY_PROCESSES:
                continue
            for mutant in mutants(path.read_text()):
                yield Case(room=room, path=path, mutant=mutant)


def start(case: Case | None, files: list[Path]) -> int:
    """A child that exits with 0 if no test minds. No case: the code as it is."""
    child = os.fork()
    if child:
        return child
    os.setpgid(0, 0)
    quiet = os.open(os.devnull, os.O_RDWR)
    os.dup2(quiet, 1)
    os.dup2(quiet, 2)
    os.chdir(ROOT)
    if case is not None:
        sys.meta_path.insert(0, Changed(case.module, case.mutant.source))
    import pytest  # noqa: PLC0415 - imported by the parent already

    status = pytest.main([*map(str, files), *OPTIONS])
    # 5: none of the tests was for this machine.
    os._exit(0 if status in {0, 5} else 1)


def is_sound(rooms: list[str]) -> bool:
    """Whether the tests pass without a change. If not, they would notice everything."""
    places = dict.fromkeys(place for room in rooms for place in TESTS[room])
    child = start(None, [ROOT / place for place in places])
    return os.waitpid(child, 0)[1] == 0


def survivors(todo: list[Case], *, jobs: int, progress: Progress) -> list[Case]:
    survived: list[Case] = []
    #: Child -> its case, the stages after this one, and when it began.
    running: dict[int, tuple[Case, list[list[Path]], float]] = {}
    bar = progress.add_task("mutants", total=len(todo))
    waiting = [(case, case.stages) for case in reversed(todo)]
    while waiting or running:
        while waiting and len(running) < jobs:
            case, (files, *later) = waiting.pop()
            running[start(case, files)] = (case, later, time.monotonic())
        child, status = os.waitpid(-1, os.WNOHANG)
        if child:
            case, later, _ = running.pop(child)
            if status == 0 and later:
                waiting.append((case, later))
                continue
            if status == 0:
                survived.append(case)
                progress.console.print(f"survived: {case.name}", markup=False, soft_wrap=True)
            progress.advance(bar)
            continue
        for each, (_, _, began) in running.items():
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
        if not is_sound(room or list(TESTS)):
            sys.exit("The tests fail on the code as it is: mend that first, then run this again.")
        found = survivors(todo, jobs=jobs, progress=progress)
    run = Run(part="tables", mutants=len(todo), survivors=[each.name for each in found], whole=not match and not room)
    sys.exit(0 if report(run, as_json=as_json) else 1)


def _warm() -> None:
    """Import what is not ours once, before the forks, and let them share what is compiled."""
    sys.dont_write_bytecode = False
    for name in (
        "aiohttp.web",
        "commercetools.platform.models",
        "google.cloud.pubsub_v1",
        "jsonschema",
        "jwt",
        "pydantic_settings",
        "pytest",
        "rich",
        "structlog",
        "typer",
    ):
        importlib.import_module(name)


if __name__ == "__main__":
    typer.run(main)
