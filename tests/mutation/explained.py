"""Survivors held against their explanations in `survivors.toml`, and told as a table or as JSON."""

from __future__ import annotations

import json
import sys
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table
from rich.text import Text

EXPLAINED = Path(__file__).with_name("survivors.toml")


@dataclass(frozen=True, kw_only=True, slots=True)
class Run:
    """What one run came to."""

    #: The part of `survivors.toml`.
    part: str
    mutants: int
    survivors: Sequence[str]
    #: Whether nothing was left out, so that explanations of what does not survive are stale.
    whole: bool

    @property
    def score(self) -> float:
        """In per cent; the explained ones count as not noticed too."""
        return 100 * (1 - len(self.survivors) / self.mutants) if self.mutants else 100.0


def report(run: Run, *, as_json: bool) -> bool:
    """Whether every survivor is explained and every explanation is of a survivor."""
    explained: dict[str, str] = tomllib.loads(EXPLAINED.read_text()).get(run.part, {})
    stale = sorted(set(explained) - set(run.survivors)) if run.whole else []
    unexplained = [name for name in run.survivors if name not in explained]
    if as_json:
        names = {name: explained.get(name) for name in run.survivors}
        told = {"mutants": run.mutants, "score": round(run.score, 1), "survivors": names, "stale": stale}
        sys.stdout.write(json.dumps(told, ensure_ascii=False) + "\n")
    else:
        _print(run, explained, stale)
    return not unexplained and not stale


def _print(run: Run, explained: dict[str, str], stale: Sequence[str]) -> None:
    console = Console()
    table = Table("survivor", "why that is right")
    for name in run.survivors:
        table.add_row(Text(name), explained.get(name, "NOT EXPLAINED: add a test, or a line to survivors.toml"))
    for name in stale:
        table.add_row(Text(name), "NO SURVIVOR ANY MORE: take its line out of survivors.toml")
    if table.row_count:
        console.print(table)
    noticed = run.mutants - len(run.survivors)
    unexplained = sum(name not in explained for name in run.survivors)
    console.print(
        f"{run.mutants} mutants of {run.part}, {noticed} noticed ({run.score:.1f} %), "
        f"{len(run.survivors)} survived, {unexplained} of them unexplained."
    )
