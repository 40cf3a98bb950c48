"""What real processes leave behind, as the history that the checker of the simulation reads.

Calls, requests and messages are what the watcher in the doorways saw; money, versions and the log come from the PSP,
from commercetools and from the processes afterwards. Those tell milliseconds: a version stands at its time, and never
before the request that wrote it was sent.
"""

from __future__ import annotations

import contextlib
import copy
from collections import defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from http import HTTPStatus

from processes.cards import kept_cards, with_their_ends
from processes.crowd import WAITS_S
from processes.journal import Journal, place, read
from simulation.logs import MERCHANT, Effect, Happening, History, LogLine, Peer, Rules, Version, Wrote
from support.polling import eventually
from support.stack import LEASE_PATIENCE_S

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
    #: Shoppers' sessions, and the merchant's token.
    secrets: set


async def gather(stack, purchases, *, since):
    """Everything about these purchases, and all that was seen meanwhile, at rest. `since` is the first log line that counts."""
    with contextlib.suppress(TimeoutError):  # The checker then tells of it.
        await eventually(stack.watch.journal.is_at_rest, within_s=LEASE_PATIENCE_S)
    journal = copy.copy(stack.watch.journal)
    everybody = [each for one in purchases for each in (one, *one.later)]
    carts = [await stack.history(one.cart, "carts") for one in everybody]
    payments = {payment for one in everybody for payment in one.ends}
    payments |= {one["id"] for versions in carts for one in versions[-1].get("paymentInfo", {}).get("payments", ())}
    payments |= set(_asked_for(journal.calls))
    versions = [await stack.history(payment) for payment in sorted(payments)]
    effects = [one for one in await stack.effects() if one["metadata"].get("payment_id") in payments]
    known = {one["payment"] for one in effects} | {one[-1].get("interfaceId") for one in versions} - {None}
    return Left(
        environment=stack.environment,
        journal=journal,
        payments=versions,
        carts=carts,
        methods=[await stack.history(one, "payment-methods") for one in sorted(set(_stored(journal.calls)))],
        effects=effects,
        psp_payments={name: await stack.psp_payment(name) for name in sorted(known)},
        lines=[one for one in stack.lines[since:] if not one.get("event", "").startswith("test.")],
        strays=stack.strays,
        secrets={stack.token, *(one.session for one in everybody)},
    )


def _asked_for(calls):
    """The Payments for which the PSP was asked for money."""
    for draft in calls:
        names = read(draft.body).get("metadata") if draft.peer is Peer.PSP else None
        if names and "payment_id" in names:
            yield names["payment_id"]


def _stored(calls):
    """The methods that were put on a customer's list."""
    for draft in calls:
        if draft.peer is Peer.COMMERCETOOLS and draft.method == "POST" and "/payment-methods" in draft.path:
            told = read(draft.reply)
            if "paymentMethodStatus" in told:
                yield told["id"]


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
        crashes=(),
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
        # A machine that starts ten processes at once is slow.
        told_within=timedelta(seconds=WAITS_S - 2),
    )


def _writers(calls):
    """Resource id -> the requests that may have written it."""
    found = defaultdict(list)
    for draft in calls:
        if draft.peer is not Peer.COMMERCETOOLS or draft.method != "POST":
            continue
        asked, told = read(draft.body), read(draft.reply)
        name = draft.path.partition("?")[0].rsplit("/", 1)[-1]
        for key in {name, told.get("id"), asked.get("key")} - {None}:
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
    asked = [*writers[document["id"]], *writers[document.get("key", document["id"])]]
    told = [draft for before, after, draft in asked if after is not None and before < version <= after]
    unheard = [
        draft
        for before, after, draft in asked
        if _is_unheard(draft) and before < version and draft.n < n + 1_000_000 and (draft.done_n or n) >= n
    ]
    return next(iter((*told, *reversed(unheard))), None)


def _is_unheard(draft):
    return draft.status is None or draft.status >= HTTPStatus.INTERNAL_SERVER_ERROR


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
    """What may be in messages and requests, and nowhere else."""
    kept = {value for name, value in left.environment.items() if "SECRET" in name}
    sent = {one.document[name] for one in calls if one.document for name in ("token", "result") if name in one.document}
    given = {read(one.reply).get("access_token") for one in left.journal.calls if one.path == "/oauth/token"}
    return frozenset((kept | sent | given | left.secrets) - {None})


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
