"""Audit and security: who did what can be told from the logs, forgeries change nothing, and secrets stay secret."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Final

from simulation.invariants_messages import promises
from simulation.logs import Genuine, Happening
from simulation.projection import fields_of, log_of
from simulation.reading import LASTING, Violation, event_of, is_ours

if TYPE_CHECKING:
    from collections.abc import Iterator

    from simulation.logs import Exchange, Version
    from simulation.reading import Reading

#: Answers that say nothing of what was sent, but that it came too slowly, or too much came: the same is taken later.
_PASSING: Final = frozenset({408, 429})


def x2_only_the_psp_is_believed(reading: Reading) -> Iterator[Violation]:
    """A webhook that is not the PSP's own gets 401 and reaches no topic; one event changes a Payment once at most.

    A genuine one is not turned away: it would be so however often it came, and the event were lost. None is taken whose
    signature is old, or is yet to be made: whoever has overheard one could send it again.
    """
    published = [event_of(one.body) for one in reading.messages.values() if one.topic == "webhook"]
    genuine = [reading.body_of(one) for one, _ in reading.webhooks if one.genuine is Genuine.YES]
    for exchange, event in reading.webhooks:
        if promises(exchange) and _is_out_of_time(reading, exchange):
            text = f"webhook {event.get('id')} was taken, and was signed at another time than it came"
            yield Violation(name="X2", text=text, n=exchange.n)
        if exchange.genuine is Genuine.YES:
            if _is_turned_away(exchange):
                text = f"genuine webhook {event.get('id')} was answered {exchange.status}"
                yield Violation(name="X2", text=text, n=exchange.n)
            continue
        if exchange.status is not None and exchange.status != 401:
            text = f"a webhook that is not the PSP's was answered {exchange.status}"
            yield Violation(name="X2", text=text, n=exchange.n)
        if event and event in published and event not in genuine:
            text = f"event {event.get('id')}, which is not the PSP's, was published"
            yield Violation(name="X2", text=text, n=exchange.n)
    yield from _effective_twice(reading)


def _is_turned_away(exchange: Exchange) -> bool:
    """Whether the sender is to blame, by the answer: all 4xx but those that pass by themselves."""
    return exchange.status is not None and 400 <= exchange.status < 500 and exchange.status not in _PASSING


def _is_out_of_time(reading: Reading, exchange: Exchange) -> bool:
    """Whether it is too old, or of the future, whatever the clocks of two processes differ by."""
    rules = reading.history.rules
    signed = {name.lower(): value for name, value in exchange.headers.items()}.get("webhook-timestamp", "")
    most = (rules.webhook_tolerance + rules.skew_max).total_seconds()
    return signed.isdecimal() and abs(exchange.at.timestamp() - int(signed)) > most


def x3_secrets_stay_secret(reading: Reading) -> Iterator[Violation]:
    """No canary is in a log line, a reply, commercetools, or in what is written on a dead letter."""
    history = reading.history
    places = {
        "a log line": "\n".join(str(one.fields) for one in history.lines),
        "an answer of the ingress": "\n".join(f"{one.location} {one.answer}" for one in history.exchanges),
        "a Payment": "\n".join(_written(reading)),
        "a dead letter's attributes": "\n".join(str(one.published.attributes) for one in reading.letters),
    }
    for canary in history.canaries:
        for place, text in places.items():
            if canary in text:
                at = text.index(canary)
                line = text[max(text.rfind("\n", 0, at) + 1, at - 120) : at]
                yield Violation(name="X3", text=f"the secret {canary[:4]}... is in {place}, after: {line[-120:]}")


def _written(reading: Reading) -> Iterator[str]:
    """Everything that ever stood on a Payment. What stays as it was from one version to the next is told once."""
    for version, before in reading.changes:
        for name, value in version.document.items():
            was = None if before is None else before.document.get(name)
            if value == was:
                continue
            if isinstance(value, list):
                known = was if isinstance(was, list) else ()
                yield from (str(part) for part in value if part not in known)
            else:
                yield str(value)


def a1_every_change_has_its_cause(reading: Reading) -> Iterator[Violation]:
    """Each change of state names the command or event that caused it, and so does the line of how its message ended.

    Reconcile's own changes name its pass, and a person's word who said so. Each delivery that was acknowledged has exactly one line that tells how it ended: not none, and not more than there
    were deliveries.
    """
    known = _causes(reading) & _told(reading)
    for version, before in reading.changes:
        if is_ours(version):
            yield from _without_cause(version, before, known)
    for message in reading.messages.values():
        if message.topic not in LASTING:
            continue
        told = Counter((one.process, one.fields.get("attempt")) for one in reading.outcomes.get(message.id, ()))
        had = Counter((one.process, one.attempt) for one in message.entries if one.happening is Happening.DELIVERED)
        for entry in message.acks():
            count = told[entry.process, entry.attempt]
            if not 1 <= count <= had[entry.process, entry.attempt]:
                text = f"attempt {entry.attempt} of {message} has {count} lines that tell how it ended"
                yield Violation(name="A1", text=text, n=entry.n)


def _causes(reading: Reading) -> set[str]:
    """Ids of all commands and PSP events that were ever published."""
    known = set()
    for message in reading.messages.values():
        known |= {str(message.body[name]) for name in ("command_id", "event_id") if name in message.body}
        if message.type == "PspNotification":
            known.add(str(event_of(message.body).get("id")))
    return known


def _told(reading: Reading) -> set[str]:
    """Ids of all commands and events of which a line tells how they ended."""
    told = [line.fields for lines in reading.outcomes.values() for line in lines]
    events = {one for fields in told for one in str(fields.get("event_id")).split()}
    return events | {str(fields.get("command_id")) for fields in told}


def _without_cause(version: Version, before: Version | None, known: set[str]) -> Iterator[Violation]:
    old = {} if before is None else {one["id"]: one.get("state") for one in before.document["transactions"]}
    new = version.document["transactions"]
    changed = [one for one in new if old.get(one["id"], "none") != one.get("state")]
    if not changed:
        return
    log = log_of(version.document)[0 if before is None else len(log_of(before.document)) :]
    causes = {str(one.get("ctpayCause")) for one in log} | {
        str(fields_of(one).get("ctpayCommandId")).partition(":")[0] for one in changed if one["id"] not in old
    }
    words = {str(one.get("ctpayCause")) for one in log if one.get("ctpayKind") == "resolved"}
    for cause in causes - known - {"None"}:
        if cause.startswith("reconcile") and version.author.startswith("reconcile"):
            # A pass of its own accord: no message asked for it.
            continue
        if version.author.startswith("resolve") and (cause in words or cause.startswith("resolve-")):
            continue
        text = f"version {version.version} of Payment {version.id} names the cause {cause}, of which no line tells"
        yield Violation(name="A1", text=text, n=version.n)
    if not causes - {"None"}:
        text = f"version {version.version} of Payment {version.id} changes states and names no cause"
        yield Violation(name="A1", text=text, n=version.n)


def _effective_twice(reading: Reading) -> Iterator[Violation]:
    """The same event changed the same transaction in more than one version, with nobody's hand between."""
    seen: dict[tuple[str, str, str, str], Version] = {}
    events = {str(event.get("id")) for _, event in reading.webhooks}
    touched = {version.id for version, before in reading.changes if before is not None and not is_ours(version)}
    for version, before in reading.changes:
        for one in log_of(version.document)[0 if before is None else len(log_of(before.document)) :]:
            cause = str(one.get("ctpayCause"))
            if cause not in events or version.id in touched or one.get("ctpayKind") != "fact":
                continue
            name = (version.id, cause, str(one.get("ctpayTransactionId")), str(one.get("ctpayMessage")))
            first = seen.setdefault(name, version)
            if first is not version:
                text = f"event {cause} changed Payment {version.id} in versions {first.version} and {version.version}"
                yield Violation(name="X2", text=text, n=version.n)
