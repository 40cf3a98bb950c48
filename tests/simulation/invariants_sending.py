"""Sending: nothing is asked of the PSP that was not reserved, under another key, too late, or for a given-up attempt."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from simulation.invariants_messages import is_passed_on
from simulation.invariants_money import KINDS, admission, admitted, is_given_up
from simulation.logs import Happening, Peer
from simulation.projection import fields_of, log_of
from simulation.reading import Violation, is_completion, is_ours, named
from simulation.sending import send_by

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.logs import Call
    from simulation.reading import Message, Reading, Trail

_DECIDED: Final = frozenset({"Success", "Failure", "Reversed"})
#: So often at least is looked for what is to be completed.
_LOOKS: Final = 5
#: The short retry loop inside one call may outlast send-by by this.
_ONE_CALL: Final = timedelta(seconds=60)


def s4_reserved_before_it_is_asked(reading: Reading) -> Iterator[Violation]:
    """Every request that moves money names a transaction of its kind that was ours in an earlier version."""
    for call in reading.asked:
        if is_completion(call):
            continue
        trail = reading.trails.get(named(call))
        kind = KINDS.get(call.path.partition("?")[0].rsplit("/", 1)[-1])
        if trail is None or trail.ours is None or trail.ours.n > call.n:
            text = f"POST {call.path} for transaction {named(call) or '(none named)'}, which was not reserved"
            yield Violation(name="S4", text=text, n=call.n)
        elif trail.kind != kind:
            yield Violation(name="S4", text=f"POST {call.path} for {trail}, which is no {kind}", n=call.n)


def s12_one_key_for_one_request(reading: Reading) -> Iterator[Violation]:
    """A key is the transaction's for good: not too long, one for each transaction, and always with the same request.

    The shopper's token is left out: the same attempt may come again with a new one. A cancel may name its payment by
    the PSP's id or by ours, as far as we know them: the PSP notices that the request differs, and a look-up tells.
    """
    longest = min(64, reading.history.rules.key_length_max)
    keys: dict[str, set[str]] = defaultdict(set)
    sent: dict[str, tuple[Call, str]] = {}
    for call in reading.asked:
        if is_completion(call):
            continue
        if call.key is None or not 0 < len(call.key) <= longest:
            yield Violation(name="S12", text=f"POST {call.path} went out under the key {call.key!r}", n=call.n)
            continue
        keys[named(call)].add(call.key)
        what = _without_token(call)
        first, was = sent.setdefault(call.key, (call, what))
        if was != what:
            text = f"key {call.key} was used for POST {call.path} and for POST {first.path} with another body"
            yield Violation(name="S12", text=text, n=call.n)
    for transaction, used in keys.items():
        if len(used) > 1:
            text = f"transaction {transaction} went out under {len(used)} keys: {', '.join(sorted(used))}"
            yield Violation(name="S12", text=text)


def s13_not_sent_too_late(reading: Reading) -> Iterator[Violation]:
    """No request after its send-by, and none under a key that the PSP may have forgotten."""
    rules = reading.history.rules
    honoured = rules.key_lifetime - rules.key_margin + rules.skew_max + _ONE_CALL
    for name, calls in reading.asked_for.items():
        trail = reading.trails.get(name)
        last = None if trail is None else send_by(reading, trail)
        for call in calls:
            if is_completion(call):
                continue
            if last is not None and call.at > last + rules.skew_max + _ONE_CALL:
                text = f"POST {call.path} for {trail} went out at {call.at}, after its send-by {last}"
                yield Violation(name="S13", text=text, n=call.n)
            elif call.at - calls[0].at > honoured:
                text = f"POST {call.path} for {name} was repeated {call.at - calls[0].at} after it was first sent"
                yield Violation(name="S13", text=text, n=call.n)


def m3_given_up_is_left_alone(reading: Reading) -> Iterator[Violation]:
    """An attempt that was superseded is not completed by a run that began after that, and no capture of it is admitted."""
    for trail in admitted(reading, "Charge"):
        if is_given_up(trail.ours.document):  # type: ignore[union-attr]  # see `admitted`
            yield admission("M3", trail, "the attempt was given up")
    superseded = _superseded(reading)
    deliveries = _completions(reading)
    for call in reading.asked:
        if not is_completion(call):
            continue
        payment_id = reading.payment_of_psp_payment.get(call.path.rsplit("/", 2)[-2])
        given_up = superseded.get(payment_id or "")
        if given_up is None or given_up[0] > call.n:
            continue
        began = [
            start
            for start, end, process, operation in deliveries
            if start < call.n < end and process == call.process and operation == given_up[1]
        ]
        if began and min(began) > given_up[0] and not _is_behind(reading, call, min(began)):
            text = f"POST {call.path} completes an attempt that was given up before this run began"
            yield Violation(name="M3", text=text, n=call.n)


def _is_behind(reading: Reading, call: Call, began: int) -> bool:
    """Whether the cart, or the Payment, was shown to this run as it was before: what is authorized by that goes back."""
    return any(
        one.fault == "ct-stale-read" and one.process == call.process and began < one.n < call.n
        for one in reading.history.calls
    )


def m4_what_a_shopper_answered_the_psp_hears(reading: Reading) -> Iterator[Violation]:
    """A completion is let go when the PSP was told of it, or when its attempt was decided or given up already."""
    told = {
        (call.path.split("/")[-2], (call.document or {}).get("result"))
        for call in reading.asked
        if is_completion(call) and call.performed_n is not None
    }
    given_up = _superseded(reading)
    for message in reading.messages.values():
        result = (message.body.get("parameters") or {}).get("result")
        if message.type != "CompleteAuthorization" or not result or not message.entries:
            continue
        last = message.entries[-1]
        if last.happening is not Happening.ACKED or is_passed_on(reading, message, last.n):
            continue
        operation = str(message.body.get("operation"))
        for trail in _attempts_of(reading, operation, last.n):
            document = reading.payment_at(trail.payment_id, last.n) or {}
            log = log_of(document)
            done = trail.best(last.n) in _DECIDED or trail.by_hand
            dropped = trail.payment_id in given_up or any(one.get("ctpayKind") == "superseded" for one in log)
            if _is_hidden(reading, trail, operation, last.n) or _was_shown_the_past(reading, message):
                continue
            if not done and not dropped and (document.get("interfaceId"), result) not in told:
                text = f"{message} was let go, and the PSP never heard what the shopper answered about {trail}"
                yield Violation(name="M4", text=text, n=last.n)


def _is_hidden(reading: Reading, trail: Trail, operation: str, n: int) -> bool:
    """Whether nobody can find the attempt by the operation: it is off its cart, where alone what has joined it is met.

    So is what began it, where other software replaced our fields. A cart that commercetools knows no more is none.
    """
    document = reading.payment_at(trail.payment_id, n) or {"transactions": ()}
    made = (fields_of(one) for one in document["transactions"] if one["id"] == trail.id)
    bears = any(one.get("ctpayCommandId") == operation for one in made)
    gone = reading.gone_carts(n)
    carts = {one.id: one.document for one in reading.history.carts if one.n < n and one.id not in gone}
    shown = (one for cart in carts.values() for one in cart.get("paymentInfo", {}).get("payments", ()))
    return not bears and all(one["id"] != trail.payment_id for one in shown)


def _was_shown_the_past(reading: Reading, message: Message) -> bool:
    """Whether each of enough deliveries was shown the cart as it was before: nobody can know how long that goes on."""
    cart = str(message.body.get("cart_id"))
    past = [one for one in reading.history.calls if one.fault == "ct-stale-read" and cart in one.path]
    begun: dict[str, int] = {}
    looks: list[bool] = []
    for entry in message.entries:
        if entry.happening is Happening.DELIVERED:
            begun[entry.process] = entry.n
        elif (first := begun.pop(entry.process, None)) is not None:
            looks.append(any(one.process == entry.process and first < one.n < entry.n for one in past))
    return len(looks) >= _LOOKS and all(looks)


def _attempts_of(reading: Reading, operation: str, n: int) -> list[Trail]:
    """The attempt that the operation began, or joined before `n`: not one that the PSP told of beside it."""
    return [
        one
        for one in reading.trails.values()
        if one.kind == "Authorization"
        and (
            one.command_id == operation
            or (
                one.command_id is not None
                and any(
                    entry.get("ctpayKind") == "joined" and entry.get("ctpayCause") == operation
                    for entry in log_of(reading.payment_at(one.payment_id, n) or {})
                )
            )
        )
    ]


def _superseded(reading: Reading) -> dict[str, tuple[int, str | None]]:
    """Payment id -> where its attempt was given up, and that attempt's command."""
    found: dict[str, tuple[int, str | None]] = {}
    for version, _ in reading.changes:
        for one in version.document["transactions"]:
            fields = (one.get("custom") or {}).get("fields") or {}
            if fields.get("ctpaySuperseded") is True:
                found.setdefault(version.id, (version.n, fields.get("ctpayCommandId")))
    return found


