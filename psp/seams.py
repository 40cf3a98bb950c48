"""The seams: what a process gets from its composition root so that tests can run the whole product on virtual time.

Nothing below the composition root reads a clock, makes an id or draws a random number by itself. The other seams are
the aiohttp connector and the bus interface.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import TypeAlias

#: The present moment, always with a time zone (UTC).
Clock: TypeAlias = Callable[[], datetime]

#: A fresh unique id: letters, digits and dashes, at most 36 characters.
NewId: TypeAlias = Callable[[], str]

#: Runs something that may never return, and returns when it has: nothing else of the process waits for it.
Aside: TypeAlias = Callable[[Callable[[], object]], Awaitable[None]]

#: A number in [0, 1): the jitter of retries.
Draw: TypeAlias = Callable[[], float]
