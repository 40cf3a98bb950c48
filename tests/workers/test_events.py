"""Webhooks and notifications, in every order, and what becomes of messages that cannot be handled."""

from __future__ import annotations

import itertools
import json
from base64 import b64encode
from dataclasses import replace

import pytest
from support.house import PASS, Fault, open_house, with_psp

from bus.letters import REPLAYS
from bus.messages import CapturePayment, RefundPayment, encode
from bus.port import Cause, PublishError, Verdict
from bus.topics import Topic
from ct.errors import DuplicateError, ForbiddenError, InvalidRequestError, UnavailableError
from psp.errors import RefusedError
from psp.facts import Kind, State
from psp.money import Money
from workers.runtime import REACTIONS, WORKERS, handler


def eur(amount):
    return Money(amount=amount, currency="EUR")


def truth(payment):
    rows = sorted((t.kind, t.state, t.amount.amount, t.interaction_id or "") for t in payment.transactions)
    return rows, payment.interface_id, payment.status_code, payment.status_text


async def test_an_effective_webhook_costs_two_calls_and_a_repeated_one_costs_one(house):
    payment = await house.authorized()
    capture = house.ask(CapturePayment, payment.id, amount=eur(4200))
    await house.deliver(capture)
    await house.control(f"/payments/{payment.interface_id}/disputes", amount=1000)
    opened = house.events()[-1]
    for cost in (2, 1, 1):
        async with house.counting() as calls:
            assert (await house.deliver(opened)).verdict is Verdict.DONE
        assert len(calls) == cost
    assert ("Chargeback", "Pending", 1000) in house.rows(await house.payment(payment.id))


async def test_a_webhook_before_its_payment_waits_and_is_applied(house):
    cart = await house.cart()
    command = house.pay(cart)
    # The PSP has authorized, and its webhook overtakes the reply: the Payment is reserved and not settled.
    house.fault(PASS, PASS, PASS, Fault(error=UnavailableError("crash")))
    await house.deliver(command)
    (payment,) = house.payments()
    assert payment.authorization.state is State.INITIAL
    (authorized,) = house.events()
    await house.deliver(authorized)
    assert (await house.payment(payment.id)).authorization.state is State.SUCCESS
    await house.deliver(command)
    assert len(house.effects("authorization")) == 1


async def test_an_event_for_a_payment_that_is_not_there_waits_and_at_last_a_person_sees_it(house):
    await house.authorized()
    event = json.loads(house.events()[0].body)
    event["data"]["metadata"]["payment_id"] = "00000000-0000-4000-8000-999999999999"
    early = house.notification(event)
    waits = await house.deliver(early)
    assert (waits.verdict, waits.cause) == (Verdict.AGAIN, Cause.MISSING_PAYMENT)
    house.clock.pass_(days=2)
    gone = await house.deliver(early)
    assert (gone.verdict, gone.cause) == (Verdict.DEAD, Cause.MISSING_PAYMENT)


async def test_somebody_elses_events_are_ignored_with_a_reason(house):
    await house.authorized()
    event = json.loads(house.events()[0].body)
    event["data"]["metadata"]["project_key"] = "other"
    ending = await house.deliver(house.notification(event))
    assert (ending.verdict, "another project" in ending.reason) == (Verdict.IGNORED, True)
    event["data"]["metadata"] = {}
    event["data"]["id"] = "pay_unknown"
    nameless = house.notification(event)
    assert (await house.deliver(nameless)).verdict is Verdict.AGAIN
    house.clock.pass_(days=2)
    assert (await house.deliver(nameless)).verdict is Verdict.IGNORED


