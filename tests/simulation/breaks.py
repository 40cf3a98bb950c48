"""What ends a run before it is over: it is told of this run, and the others go on."""

from __future__ import annotations

import asyncio
import traceback
from pathlib import Path
from typing import Final

from simulation.loop import StalledError

#: Whatever anybody in a run may raise: the world, an actor, the checker. Who presses Ctrl-C means all of them.
BREAKS: Final = (Exception, asyncio.CancelledError, SystemExit)


def told(error: BaseException) -> str:
    """A line for people: what it is and where it comes from."""
    if isinstance(error, StalledError):
        return f"endless: {error}"
    place = traceback.extract_tb(error.__traceback__)[-1]
    return f"broke: {type(error).__name__}: {error} ({Path(place.filename).name}, line {place.lineno})"
