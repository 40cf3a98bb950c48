"""Whether what a message asked for, or told, is written down somewhere that survives: on the Payment, or as a letter."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final

from simulation.logs import Happening
from simulation.projection import EVENT_TYPES, RANK, Row, fields_of, log_of, rows_of_event
from simulation.reading import END, event_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from simulation.reading import Message, Reading, Told, Trail

#: Why there may be nothing to do, in the words of the log. A reason that is not among these excuses nothing.
_REASONS: Final = (
    r"refused: [a-z-]+",
    r"refused by an earlier run",
    r"no such operation",
    r"another payment interface's payment",
    r"idempotency key reused",
    r"the transaction is not there any more",
    r"a merchant has set the transaction to (Pending|Success|Failure)",
    r"it was reserved before, and other software has hidden where",
)
#: What a merchant can ask for by putting it on a Payment.
ASKABLE: Final = frozenset({"Charge", "Refund", "CancelAuthorization"})


def missing(reading: Reading, message: Message, n: int = END) -> str | None:
    """What of a message is not durable just before `n`, in words; None: all of it is."""
    match message.topic:
        case "webhook":
            return missing_news(reading, event_of(message.body), n)
        case "commercetools":
            return _missing_commands(reading, message, n)
        case _:
            return _missing_work(reading, message, n)


def missing_news(reading: Reading, event: Mapping[str, Any], n: int = END) -> str | None:
    """What of a PSP's event is not on our Payments just before `n`."""
    if event.get("type") not in EVENT_TYPES:
        return f"event {event.get('id')} is of the unknown type {event.get('type')!r}"
    names = _names(event)
    if names.get("project_key") not in (None, reading.history.rules.project_key):
        return None
    for row in rows_of_event(event):
        if (payment := _payment_of(reading, row)) is None:
            if row.payment is not None and row.payment not in reading.versions:
                return f"event {event.get('id')} is about Payment {row.payment}, which is not there"
            continue
        info = reading.payment(payment) or {}
        if info.get("paymentMethodInfo", {}).get("paymentInterface") != reading.history.rules.interface:
            continue
        if not reflects(reading, payment, row, n):
            return f"event {event.get('id')} tells {row}, and Payment {payment} does not"
    return None


def reflects(reading: Reading, payment_id: str, row: Row, n: int = END) -> bool:
    """Whether a Payment has, or once had, what was told of it, or more."""
    for trail in reading.trails_of(payment_id):
        same = trail.kind == row.kind and (trail.amount, trail.currency) == (row.amount, row.currency)
        meant = trail.id == row.transaction or trail.reference == row.reference
        meant = meant or (row.kind == "Authorization" and trail.reference is None)
        best = trail.best(n)
        if same and meant and best is not None and RANK[best] >= RANK[row.state]:
            return True
        if same and meant and trail.by_hand:
            return True
    return False


def trails_of_command(reading: Reading, message: Message) -> list[Trail]:
    """The transactions that a command reserved or took on: under its id, its children's, or by a claim."""
    command = str(message.body.get("command_id", ""))
    claiming = message.body.get("transaction_id")
    return [
        one
        for one in reading.trails.values()
        if one.ours is not None
        and (
            one.id == claiming
            or (one.command_id is not None and (one.command_id == command or one.command_id.startswith(f"{command}:")))
        )
    ]


