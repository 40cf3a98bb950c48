"""What must hold of what real processes leave behind: two ledgers, the request log of the PSP, and the log of all."""

from __future__ import annotations

from processes.record import judge

#: A message that ended so, or a request that failed so, has met a bug.
BUGS = {"message.crashed", "message.dead"}


async def everything_wrong(stack, purchases, *, since):
    """In words, one each. `since` is the first log line that counts."""
    return [*await judge(stack, purchases), *troubles(stack.lines[since:]), *leaks(stack)]


def troubles(lines):
    """[S15] No message dead, and no error that nobody has thought of."""
    for one in lines:
        if one["event"] in BUGS or "exception" in one:
            yield f"{one['process']} said: { {name: one[name] for name in one if name != 'timestamp'} }"


def leaks(stack):
    """[X3] No secret and no token in what the processes say, and nothing that is no line of the log."""
    secrets = [value for name, value in stack.environment.items() if "SECRET" in name]
    text = [str(one) for one in stack.lines]
    yield from (f"a log line tells a secret: {one}" for one in text if any(secret in one for secret in secrets))
    yield from (f"a log line tells a token: {one}" for one in text if "tok_" in one)
    yield from (f"no log line: {one}" for one in stack.strays)
