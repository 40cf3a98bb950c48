"""Judges a run of mutmut: `make mutate`, after `mutmut run`.

mutmut numbers its mutants, and the numbers move with every edit. Here a mutant is named by its module, its function and
what was changed, so that an explanation stays valid as long as the line that it is about.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Annotated

import typer
from mutation.explained import Run, report
from mutmut.mutation.diff_apply import get_diff_for_mutant
from mutmut.stats import status_by_exit_code

ROOT = Path(__file__).parents[2]
#: Where mutmut leaves what it found.
FOUND = ROOT / "mutants"
#: In per cent.
SCORE_MIN = 90.0
NOTICED = frozenset({"killed", "timeout"})


def results() -> Iterator[tuple[str, Path, str]]:
    """Each mutant's name, source and end. Everything but `NOTICED` counts as survived, untested ones too."""
    for meta in sorted(FOUND.rglob("*.meta")):
        source = meta.relative_to(FOUND).with_suffix("")
        for name, code in json.loads(meta.read_text())["exit_code_by_key"].items():
            yield name, source, status_by_exit_code[code]


def lasting_name(mutant: str, source: Path) -> str:
    """For example `ct/folds.py held: a < b -> a <= b`."""
    mangled = mutant.rpartition(".")[2].rpartition("__mutmut_")[0]
    function = mangled.removeprefix("xǁ").removeprefix("x_").replace("ǁ", ".")
    lines = get_diff_for_mutant(mutant, path=source).splitlines()
    before = " ".join(line[1:].strip() for line in lines if line.startswith("-") and not line.startswith("---"))
    after = " ".join(line[1:].strip() for line in lines if line.startswith("+") and not line.startswith("+++"))
    return f"{source} {function}: {before} -> {after}"


def main(
    as_json: Annotated[bool, typer.Option("--json", help="One JSON document instead of a table.")] = False,
) -> None:
    """Hold mutmut's survivors against their explanations. Example: make mutate"""
    found = list(results())
    if not found:
        sys.exit("mutmut has left nothing to judge: run `mutmut run` first.")
    survivors = [lasting_name(name, source) for name, source, end in found if end not in NOTICED]
    run = Run(part="functions", mutants=len(found), survivors=sorted(survivors), whole=True)
    is_explained = report(run, as_json=as_json)
    if run.score < SCORE_MIN:
        sys.exit(f"The score of functions is below {SCORE_MIN:.0f} %: add tests.")
    sys.exit(0 if is_explained else 1)


if __name__ == "__main__":
    typer.run(main)
