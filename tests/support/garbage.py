"""What only the garbage collector would free: cycles that keep a request, its headers and its buffers in memory."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def uncollected() -> Iterator[Callable[[type[object]], list[object]]]:
    """No collection until the end of the block; inside it, what there has come to be of a type, and waits for one."""
    gc.collect()
    # What is frozen is not listed: others may hold objects of the type for good.
    gc.freeze()
    gc.disable()
    try:
        yield lambda kind: [one for one in gc.get_objects() if isinstance(one, kind)]
    finally:
        gc.enable()
        gc.unfreeze()
