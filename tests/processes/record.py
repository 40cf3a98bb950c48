"""What real processes leave behind, as the history that the checker of the simulation reads.

It comes from the control APIs of the stand-ins after the fact. So there is less of it: nobody has watched the bus, and
the PSP tells of a request its key, which is the id of the transaction that it is for. `JUDGED` are the invariants that
this is enough for.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta

from simulation.invariants import INVARIANTS
from simulation.logs import MERCHANT, PSP, Call, Effect, Exchange, Fate, Genuine, History, Peer, Rules, Version, Wrote
from simulation.reading import Reading

#: S1-S3, S9: money. S4: reserved before it is asked. S6, S7: states only rise, nothing twice. L1: both sides agree.
#: L3: every webhook that was answered 200 is on the Payment. M1: the shopper pays once.
JUDGED = ("S1", "S2", "S3", "S4", "S6", "S7", "S9", "L1", "L3", "M1")

#: What is known of a run of real processes; no invariant of `JUDGED` asks for the rest.
_RULES = {
    "interface": "ctpay-sandbox",
    "key_lifetime": timedelta(days=1),
    "key_length_max": 255,
    "key_margin": timedelta(hours=1),
    "authorization_send_by": timedelta(minutes=15),
    "lease_max": timedelta(minutes=10),
    "action_within": timedelta(days=1),
    "event_patience": timedelta(days=1),
    "skew_max": timedelta(0),
    "attempts": {},
    "webhook_tolerance": timedelta(minutes=5),
}
#: In the order in which they happen where the clocks, which count in milliseconds, cannot tell.
_CARTS, _PAYMENTS, _CALLS, _EFFECTS, _WEBHOOKS = range(5)


async def judge(stack, purchases):
    """What is wrong by the checker, in words."""
    reading = Reading(await _record(stack, purchases))
    assert reading.asked, "nothing was asked of the PSP"
    return [str(violation) for name in JUDGED for violation in INVARIANTS[name](reading)]


async def _record(stack, purchases):
    payments = {payment for one in purchases for payment in one.ends}
    effects = [one for one in await stack.effects() if one["metadata"].get("payment_id") in payments]
    histories = [await stack.history(payment) for payment in payments]
    transactions = {one["id"] for versions in histories for one in versions[-1]["transactions"]}
    asked = [
        one for one in await stack.psp_requests() if one["key"] in transactions or one["path"].endswith("complete")
    ]
    carts = [await stack.cart(one.cart) for one in purchases]
    # One order of everything, by the one clock of this machine.
    happened = [
        *((_when(one["createdAt"]), _CARTS, _version, one) for one in carts),
        *((_when(one["lastModifiedAt"]), _PAYMENTS, _version, one) for versions in histories for one in versions),
        *((_when(one["at"]), _CALLS, _call, one) for one in asked),
        *((_when(one["at"]), _EFFECTS, _effect, one) for one in effects),
        *((_when(at), _WEBHOOKS, _webhook, event) for at, event in await _accepted(stack, payments)),
    ]
    happened.sort(key=lambda one: one[:2])
    found = {rank: [] for rank in (_CARTS, _PAYMENTS, _CALLS, _EFFECTS, _WEBHOOKS)}
    for n, (at, rank, make, one) in enumerate(happened):
        found[rank].append(make(n, at, one))
    first, last = happened[0][0], happened[-1][0]
    return History(
        seed=0,
        rules=Rules(project_key=stack.environment["CTP_PROJECT_KEY"], **_RULES),
        effects=tuple(found[_EFFECTS]),
        psp_payments={name: await stack.psp_payment(name) for name in {one["payment"] for one in effects}},
        calls=tuple(found[_CALLS]),
        payments=tuple(found[_PAYMENTS]),
        carts=tuple(found[_CARTS]),
        bus=(),
        exchanges=tuple(found[_WEBHOOKS]),
        lines=(),
        faults=(),
        crashes=(),
        merchants_wrote=tuple(
            Wrote(payment_id=versions[-1]["id"], transaction_id=one["id"])
            for versions in histories
            for one in versions[-1]["transactions"]
            if _is_by_hand(one, versions)
        ),
        strangers=frozenset(),
        untrue_events=frozenset(),
        canaries=frozenset(),
        started_at=first,
        faults_end=last,
        converged_at=last,
        ended_at=last,
        settled=True,
    )


async def _accepted(stack, payments):
    """The PSP's events about these Payments that the ingress has answered 200, and when."""
    found = await stack.psp_control("GET", "/events")
    accepted = {one["event"]: one["at"] for one in found["attempts"] if one["status"] == 200}
    return [
        (accepted[one["id"]], one)
        for one in found["data"]
        if one["id"] in accepted
        and (one["data"].get("payment_metadata") or one["data"]["metadata"]).get("payment_id") in payments
    ]


def _when(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def _version(n, at, document):
    author = document.get("lastModifiedBy", {}).get("clientId", MERCHANT)
    return Version(
        n=n, at=at, id=document["id"], version=document["version"], document=document,
        author=MERCHANT if author == "merchant" else author,
    )  # fmt: skip


def _is_by_hand(transaction, versions):
    born = next(one for one in versions if transaction["id"] in {each["id"] for each in one["transactions"]})
    return born.get("lastModifiedBy", {}).get("clientId") == "merchant"


def _call(n, at, entry):
    return Call(
        n=n, at=at, process="", peer=Peer.PSP, method=entry["method"], path=entry["path"], key=entry["key"], body=b"",
        document={"metadata": {"transaction_id": entry["key"]}},
        performed_n=n, performed_at=at, status=entry["status"], reply=None,
        fate=Fate.GONE if entry["status"] is None else Fate.ANSWERED, done_n=None, done_at=None, fault=None,
    )  # fmt: skip


def _effect(n, at, entry):
    return Effect(n=n, at=at, **{name: entry[name] for name in entry if name != "at"})


def _webhook(n, at, event):
    return Exchange(
        n=n, at=at, actor=PSP, process="", method="POST", path="/webhooks/sandbox", headers={}, key=None,
        body=json.dumps(event).encode(), status=200, answer=None, done_n=n, done_at=at, genuine=Genuine.YES,
    )  # fmt: skip