@pytest.mark.parametrize(
    ("beside", "minutes", "verdict"),
    [("gone", 0, Verdict.AGAIN), ("gone", 60 * 25, Verdict.DEAD), ("theirs", 0, Verdict.DONE)],
)
async def test_gap_7_a_notification_of_several_events_ends_as_the_worst_of_them(house, beside, minutes, verdict):
    """Some PSPs send several at once; those that can be settled are, and what is left decides."""
    payment = await house.authorized()
    notification = house.events()[0]
    (settled,) = house.work.psp.parse_webhook(notification.body)
    (fact,) = settled.facts
    named = {"gone": {"payment_id": "00000000-0000-4000-8000-999999999999"}, "theirs": {"project_key": "theirs"}}
    other = replace(settled, facts=(replace(fact, reference=replace(fact.reference, **named[beside])),))
    house.clock.pass_(minutes=minutes)
    for order in ((settled, other), (other, settled)):
        work = with_psp(house, parse_webhook=lambda _body, order=order: order)
        assert (await house.deliver(notification, work=work)).verdict is verdict
    assert house.rows(await house.payment(payment.id)) == [("Authorization", "Success", 4200)]


async def test_an_event_without_our_reference_finds_its_payment_by_the_psps(house):
    payment = await house.authorized()
    capture = house.ask(CapturePayment, payment.id, amount=eur(100))
    await house.deliver(capture)
    event = json.loads(house.events()[-1].body)
    event["data"]["metadata"] = event["data"]["payment_metadata"] = {}
    assert (await house.deliver(house.notification(event))).verdict is Verdict.DONE
    event["data"]["payment"] = "pay_unknown"
    assert (await house.deliver(house.notification(event))).verdict is Verdict.DONE
    assert len((await house.payment(payment.id)).of_kind(Kind.CHARGE)) == 1


async def test_an_unknown_event_is_dead_with_its_name_and_never_guessed(house):
    await house.authorized()
    event = json.loads(house.events()[0].body) | {"type": "payment.teleported"}
    ending = await house.deliver(house.notification(event))
    assert (ending.verdict, "payment.teleported" in ending.reason) == (Verdict.DEAD, True)


DEEP, HALVED = b64encode(b"[" * 200_000), b64encode(b'{"id":"\\ud800","type":"payment.authorized","data":{}}')


@pytest.mark.parametrize(
    "body", [b"bm9uc2Vuc2U=", b"e30=", b"W10=", DEEP, HALVED], ids=["words", "object", "list", "deep", "surrogate"]
)
async def test_a_body_that_is_not_the_psps_is_dead(house, body):
    broken = house.notification({}, body=body)
    assert (await house.deliver(broken)).verdict is Verdict.DEAD


async def test_an_event_whose_id_could_name_no_cause_is_dead_and_changes_nothing(house):
    payment = await house.authorized()
    before = await house.payment(payment.id)
    event = json.loads(house.events()[0].body) | {"id": "evt 1"}
    ending = await house.deliver(house.notification(event))
    assert (ending.verdict, "not the PSP's format" in ending.reason) == (Verdict.DEAD, True)
    assert await house.payment(payment.id) == before


async def test_a_notification_of_another_psp_is_dead(house):
    assert (await house.deliver(house.notification({}, psp="other"))).verdict is Verdict.DEAD


async def test_any_order_and_repetition_of_a_payments_events_gives_the_same_payment():
    """Events of a whole life, delivered to fresh copies of the same Payment in every order."""
    async with open_house() as house:
        payment = await house.authorized()
        await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(4200)))
        await house.deliver(house.ask(RefundPayment, payment.id, amount=eur(700)))
        refund = (await house.payment(payment.id)).of_kind(Kind.REFUND)[0]
        await house.control(f"/refunds/{refund.interaction_id}/fail", after_days=3)
        dispute = (await house.control(f"/payments/{payment.interface_id}/disputes", amount=900))["id"]
        await house.control(f"/disputes/{dispute}/close", outcome="win")
        events = house.events()[-4:]
        base = house.core.documents("payment")[0]
        results = set()
        for order in itertools.permutations(events):
            clone = await house.client.post("/payments", _copy(base, house))
            for event in (*order, order[0]):
                body = json.loads(event.body)
                _redirect(body, base["id"], clone)
                await house.deliver(house.notification(body))
            results.add(str(truth(await house.payment(clone["id"]))).replace(clone["id"], ""))
        assert len(results) == 1


