"""What real processes leave behind, as the history that the checker of the simulation reads.

Calls, requests and messages are what the watcher in the doorways saw; money, versions and the log come from the PSP,
from commercetools and from the processes afterwards. Those tell milliseconds: a version stands at its time, and never
before the request that wrote it was sent.
"""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from processes.cards import kept_cards, with_their_ends
from processes.journal import Journal, place
from simulation.logs import MERCHANT, Effect, Happening, History, LogLine, Peer, Rules, Version, Wrote

from bus.topics import POLICIES
from ctpay.settings import Limits
from psp.sandbox.reads import CAPABILITIES
from psp.signature import TOLERANCE
from workers.work import Limits as Waits


@dataclass(kw_only=True)
class Left:
    """What is left behind by a run, as it was seen and told."""

    environment: dict
    journal: Journal
    #: All versions of each, the oldest first.
    payments: list
    carts: list
    methods: list
    effects: list
    #: By the PSP's ids.
    psp_payments: dict
    lines: list
    strays: list
    #: Of the shoppers.
    sessions: set


async def gather(stack, purchases, *, since):
    """Everything about these purchases, and all that was seen meanwhile. `since` is the first log line that counts."""
    carts = [await stack.history(one.cart, "carts") for one in purchases]
    payments = {payment for one in purchases for payment in one.ends}
    payments |= {one["id"] for versions in carts for one in versions[-1].get("paymentInfo", {}).get("payments", ())}
    versions = [await stack.history(payment) for payment in sorted(payments)]
    effects = [one for one in await stack.effects() if one["metadata"].get("payment_id") in payments]
    known = {one["payment"] for one in effects} | {one[-1].get("interfaceId") for one in versions} - {None}
    return Left(
        environment=stack.environment,
        journal=stack.watch.journal,
        payments=versions,
        carts=carts,
        methods=[await stack.history(one.method, "payment-methods") for one in purchases if one.method],
        effects=effects,
        psp_payments={name: await stack.psp_payment(name) for name in sorted(known)},
        lines=[one for one in stack.lines[since:] if not one.get("event", "").startswith("test.")],
        strays=stack.strays,
        sessions={one.session for one in purchases},
    )


def history(left):
    """The same, in one order."""
    journal, writers = left.journal, _writers(left.journal.calls)
    calls, effects = tuple(draft.call() for draft in journal.calls), _effects(left.effects)
    methods = [one for versions in left.methods for one in _versions(versions, writers)]
    return History(
        seed=0,
        rules=_rules(left.environment),
        effects=effects,
        psp_payments=left.psp_payments,
        calls=calls,
        payments=_in_order(one for versions in left.payments for one in _versions(versions, writers)),
        carts=_in_order(one for versions in left.carts for one in _versions(versions, writers)),
        bus=tuple(journal.bus),
        exchanges=_in_order(journal.exchanges),
        lines=tuple(map(_line, left.lines)),
        faults=(),
        crashes=tuple(journal.crashes),
        merchants_wrote=tuple(_by_hand(left.payments)),
        strangers=frozenset(),
        untrue_events=frozenset(),
        canaries=_canaries(left, calls),
        started_at=calls[0].at,
        faults_end=calls[-1].at,
        converged_at=calls[-1].at,
        ended_at=calls[-1].at,
        settled=True,
        methods=_in_order(with_their_ends(methods, calls)),
        kept=_in_order(kept_cards(left.psp_payments, effects, calls)),
        with_people=_with_people(journal.bus),
    )


def _rules(environment):
    limits = Limits()
    return Rules(
        project_key=environment["CTP_PROJECT_KEY"],
        interface="ctpay-sandbox",
        key_lifetime=timedelta(days=1),
        key_length_max=CAPABILITIES.key_length_max,
        key_margin=timedelta(seconds=limits.key_margin_s),
        authorization_send_by=timedelta(seconds=limits.authorization_send_by_s),
        lease_max=timedelta(seconds=limits.lease_s),
        action_within=Waits().action_within,
        event_patience=timedelta(seconds=limits.event_patience_s),
        skew_max=timedelta(0),
        attempts={topic.value: policy.attempts for topic, policy in POLICIES.items()},
        webhook_tolerance=TOLERANCE,
    )


def _writers(calls):
    """Resource id -> the requests that may have written it."""
    found = defaultdict(list)
    for draft in calls:
        if draft.peer is not Peer.COMMERCETOOLS or draft.method != "POST":
            continue
        asked, told = _json(draft.body), _json(draft.reply)
        name = draft.path.partition("?")[0].rsplit("/", 1)[-1]
        for key in {name, told.get("id"), asked.get("key")}:
            found[key].append((asked.get("version", 0), told.get("version"), draft))
    return found


def _versions(documents, writers):
    """All versions of one resource, each where it was written and by whom."""
    last = 0
    for document in documents:
        at = _when(document.get("lastModifiedAt", document["createdAt"]))
        author = document.get("lastModifiedBy", {}).get("clientId", MERCHANT)
        writer = None if author == MERCHANT else _writer(document, place(at), writers)
        last = max(place(at), last + 1, writer.n + 1 if writer else 0)
        yield Version(
            n=last, at=at, id=document["id"], version=document["version"], document=document,
            author=writer.process if writer else author,
        )  # fmt: skip


def _writer(document, n, writers):
    """Whose request made this version: the one that was told so, or one that was under way and never heard."""
    version = document["version"]
    asked = [*writers[document["id"]], *writers[document.get("key")]]
    told = [draft for before, after, draft in asked if after is not None and before < version <= after]
    unheard = [
        draft
        for before, after, draft in asked
        if after is None and before < version and draft.n < n + 1_000_000 and (draft.done_n or n) >= n
    ]
    return next(iter((*told, *unheard)), None)


def _effects(found):
    """In the order of the PSP's ledger."""
    last, effects = 0, []
    for one in found:
        at = _when(one["at"])
        last = max(place(at), last + 1)
        effects.append(Effect(n=last, at=at, **{name: one[name] for name in one if name != "at"}))
    return tuple(effects)


def _line(one):
    at = _when(one["timestamp"])
    return LogLine(n=place(at), at=at, process=one["process"], fields=one)


def _by_hand(documents):
    """What merchants put on Payments."""
    for versions in documents:
        known = set()
        for version in versions:
            if version.get("lastModifiedBy", {}).get("clientId") == MERCHANT:
                new = [one["id"] for one in version["transactions"] if one["id"] not in known]
                yield from (Wrote(payment_id=version["id"], transaction_id=one) for one in new)
            known |= {one["id"] for one in version["transactions"]}


def _canaries(left, calls):
    secrets = {value for name, value in left.environment.items() if "SECRET" in name}
    tokens = {one.document["token"] for one in calls if one.document and "token" in one.document}
    return frozenset(secrets | tokens | left.sessions)


def _with_people(bus):
    """The letters for a person; nobody takes them in hand during a round."""
    letters = {one.message_id for one in bus if one.happening is Happening.PUBLISHED and one.topic == "dead-letters"}
    for_person = {one.message_id for one in bus if one.attributes.get("ctpay_for") == "person"}
    taken = {one.message_id for one in bus if one.happening is Happening.ACKED and one.subscription is not None}
    return frozenset((letters & for_person) - taken)


def _in_order(entries):
    return tuple(sorted(entries, key=lambda one: one.n))


def _when(text):
    return datetime.fromisoformat(text).astimezone(UTC)


def _json(data):
    try:
        found = json.loads(data)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}
