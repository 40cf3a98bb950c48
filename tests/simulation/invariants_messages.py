"""Messages: nothing is promised before the bus has it, nothing is let go before it is durable, and all of them end."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from simulation.durable import missing
from simulation.logs import Happening
from simulation.reading import LASTING, Violation, event_of, has_published

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.logs import Exchange, LogLine
    from simulation.reading import Message, Reading

#: Pub/Sub counts deliveries approximately, and those of readers that died are not ours to bury.
_MORE_ATTEMPTS: Final = 10
#: From the moment at which an event is taken in to its publish, and from a look for its Payment to the line of it.
_ONE_RUN: Final = timedelta(seconds=60)
_MISSING: Final = "missing-payment"
#: Where something is asked for that a message will do.
_PROMISING: Final = ("/webhooks/", "/payments", "/operations/payment-intents/", "/operations/transactions")


def s10_published_before_it_is_promised(reading: Reading) -> Iterator[Violation]:
    """A 2xx to a webhook, a payment or a payment intent, and the page for who comes back, came after the bus's confirmation."""
    for exchange in reading.history.exchanges:
        if not promises(exchange):
            continue
        found = messages_of(reading, exchange)
        if not has_published(found, between=(exchange.n, exchange.done_n or 0)):
            told = "its publish was not confirmed" if found else "nothing was published"
            text = f"{exchange.method} {exchange.path} was answered {exchange.status}, and {told}"
            yield Violation(name="S10", text=text, n=exchange.n)


def s11_durable_before_it_is_let_go(reading: Reading) -> Iterator[Violation]:
    """When a message is acknowledged, its result is on the Payment, or it lies in the dead letters, or a reason is told."""
    for message in reading.messages.values():
        if message.topic not in LASTING:
            continue
        for ack in message.acks():
            if is_passed_on(reading, message, ack.n):
                continue
            what = (
                _letter_left(reading, message) if message.topic == "dead-letters" else missing(reading, message, ack.n)
            )
            if what is not None:
                yield Violation(name="S11", text=f"{message} was acknowledged, but {what}", n=ack.n)


def s15_every_message_ends(reading: Reading) -> Iterator[Violation]:
    """Every message is acknowledged or dead in the end, within its attempts; an event waits its time for its Payment."""
    limits = reading.history.rules.attempts
    for message in reading.messages.values():
        if message.topic not in LASTING:
            continue
        ended = any(one.happening in (Happening.ACKED, Happening.DEAD) for one in message.entries)
        if not ended:
            yield Violation(name="S15", text=f"{message} has not ended", n=message.published.n)
        most = limits.get(message.topic)
        attempts = max((one.attempt for one in message.entries), default=0)
        if most is not None and attempts > most + _MORE_ATTEMPTS:
            text = f"{message} was delivered {attempts} times; {most} are the most"
            yield Violation(name="S15", text=text, n=message.published.n)
    if not reading.history.settled:
        yield Violation(name="S15", text="the run did not come to rest: something is repeated without end")
    yield from _waited_amiss(reading)


def _waited_amiss(reading: Reading) -> Iterator[Violation]:
    """Events that waited for their Payment longer than they may, or not so long: it may come to be meanwhile."""
    rules = reading.history.rules
    about = rules.skew_max + _ONE_RUN
    for message in reading.messages.values():
        if message.topic != "webhook":
            continue
        first = reading.copies[message.published.data][0].published.at
        for line in reading.outcomes.get(message.id, ()):
            waited = line.at - first
            if _still_waits(line) and waited > rules.event_patience + about:
                yield Violation(name="S15", text=f"{message} still waits for its Payment after {waited}", n=line.n)
            if _waits_no_more(line) and waited < rules.event_patience - about:
                text = f"{message} waits for its Payment no more after {waited}"
                yield Violation(name="S15", text=text, n=line.n)


def _still_waits(line: LogLine) -> bool:
    return line.fields.get("event") == "message.again" and line.fields.get("cause") == _MISSING


def _waits_no_more(line: LogLine) -> bool:
    """Whether it ended since its Payment is not there, or since nobody knows what it is about."""
    is_unheard_of = str(line.fields.get("reason")).startswith("bears no reference of ours")
    return line.fields.get("event") != "message.again" and (line.fields.get("cause") == _MISSING or is_unheard_of)


def promises(exchange: Exchange) -> bool:
    """Whether the answer promises that something will be done."""
    if exchange.status is None or exchange.done_n is None:
        return False
    if is_return(exchange):
        # A browser comes by either method, and is sent on or shown a page. A link that is not ours is answered 4xx.
        return exchange.method in ("GET", "POST") and exchange.status in (200, 303)
    return exchange.method == "POST" and exchange.path.startswith(_PROMISING) and 200 <= exchange.status < 300


def is_return(exchange: Exchange) -> bool:
    """Whether a shopper comes back from a challenge: what was brought is to reach the PSP."""
    path = exchange.path.partition("?")[0]
    return path.startswith("/payments/") and path.endswith("/return")


def messages_of(reading: Reading, exchange: Exchange) -> list[Message]:
    """What the ingress published for a request."""
    span = (exchange.n, exchange.done_n or 2**62)
    near = [
        one
        for one in reading.messages.values()
        if one.published.process == exchange.process and span[0] < one.published.n < span[1]
    ]
    if exchange.genuine is not None:
        body = reading.body_of(exchange)
        return [one for one in near if one.topic == "webhook" and event_of(one.body) == body]
    parts = exchange.path.partition("?")[0].strip("/").split("/")
    if parts == ["operations", "transactions"]:
        cart = reading.body_of(exchange).get("cartId")
        return [one for one in near if one.body.get("cart_id") == cart]
    if parts[0] == "operations":
        return [one for one in near if one.body.get("payment_id") == parts[-1]]
    if len(parts) > 1:
        return [one for one in near if one.body.get("operation") == parts[1]]
    if exchange.done_n is None:
        # Nobody was told the operation: it is known by what it pays with.
        method = reading.body_of(exchange).get("paymentMethod")
        token = method.get("token") if isinstance(method, dict) else None
        return [one for one in near if one.type == "AuthorizePayment" and one.body.get("token") == token]
    operation = exchange.answer.get("operation") if isinstance(exchange.answer, dict) else None
    return [one for one in near if one.body.get("command_id") == operation]


def is_passed_on(reading: Reading, message: Message, n: int) -> bool:
    """Whether the same bytes were confirmed elsewhere before: as a letter, or out of one."""
    return any(
        one.id != message.id and one.confirmed_n is not None and message.published.n < one.confirmed_n < n
        for one in reading.copies[message.published.data]
        if "dead-letters" in (one.topic, message.topic)
    )


def _letter_left(reading: Reading, letter: Message) -> str | None:
    return None if reading.is_for_person(letter) else "it is neither replayed nor given to a person"