def _copy(document, house):
    """A Payment that is at the same point, and another."""
    return {
        "key": f"copy-{next(house.numbers)}",
        "amountPlanned": {"centAmount": 4200, "currencyCode": "EUR"},
        "paymentMethodInfo": {"paymentInterface": "ctpay-sandbox", "method": "card"},
        "transactions": [
            {
                "type": one["type"],
                "state": one["state"],
                "amount": {"centAmount": one["amount"]["centAmount"], "currencyCode": "EUR"},
                "interactionId": one["interactionId"],
                "custom": {"type": {"typeId": "type", "key": "ctpay-transaction"}, "fields": one["custom"]["fields"]},
            }
            for one in document["transactions"]
        ],
    }


def _redirect(body, old, clone):
    data = body["data"]
    for metadata in (data.get("metadata", {}), data.get("payment_metadata", {})):
        if metadata.get("payment_id") == old:
            metadata["payment_id"] = clone["id"]
            metadata.pop("transaction_id", None)
    if "payment" in data:
        data["payment"] = f"{data['payment']}-{clone['id']}"


@pytest.mark.parametrize(
    ("topic", "data"),
    [
        (Topic.CAPTURE, b"not json"),
        (Topic.CAPTURE, b'{"type":"CapturePayment","version":2}'),
        (Topic.CAPTURE, b"[" * 200_000),
        (Topic.CAPTURE, b"x" * 2_000_000),
        (Topic.CAPTURE, b'"\xff\xfe"'),
        (Topic.COMMERCETOOLS, b"not json"),
    ],
)
async def test_a_poisoned_message_is_dead_with_a_reason(house, topic, data):
    ending = await house.deliver(data, topic)
    assert (ending.verdict, bool(ending.reason)) == (Verdict.DEAD, True)


async def test_a_message_of_a_newer_version_replays_until_a_process_of_that_version_has_it(house):
    payment = await house.authorized()
    command = house.ask(CapturePayment, payment.id, amount=eur(1))
    newer = json.dumps(json.loads(encode(command)) | {"version": 2, "novelty": {}}).encode()
    ending = await house.deliver(newer, Topic.CAPTURE)
    assert (ending.verdict, ending.error) == (Verdict.DEAD, "NewerMessageError")
    # In a letter that replays by itself, and does not wait for a person.
    assert REPLAYS[ending.cause] is None
    assert (await house.deliver(command)).verdict is Verdict.DONE


async def test_a_message_on_the_wrong_topic_is_dead(house):
    command = house.ask(CapturePayment, "p", amount=eur(1))
    assert (await house.deliver(command, Topic.REFUND)).verdict is Verdict.DEAD


async def test_an_instance_test_notification_is_ignored(house):
    notice = {
        "notificationType": "ResourceCreated",
        "projectKey": "demo",
        "resource": {"typeId": "subscription", "id": "s"},
        "version": 1,
        "modifiedAt": "2026-01-01T10:00:00.000Z",
    }
    assert (await house.deliver(json.dumps(notice).encode(), Topic.COMMERCETOOLS)).verdict is Verdict.IGNORED


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (UnavailableError("down"), Verdict.AGAIN),
        (ForbiddenError("no scope"), Verdict.AGAIN),
        (InvalidRequestError("no", code="InvalidOperation"), Verdict.DEAD),
        (DuplicateError("taken", field="interfaceId"), Verdict.DEAD),
        (PublishError("bus"), Verdict.AGAIN),
        (RefusedError(code="x", message="y"), Verdict.DEAD),
    ],
)
async def test_every_error_has_its_reaction(house, error, verdict):
    payment = await house.authorized()
    house.fault(Fault(error=error))
    assert (await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(1)))).verdict is verdict


async def test_a_bug_is_not_swallowed(house):
    payment = await house.authorized()
    house.fault(Fault(error=ZeroDivisionError("a bug of ours")))
    with pytest.raises(ZeroDivisionError):
        await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(1)))


def test_the_most_particular_reaction_comes_first():
    kinds = [kind for kind, *_ in REACTIONS]
    for earlier, later in itertools.combinations(kinds, 2):
        assert not issubclass(later, earlier), f"{later.__name__} is never reached"


def test_every_command_topic_has_its_worker(house):
    assert {topic for topic, _ in WORKERS.values()} == set(Topic) - {Topic.RESULTS}
    with pytest.raises(KeyError):
        handler("nobody", house.work)