def _completions(reading: Reading) -> list[tuple[int, int, str, Any]]:
    """(from, to, process, operation) of every delivery of a CompleteAuthorization."""
    found = []
    for message in reading.messages.values():
        if message.type != "CompleteAuthorization":
            continue
        open_at: dict[str, int] = {}
        for entry in message.entries:
            if entry.happening is Happening.DELIVERED:
                open_at[entry.process] = entry.n
            elif entry.process in open_at:
                found.append((open_at.pop(entry.process), entry.n, entry.process, message.body.get("operation")))
        found += [(start, 2**62, process, message.body.get("operation")) for process, start in open_at.items()]
    return found


def _without_token(call: Call) -> str:
    body = call.document if isinstance(call.document, dict) else {}
    left_out = {"token", "payment_merchant_reference"}
    path = "cancel" if call.path.endswith(("/cancel", "/cancels")) else call.path
    return path + repr(sorted((name, repr(value)) for name, value in body.items() if name not in left_out))


def s22_what_is_others_is_left_alone(reading: Reading) -> Iterator[Violation]:
    """No version of a Payment of another interface is ours, and the PSP never hears of such a Payment."""
    others = {name for name in reading.versions if reading.is_foreign(name)}
    if not others:
        return
    for version, _ in reading.changes:
        if version.id in others and is_ours(version):
            text = (
                f"version {version.version} of Payment {version.id}, which is other software's, is by {version.author}"
            )
            yield Violation(name="S22", text=text, n=version.n)
    for call in reading.history.calls:
        told = call.path + call.body.decode(errors="replace") if call.peer is Peer.PSP else ""
        for name in others:
            if name in told:
                text = f"{call.method} {call.path} tells the PSP of Payment {name}, which is other software's"
                yield Violation(name="S22", text=text, n=call.n)
