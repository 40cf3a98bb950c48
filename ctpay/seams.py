"""The product's clock, ids and random numbers: made here, and handed down from here."""

from __future__ import annotations

import random
import uuid
from datetime import UTC, datetime
from typing import Final

from psp.seams import Draw

#: The jitter of retries; nothing secret hangs on it.
draw: Final[Draw] = random.random


def now() -> datetime:
    return datetime.now(UTC)


def new_id() -> str:
    return str(uuid.uuid4())