def _missing_work(reading: Reading, message: Message, n: int) -> str | None:
    if message.type == "DeletePaymentMethod":
        method = str(message.body.get("method_id"))
        return f"stored method {method} is still there" if reading.method_at(method, n) else None
    if message.type == "CompleteAuthorization":
        operation = message.body.get("operation")
        found = [one for one in reading.trails.values() if one.command_id == operation]
    else:
        found = trails_of_command(reading, message)
    for trail in found:
        state = trail.best(n)
        if state in (None, "Initial") and _is_recorded(reading, message, min(n, trail.born.n)):
            # Another delivery of the same message has made it, or is at it, and by then the answer was written down.
            continue
        if state in (None, "Initial") and _is_orphan(reading, trail, message, n):
            continue
        if state == "Initial" and _is_left_to_reconcile(reading, message, trail, n):
            continue
        if state == "Initial" and _is_given_up_unasked(reading, trail, n):
            continue
        if state == "Initial" and _is_out_of_reach(reading, message, trail, n):
            continue
        if state in (None, "Initial"):
            return f"{trail} is still {state or 'not there'}"
        if trail.id in reading.misled:
            # Decided by what is not true: the truth comes by an event, or by reconcile, and L1 judges that.
            continue
        told = (one for one in reading.told_of.get(trail.id, ()) if one.n < n)
        heard = [one for one in told if _is_answer_to(reading, message, one, trail, n)]
        for one in heard:
            if one.row.transaction == trail.id and not reflects(reading, trail.payment_id, one.row, n):
                return f"the PSP told {one.row} ({one.how}), and {trail} was never more than {state}"
    if found or _is_recorded(reading, message, n) or _ended_for_a_reason(reading, message):
        return None
    # A challenge may be completed by a request that had joined another's attempt.
    if reading.recorded.get(str(message.body.get("operation")), END) < n:
        return None
    return "nothing of it is on any Payment, and no reason is given"


def _is_left_to_reconcile(reading: Reading, message: Message, trail: Trail, n: int) -> bool:
    """Whether it cannot be sent any more, since other software has hidden what was reserved, and the log says so."""
    document = reading.payment_at(trail.payment_id, n) or {"transactions": ()}
    is_hidden = any(
        one["id"] == trail.id and "ctpayCommandId" not in fields_of(one) for one in document["transactions"]
    )
    lines = reading.outcomes.get(message.id, ())
    return is_hidden and any(str(one.fields.get("reason", "")).startswith("left to reconcile: ") for one in lines)


def _is_out_of_reach(reading: Reading, message: Message, trail: Trail, n: int) -> bool:
    """Whether it is off its cart, or that is gone, and other software has replaced the fields by which it is found without.

    Reconcile closes it.
    """
    document = reading.payment_at(trail.payment_id, n) or {"transactions": ()}
    bears = any(one["id"] == trail.id and "ctpayCommandId" in fields_of(one) for one in document["transactions"])
    return not bears and (message.body.get("cart_id") in reading.gone_carts(n) or _is_taken_off(reading, trail, n))


def _is_taken_off(reading: Reading, trail: Trail, n: int) -> bool:
    """Whether the Payment was on a cart, and somebody else has taken it off."""
    on: dict[str, bool] = {}
    was_on = False
    for cart in reading.history.carts:
        if cart.n < n:
            shown = {one["id"] for one in cart.document.get("paymentInfo", {}).get("payments", ())}
            on[cart.id] = trail.payment_id in shown
            was_on = was_on or on[cart.id]
    return was_on and not any(on.values())


def _is_given_up_unasked(reading: Reading, trail: Trail, n: int) -> bool:
    """Whether the log says that the attempt was given up, before the PSP was ever asked for it: reconcile closes it."""
    log = log_of(reading.payment_at(trail.payment_id, n) or {})
    marked = any(one.get("ctpayKind") == "superseded" and one.get("ctpayTransactionId") == trail.id for one in log)
    return marked and not reading.asked_for.get(trail.id)


def _is_answer_to(reading: Reading, message: Message, told: Told, trail: Trail, n: int) -> bool:
    """Whether a request of this delivery, which ends at `n`, was answered: what others asked is theirs to write down."""
    call = told.asked
    if call is None:
        return False
    if call.path.endswith("/complete"):
        return message.type == "CompleteAuthorization"
    if call.key is not None:
        return call.key == trail.id and message.type != "CompleteAuthorization"
    # A look-up bears no key: it is this message's where the process had no other message about the Payment in hand, and
    # this delivery's where it has not the same message in hand once more.
    if _is_in_hand_again(message, call.process, n):
        return False
    in_hand = [one for one in reading.messages.values() if _is_in_hand(one, call.process, told.n)]
    about = [one for one in in_hand if one is message or trail.payment_id in reading.payments_of(one)]
    return about == [message]


