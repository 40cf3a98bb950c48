"""Where a comparison stands, in a file: one line for each page, so that what was done before an end is not done again.

A line that was cut off by a crash does not count: its page is done once more, which is harmless.
"""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from pydantic import TypeAdapter, ValidationError

from workers.reconcile_lists import Leaf, Repair

_LEAF: Final[TypeAdapter[Leaf]] = TypeAdapter(Leaf)


class ForeignFileError(Exception):
    """The file is not of this comparison. The text says what to do."""


@dataclass(frozen=True, kw_only=True, slots=True)
class About:
    """What a comparison is about: only the same one may go on from a file."""

    project_key: str
    psp: str
    since: datetime
    until: datetime
    repair: Repair
    #: What changed within this was left alone.
    rested: timedelta


_ABOUT: Final[TypeAdapter[About]] = TypeAdapter(About)


class Progress:
    """The file of one comparison; made at its first page, and removed at its end."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def read(self) -> tuple[About, list[Leaf]] | None:
        """What the file is about and the pages in it; None where there is no file. Raises ForeignFileError, OSError."""
        if not self._path.exists():
            return None
        first, *lines = self._path.read_bytes().split(b"\n")
        try:
            about = _ABOUT.validate_json(first)
        except ValidationError:
            raise ForeignFileError(
                f"{self._path} is no file of a comparison. Name another, or remove it to begin anew."
            ) from None
        leaves: list[Leaf] = []
        with contextlib.suppress(ValidationError):
            # What follows a line that was cut off was written by nobody.
            leaves.extend(_LEAF.validate_json(line) for line in lines if line)
        return about, leaves

    def begin(self, about: About, leaves: list[Leaf]) -> None:
        """Write the file anew, with these pages in it, in one step. Raises OSError."""
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.write_bytes(b"".join(_line(each) for each in (_ABOUT.dump_json(about), *map(_LEAF.dump_json, leaves))))
        beside.replace(self._path)

    def turn(self, leaf: Leaf) -> None:
        """Add a page. Raises OSError."""
        with self._path.open("ab") as file:
            file.write(_line(_LEAF.dump_json(leaf)))

    def end(self) -> None:
        """There is nothing left to go on with. Raises OSError."""
        self._path.unlink(missing_ok=True)


def _line(text: bytes) -> bytes:
    return json.dumps(json.loads(text), separators=(",", ":")).encode() + b"\n"
