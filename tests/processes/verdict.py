"""What must hold of what real processes leave behind: two ledgers, the request log of the PSP, and the log of all.

Names in brackets are those of the invariants that the simulation checks in the same words.
"""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from support.audit import audit

#: States only rise; no story here has what undoes a success.
RANKS = ("Initial", "Pending", "Failure", "Success")
#: What takes money from a shopper, and what gives it back.
SIGNS = {"authorization": 1, "cancel": -1, "refund": -1}
#: A message that ended so, or a request that failed so, has met a bug.
BUGS = {"message.crashed", "message.dead", "courier.died"}


async def everything_wrong(stack, purchases, *, since):
    """In words, one each. `since` is the first log line that counts."""
    ends = {payment for one in purchases for payment in one.ends}
    effects = await stack.effects()
    ours = [one for one in effects if one["metadata"].get("payment_id") in ends]
    histories = {payment: await stack.history(payment) for payment in ends}
    requests = await stack.psp_requests()
    return [
        *audit([versions[-1] for versions in histories.values()], ours),
        *(fault for versions in histories.values() for fault in fallen(versions)),
        *called_before_reserved(requests, histories),
        *(fault for one in purchases for fault in charged_too_much(one, ours)),
        *troubles(stack.lines[since:]),
        *leaks(stack),
    ]


def fallen(versions):
    """[S6] Along the versions of a Payment no transaction goes back."""
    last = {}
    for version in versions:
        for one in version["transactions"]:
            before = last.get(one["id"], one["state"])
            if RANKS.index(one["state"]) < RANKS.index(before):
                yield f"{one['type']} {one['id']} fell from {before} to {one['state']} in version {version['version']}"
            last[one["id"]] = one["state"]
        gone = last.keys() - {one["id"] for one in version["transactions"]}
        if gone:
            yield f"{version['id']} lost {gone} in version {version['version']}"


def called_before_reserved(requests, histories):
    """[S4] What moves money at the PSP stood on a Payment before; the key is the transaction's id."""
    since = {
        one["id"]: datetime.fromisoformat(version["lastModifiedAt"])
        for versions in histories.values()
        for version in reversed(versions)
        for one in version["transactions"]
    }
    for request in requests:
        at, key = datetime.fromisoformat(request["at"]), request["key"]
        if key in since and at < since[key]:
            yield f"{request['path']} was asked at {at} and reserved at {since[key]}"


def charged_too_much(purchase, effects):
    """The promise itself: after all that happened to one cart, its shopper has paid it at most once."""
    kinds = Counter()
    for one in effects:
        if one["metadata"]["payment_id"] in purchase.ends:
            kinds[one["kind"]] += one["amount"]
    paid = sum(SIGNS.get(kind, 0) * amount for kind, amount in kinds.items())
    if paid > purchase.total:
        yield f"{purchase.name} paid {paid} for a cart of {purchase.total}: {dict(kinds)}"


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