def _is_in_hand(message: Message, process: str, n: int) -> bool:
    """Whether the process had the message at this place."""
    mine = [one for one in message.entries if one.process == process and one.n < n and one.subscription is None]
    return bool(mine) and mine[-1].happening is Happening.DELIVERED


def _is_in_hand_again(message: Message, process: str, n: int) -> bool:
    """Whether another delivery of the message to the process has not ended when this one does."""
    mine = [one for one in message.entries if one.process == process and one.n <= n and one.subscription is None]
    begun = sum(one.happening is Happening.DELIVERED for one in mine)
    return begun > sum(one.happening in (Happening.ACKED, Happening.RETURNED) for one in mine)


def _is_orphan(reading: Reading, trail: Trail, message: Message, n: int) -> bool:
    """Whether the command has come to another attempt, and its own was never sent nor put on a cart: it is closed later.

    By the log it has joined it, or its own was made by a request that arrived when the message had ended otherwise. Or
    the stored method that was to pay for it was deleted when its message came again.
    """
    on_a_cart = any(
        one["id"] == trail.payment_id
        for version in reading.history.carts
        if version.n < n
        for one in version.document.get("paymentInfo", {}).get("payments", ())
    )
    joined = reading.recorded.get(str(message.body.get("operation")), END) < n
    elsewhere = trail.best(n) is None or joined or _is_recorded(reading, message, n) or _has_no_method(reading, message)
    return not on_a_cart and not reading.asked_for.get(trail.id) and elsewhere


def _has_no_method(reading: Reading, message: Message) -> bool:
    """Whether the method that the command was to pay with is gone, and its message was refused for that."""
    lines = reading.outcomes.get(message.id, ())
    is_refused = any(one.fields.get("reason") == "refused: no-such-stored-method" for one in lines)
    method = str(message.body.get("stored_method_id"))
    return is_refused and (reading.method_at(method) or {}).get("paymentMethodStatus") != "Active"


def _is_recorded(reading: Reading, message: Message, n: int) -> bool:
    """Whether a Payment's log names the command: it was refused there, or joined another."""
    return reading.recorded.get(str(message.body.get("command_id")), END) < n


def _ended_for_a_reason(reading: Reading, message: Message) -> bool:
    """Whether the logs give a good reason why there was nothing to do."""
    lines = reading.outcomes.get(message.id, ())
    given = [str(one.fields.get("reason")) for one in lines if one.fields["event"] == "message.ignored"]
    if "no such payment" in given and message.body.get("payment_id") not in reading.versions:
        return True
    return any(re.fullmatch(pattern, reason) for reason in given for pattern in _REASONS)


def _missing_commands(reading: Reading, message: Message, n: int) -> str | None:
    """A merchant's Initial transaction must have become a command, unless somebody has taken it on already."""
    body = message.body.get("data") if "specversion" in message.body else message.body
    if not isinstance(body, dict) or body.get("projectKey") != reading.history.rules.project_key:
        return None
    payment_id = (body.get("resource") or {}).get("id", "")
    info = reading.payment(payment_id)
    if info is None or info.get("paymentMethodInfo", {}).get("paymentInterface") != reading.history.rules.interface:
        return None
    added = [body["transaction"]] if body.get("type") == "PaymentTransactionAdded" and "transaction" in body else []
    for one in added:
        if one.get("state", "Initial") != "Initial" or one["type"] not in ASKABLE or "ctpayCommandId" in fields_of(one):
            continue
        commands = [
            command
            for command in reading.messages.values()
            if command.body.get("transaction_id") == one["id"] and (command.confirmed_n or END) < n
        ]
        if not commands:
            return f"nobody was commanded to carry out {one['type']} {one['id']}"
    return None


def _payment_of(reading: Reading, row: Row) -> str | None:
    if row.payment is not None:
        return row.payment if row.payment in reading.versions else None
    return next((one.payment_id for one in reading.by_reference.get(row.reference or "", ())), None)


def _names(event: Mapping[str, Any]) -> Mapping[str, Any]:
    thing = event.get("data") or {}
    return thing.get("metadata") or thing.get("payment_metadata") or {}
