"""What a Sandbox Pay remembers over a restart: its books, the keys in use, and its events, in a file of its own.

A PSP that restarts keeps its ledger and forgets its connections, and so does this one. It writes at its orderly end
alone: a kill -9 is the end of everything that it knew. Faults on order are not kept.
"""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from pathlib import Path
from typing import Final

from sandbox.psp.house import House

#: Part of the house -> attributes that belong to the process and not to what it knows.
_OF_THE_PROCESS: Final[Mapping[str, frozenset[str]]] = {
    "books": frozenset({"terms", "new_id", "base_url", "_publish"}),
    "keys": frozenset({"_lifetime"}),
    "outbox": frozenset({"faults"}),
}


def keep(house: House, file: Path) -> None:
    """Write everything down. A crash on the way leaves the file as it was before."""
    parts = {
        part: {name: value for name, value in vars(getattr(house, part)).items() if name not in left_out}
        for part, left_out in _OF_THE_PROCESS.items()
    }
    fresh = file.with_name(f"{file.name}.new")
    fresh.write_bytes(pickle.dumps({**parts, "requests": tuple(house.requests)}))
    fresh.replace(file)


def recall(house: House, file: Path) -> None:
    """Know again what was written down; nothing where there is no file yet."""
    if not file.exists():
        return
    known = pickle.loads(file.read_bytes())  # noqa: S301 - only we write this file, on a developer's machine
    for part in _OF_THE_PROCESS:
        vars(getattr(house, part)).update(known[part])
    house.requests.extend(known["requests"])
