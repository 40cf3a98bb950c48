"""What must hold of what real processes leave behind: every invariant of the simulation, and the log of all."""

from __future__ import annotations

from processes.record import history
from simulation.invariants import check

#: A message that ended so, or a request that failed so, has met a bug.
BUGS = {"message.crashed", "message.dead"}


def everything_wrong(left):
    """In words, one each."""
    found = history(left)
    assert found.effects, "nothing was asked of the PSP"
    return [*map(str, check(found)), *troubles(left.lines), *leaks(left)]


def troubles(lines):
    """[S15] No message dead, and no error that nobody has thought of."""
    for one in lines:
        if one["event"] in BUGS or "exception" in one:
            yield f"{one['process']} said: { {name: one[name] for name in one if name != 'timestamp'} }"


def leaks(left):
    """[X3] No token in what the processes say, and nothing that is no line of the log."""
    yield from (f"a log line tells a token: {one}" for one in map(str, left.lines) if "tok_" in one)
    yield from (f"no log line: {one}" for one in left.strays)
