"""What is kept for customers: by their wish, once, on their list, paid with by them alone, and forgotten when deleted."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from simulation.invariants_messages import messages_of
from simulation.logs import Happening
from simulation.reading import END, Violation, named

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from simulation.logs import Call, Kept, Version
    from simulation.reading import Message, Reading, Trail

_DELETION: Final = "/stored-payment-methods/"
_ACTIVE: Final = "Active"


def p1_kept_by_wish_and_once(reading: Reading) -> Iterator[Violation]:
    """The PSP keeps a card for the customer who wished it alone, and it is put on their list once and never again."""
    wished = _wishes(reading)
    for kept in reading.history.kept:
        trail = _kept_with(reading, kept)
        if trail is None or wished.get(trail.command_id or "") != kept.customer:
            text = f"the PSP keeps {_short(kept)} for {kept.customer}, who has not wished it"
            yield Violation(name="P1", text=text, n=kept.n)
    owners = {one.token: one.customer for one in reading.history.kept}
    made: dict[str, Version] = {}
    for version in _births(reading):
        token, customer = _token(version.document), _customer(version.document)
        if owners.get(token) != customer:
            text = f"method {version.id} is {customer}'s, for whom the PSP never kept its token"
            yield Violation(name="P1", text=text, n=version.n)
        first = made.setdefault(token, version)
        if first is not version:
            text = f"method {version.id} stands for what {first.id} was made for before"
            yield Violation(name="P1", text=text, n=version.n)


def p2_the_list_is_what_the_psp_keeps(reading: Reading) -> Iterator[Violation]:
    """In the end each card that the PSP keeps can be paid with by its customer, and all that can be is kept there.

    Unless a dead letter about it waits for a person.
    """
    last = {version.id: version for version in reading.history.methods}
    listed = {_token(one.document): one for one in last.values() if one.document}
    excused = _letters(reading)
    for kept in reading.history.kept:
        method = listed.pop(kept.token, None)
        with_a_person = kept.token in excused or (method is not None and method.id in excused)
        if kept.forgotten_n is None and not _is_active(method) and not with_a_person:
            yield Violation(name="P2", text=f"the PSP keeps {_short(kept)}, and it is on nobody's list", n=kept.n)
        elif kept.forgotten_n is not None and method is not None and not with_a_person:
            text = f"the PSP has forgotten {_short(kept)}, and method {method.id} is still there"
            yield Violation(name="P2", text=text, n=kept.forgotten_n)


def p3_what_is_deleted_is_forgotten(reading: Reading) -> Iterator[Violation]:
    """What a customer deletes is off their list when they are told so, is forgotten by the PSP, and only then is gone.

    And nothing else is: what nobody has deleted stays.
    """
    asked: dict[str, int] = {}
    excused = _letters(reading)
    for exchange in reading.history.exchanges:
        if exchange.method != "DELETE" or not exchange.path.startswith(_DELETION):
            continue
        method = exchange.path.removeprefix(_DELETION)
        asked.setdefault(method, exchange.n)
        if exchange.status is None or exchange.status >= 300:
            continue
        if (
            exchange.status == 200
            and (reading.method_at(method, exchange.done_n or END) or {}).get("paymentMethodStatus") == _ACTIVE
        ):
            text = f"deleting method {method} was answered 200, and it could still be paid with"
            yield Violation(name="P3", text=text, n=exchange.n)
        if reading.method_at(method) and method not in excused:
            text = f"deleting method {method} was answered {exchange.status}, and it is still there"
            yield Violation(name="P3", text=text, n=exchange.n)
    methods = {_token(one.document): one.id for one in _births(reading)}
    gone = {one.id: one.n for one in reading.history.methods if not one.document}
    for kept in reading.history.kept:
        method = methods.get(kept.token, "")
        forgotten = END if kept.forgotten_n is None else kept.forgotten_n
        if method in gone and gone[method] < forgotten:
            text = f"method {method} was gone before the PSP had forgotten {_short(kept)}"
            yield Violation(name="P3", text=text, n=gone[method])
        if min(forgotten, gone.get(method, END)) < asked.get(method, END):
            text = f"{_short(kept)} of {kept.customer} is gone, and nobody had asked for that"
            yield Violation(name="P3", text=text, n=min(forgotten, gone.get(method, END)))


def p4_paid_with_by_its_customer(reading: Reading) -> Iterator[Violation]:
    """A kept card pays for its own customer's cart alone, by a run that began before it was deleted.

    The PSP is told that nobody is there where a merchant's system has asked, and only there.
    """
    kept = {one.token: one for one in reading.history.kept}
    methods = {_token(one.document): one.id for one in _births(reading)}
    for call in reading.asked:
        found = kept.get(str((call.document or {}).get("token")))
        trail = reading.trails.get(named(call))
        if found is None or trail is None:
            continue
        commands = [one for one in reading.messages.values() if one.body.get("command_id") == trail.command_id]
        if not any(_customer_of_cart(reading, one, call.n) == found.customer for one in commands):
            text = f"{trail} was asked for with {_short(found)}, which is {found.customer}'s, and the cart is not"
            yield Violation(name="P4", text=text, n=call.n)
        off = _off_the_list_n(reading, methods.get(found.token, ""))
        if (began := _began(commands, call)) is not None and began > off:
            text = f"{trail} was asked for with {_short(found)} by a run that began after it was deleted"
            yield Violation(name="P4", text=text, n=call.n)
        by_merchant = bool({one.id for one in commands} & _renewals(reading))
        if by_merchant != ((call.document or {}).get("initiator") == "merchant"):
            text = f"{trail} was asked for by {'a merchant' if by_merchant else 'a shopper'}, and the PSP was told else"
            yield Violation(name="P4", text=text, n=call.n)


def l6_letters_stay_with_their_people(reading: Reading) -> Iterator[Violation]:
    """A dead letter for a person lies there until a person has replayed it, and its bytes are on their topic again."""
    there = reading.history.with_people
    if there is None:
        return
    for letter in reading.letters:
        if not reading.is_for_person(letter):
            continue
        taken = [one for one in letter.entries if one.subscription is not None and one.happening is Happening.ACKED]
        if not taken and letter.id not in there:
            yield Violation(
                name="L6", text=f"letter {letter.id} is gone, and nobody has taken it", n=letter.published.n
            )
        for one in taken:
            if not _is_replayed(reading, letter, one.n):
                text = f"letter {letter.id} was taken by {one.process}, and had not been replayed"
                yield Violation(name="L6", text=text, n=one.n)


def _is_replayed(reading: Reading, letter: Message, n: int) -> bool:
    """Whether the bytes of a letter were confirmed on the topic that it names, since it lay there and before `n`."""
    topic = letter.published.attributes.get("ctpay_worker")
    return any(
        one.topic == topic and letter.published.n < one.published.n and (one.confirmed_n or END) < n
        for one in reading.copies[letter.published.data]
    )


def _wishes(reading: Reading) -> dict[str, str]:
    """Command id -> the customer who has asked for it, and has ticked the box."""
    found = {}
    for exchange in reading.history.exchanges:
        method = reading.body_of(exchange).get("paymentMethod")
        if exchange.path != "/payments" or not isinstance(method, dict) or method.get("storePaymentMethod") is not True:
            continue
        for message in messages_of(reading, exchange):
            customer = _customer_of_cart(reading, message, message.published.n)
            if customer is not None:
                found[str(message.body.get("command_id"))] = customer
    return found


def _renewals(reading: Reading) -> set[str]:
    """The messages by which merchants' systems have charged what is kept."""
    return {
        message.id
        for exchange in reading.history.exchanges
        if exchange.path == "/operations/transactions"
        for message in messages_of(reading, exchange)
    }


def _kept_with(reading: Reading, kept: Kept) -> Trail | None:
    """The authorization in whose course it was stored."""
    for payment in reading.history.psp_payments.values():
        if (payment.get("stored_method") or {}).get("id") == kept.token:
            return reading.trails.get(str(payment["metadata"].get("transaction_id")))
    return None


def _births(reading: Reading) -> list[Version]:
    """The first version of each method."""
    found: dict[str, Version] = {}
    for version in reading.history.methods:
        found.setdefault(version.id, version)
    return list(found.values())


def _off_the_list_n(reading: Reading, method: str) -> int:
    """Where a method could be paid with no more."""
    return next((one.n for one in reading.history.methods if one.id == method and not _is_active(one)), END)


def _began(commands: list[Message], call: Call) -> int | None:
    """Where the process that asked was handed the command last; None: nobody knows."""
    handed = [
        entry.n
        for one in commands
        for entry in one.entries
        if entry.happening is Happening.DELIVERED and entry.process == call.process and entry.n < call.n
    ]
    return max(handed, default=None)


def _letters(reading: Reading) -> set[str]:
    """Tokens and methods about which a dead letter waits for a person."""
    there = reading.history.with_people or frozenset()
    bodies = [one.body for one in reading.letters if one.id in there]
    return {str(body[name]) for body in bodies for name in ("token", "method_id") if name in body}


def _customer_of_cart(reading: Reading, message: Message, n: int) -> str | None:
    carts = [one.document for one in reading.history.carts if one.id == message.body.get("cart_id") and one.n < n]
    return carts[-1].get("customerId") if carts else None


def _is_active(version: Version | None) -> bool:
    return version is not None and version.document.get("paymentMethodStatus") == _ACTIVE


def _token(document: Mapping[str, Any]) -> str:
    return str((document.get("token") or {}).get("value"))


def _customer(document: Mapping[str, Any]) -> str:
    return str((document.get("customer") or {}).get("id"))


def _short(kept: Kept) -> str:
    """For people: a token is a secret."""
    return f"card {kept.token[:6]}..."
