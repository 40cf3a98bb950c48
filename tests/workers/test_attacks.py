"""Attacks on the law that once succeeded, or might: each names what must hold all the same."""

from __future__ import annotations

import asyncio
import json
import random
from dataclasses import replace

import pytest
from structlog.testing import capture_logs
from support.house import PASS, Fault, open_house, with_psp
from support.psp_servers import SECRET_KEY

from bus.messages import CancelPayment, CapturePayment, RefundPayment, ReversePayment
from bus.port import Verdict
from bus.topics import POLICIES, Topic
from ct.errors import ConflictError, UnavailableError
from ctpay.settings import Limits
from psp.capabilities import RefundScope
from psp.errors import OutcomeUnknownError, RefusedError, RetryableError
from psp.facts import Fact, Kind, Reference, State
from psp.money import Money
from psp.outcome import Outcome
from psp.port import Answer
from workers.perform import settle


def eur(amount):
    return Money(amount=amount, currency="EUR")


async def nothing(_request):
    return Answer(facts=())


async def lost(_request):
    raise OutcomeUnknownError("no reply")


async def authorizes_by_itself(house, psp_payment):
    """The shopper passes the challenge, and the PSP needs nobody to complete it."""
    result = (await house.control(f"/payments/{psp_payment}/challenge", decision="approve"))["result"]
    url = f"{house.psp.url}/v1/payments/{psp_payment}/complete"
    async with house.http.post(
        url, json={"result": result}, headers={"Authorization": f"Bearer {SECRET_KEY}"}
    ) as reply:
        assert reply.status == 200


async def recost(house, cart, amount):
    """The cart's total changes."""
    document = await house.client.get(f"/carts/{cart}")
    action = {
        "action": "changeCustomLineItemMoney",
        "customLineItemId": document["customLineItems"][0]["id"],
        "money": {"centAmount": amount, "currencyCode": "EUR"},
    }
    await house.client.post(f"/carts/{cart}", {"version": document["version"], "actions": [action]})


def held(house):
    return [one for one in house.psp.house.books.payments.values() if one.status == "authorized"]


async def all_events(house):
    for event in house.events():
        await house.deliver(event)
    await house.pump()


async def superseded(house, second_token="tok_approved"):
    """A challenge left open, and another card taken; the first command and its Payment."""
    cart = await house.cart()
    first = house.pay(cart, "tok_3ds")
    await house.deliver(first)
    house.clock.pass_(minutes=2)
    await house.deliver(house.pay(cart, second_token))
    return first, await house.payment(house.standing(first).payment_reference)


async def test_the_action_is_not_lost_when_a_webhook_overtakes_a_worker_that_dies(house):
    command = house.pay(await house.cart(), "tok_3ds")
    house.fault(PASS, PASS, PASS, Fault(error=UnavailableError("killed before it could settle")))
    await house.deliver(command)
    await all_events(house)
    await house.deliver(command)
    assert house.standing(command).outcome is Outcome.ACTION


async def test_a_superseded_attempt_is_never_told_as_approved(house):
    first, payment = await superseded(house, "tok_declined")
    house.queue.waiting.clear()
    await authorizes_by_itself(house, payment.interface_id)
    await all_events(house)
    back = house.come_back(first, "x")
    await house.deliver(back)
    assert house.standing(back).outcome is Outcome.REFUSED
    assert ("CancelAuthorization", "Success", 4200) in house.rows(await house.payment(payment.id))


async def test_a_give_back_that_was_refused_once_is_commanded_again_when_money_moves(house):
    _, payment = await superseded(house)
    events = (json.loads(one.body) for one in house.events())
    event = next(one for one in events if one["data"]["id"] == payment.interface_id)
    failed = {**event, "id": "evt_f", "type": "payment.failed", "data": {**event["data"], "status": "failed"}}
    failed["data"]["action"] = None
    await house.deliver(house.notification(failed))
    await house.pump()
    await authorizes_by_itself(house, payment.interface_id)
    await all_events(house)
    assert len(held(house)) == 1


async def test_money_captured_on_a_superseded_attempt_is_refunded(house):
    _, payment = await superseded(house)
    house.queue.waiting.clear()
    await authorizes_by_itself(house, payment.interface_id)
    url = f"{house.psp.url}/v1/payments/{payment.interface_id}/captures"
    body = {"amount": 4200, "currency": "EUR", "merchant_reference": "dashboard", "metadata": {}}
    headers = {"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": "dashboard"}
    async with house.http.post(url, json=body, headers=headers) as reply:
        assert reply.status < 300
    await all_events(house)
    assert ("Refund", "Success", 4200) in house.rows(await house.payment(payment.id))


async def test_a_capture_on_a_superseded_attempt_is_refunded_also_where_nothing_else_is_told(house):
    """The dashboard's capture is the first that we hear of the money."""
    _, payment = await superseded(house)
    house.queue.waiting.clear()
    await authorizes_by_itself(house, payment.interface_id)
    for event in house.events():
        if json.loads(event.body)["type"] == "payment.authorized":
            await house.deliver(event)
    house.queue.waiting.clear()  # what was commanded then is lost
    url = f"{house.psp.url}/v1/payments/{payment.interface_id}/captures"
    body = {"amount": 4200, "currency": "EUR", "merchant_reference": "dashboard", "metadata": {}}
    headers = {"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": "dashboard"}
    async with house.http.post(url, json=body, headers=headers) as reply:
        assert reply.status < 300
    for event in house.events():
        if json.loads(event.body)["type"].startswith("capture."):
            await house.deliver(event)
    await house.pump()
    assert ("Refund", "Success", 4200) in house.rows(await house.payment(payment.id))


async def test_a_refund_of_a_superseded_attempt_that_failed_once_is_commanded_again(house):
    _, payment = await superseded(house)
    house.queue.waiting.clear()
    await authorizes_by_itself(house, payment.interface_id)
    url = f"{house.psp.url}/v1/payments/{payment.interface_id}/captures"
    body = {"amount": 4200, "currency": "EUR", "merchant_reference": "dashboard", "metadata": {}}
    headers = {"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": "dashboard"}
    async with house.http.post(url, json=body, headers=headers) as reply:
        assert reply.status < 300

    async def refused(_request):
        raise RefusedError(code="not_now", message="Not now.")

    dark = with_psp(house, refund=refused)
    captured = house.events()
    for event in captured:
        await house.deliver(event)
    topic, data = house.queue.waiting.popleft()
    await house.deliver(data, topic, work=dark)
    house.queue.waiting.clear()
    assert ("Refund", "Failure", 4200) in house.rows(await house.payment(payment.id))
    for event in captured:
        await house.deliver(event)
    await house.pump()
    assert ("Refund", "Success", 4200) in house.rows(await house.payment(payment.id))


async def test_a_late_success_of_an_attempt_closed_as_expired_does_not_hold_the_shopper_twice(house):
    cart = await house.cart()
    first = house.pay(cart)

    async def effect(request):
        await house.work.psp.authorize(request)
        raise OutcomeUnknownError("the reply was lost")

    dark = with_psp(house, authorize=effect, lookup=nothing)
    await house.deliver(first, work=dark)
    house.clock.pass_(minutes=26)
    await house.deliver(first, work=dark)
    assert house.standing(first).reason.code == "expired"
    house.clock.pass_(minutes=1)
    second = house.pay(cart)
    await house.deliver(second)
    assert house.standing(second).outcome is Outcome.APPROVED
    await all_events(house)
    assert len(held(house)) == 1


async def test_a_late_success_that_the_psp_will_not_give_back_is_not_asked_for_without_end(house):
    cart = await house.cart()
    first = house.pay(cart, "tok_declined")
    await house.deliver(first)
    house.clock.pass_(seconds=10)
    await house.deliver(house.pay(cart))
    payment = await house.payment(house.standing(first).payment_reference)
    events = (json.loads(one.body) for one in house.events())
    late = next(one for one in events if one["type"] == "payment.authorized")
    late["data"]["id"] = payment.interface_id
    late["data"]["metadata"] |= {"payment_id": payment.id, "transaction_id": payment.authorization.id}
    for number in range(8):
        await house.deliver(house.notification(late | {"id": f"evt_{number}"}))
        await house.pump()
    after = await house.payment(payment.id)
    assert after.authorization.superseded
    assert len(after.of_kind(Kind.CANCEL_AUTHORIZATION)) == 5


async def test_a_late_success_on_a_cart_that_nobody_else_paid_for_is_kept(house):
    command = house.pay(await house.cart())

    async def effect(request):
        await house.work.psp.authorize(request)
        raise OutcomeUnknownError("the reply was lost")

    dark = with_psp(house, authorize=effect, lookup=nothing)
    await house.deliver(command, work=dark)
    house.clock.pass_(minutes=26)
    await house.deliver(command, work=dark)
    await all_events(house)
    (payment,) = house.payments()
    assert house.rows(payment) == [("Authorization", "Success", 4200)]


@pytest.mark.parametrize("cart_is", ["there", "gone"])
async def test_a_late_success_of_a_payment_taken_off_its_cart_goes_back_where_that_is_paid_for(house, cart_is):
    """Where nothing is known of the cart, a person is told."""
    cart = await house.cart()
    command = house.pay(cart)

    async def effect(request):
        await house.work.psp.authorize(request)
        raise OutcomeUnknownError("the reply was lost")

    dark = with_psp(house, authorize=effect, lookup=nothing)
    await house.deliver(command, work=dark)
    house.clock.pass_(minutes=26)
    await house.deliver(command, work=dark)
    (payment,) = house.payments()
    current = await house.client.get(f"/carts/{cart}")
    off = {"action": "removePayment", "payment": {"typeId": "payment", "id": payment.id}}
    current = await house.client.post(f"/carts/{cart}", {"version": current["version"], "actions": [off]})
    if cart_is == "gone":
        await house.client.delete(f"/carts/{cart}", params={"version": str(current["version"])})
    else:
        house.clock.pass_(minutes=1)
        await house.deliver(house.pay(cart))
    with capture_logs() as lines:
        await all_events(house)
    told = [line for line in lines if line["event"] == "late_success.on_no_cart"]
    assert [(one["log_level"], one["payment_id"]) for one in told] == [("error", payment.id)] * (cart_is == "gone")
    assert len(held(house)) == 1
    assert (await house.payment(payment.id)).authorization.superseded is (cart_is == "there")


@pytest.mark.parametrize("undo", [CancelPayment, ReversePayment])
async def test_a_click_after_the_payment_was_undone_is_a_new_payment(house, undo):
    cart = await house.cart()
    first = house.pay(cart)
    await house.deliver(first)
    await house.deliver(house.ask(undo, house.standing(first).payment_reference))
    again = house.pay(cart)
    await house.deliver(again)
    assert house.standing(again).outcome is Outcome.APPROVED
    assert house.standing(again).payment_reference != house.standing(first).payment_reference
    assert len(held(house)) == 1


async def test_an_attempt_that_died_between_create_and_attach_does_not_block_the_cart(house):
    cart = await house.cart()
    first = house.pay(cart)
    house.fault(PASS, PASS, Fault(error=UnavailableError("killed before attach")))
    await house.deliver(first)
    house.clock.pass_(minutes=16)
    await house.deliver(first)
    house.clock.pass_(hours=5)
    second = house.pay(cart)
    await house.deliver(second)
    assert house.standing(second).outcome is Outcome.APPROVED


async def test_an_attempt_whose_message_was_buried_does_not_block_the_cart(house):
    async def down(_request):
        raise RetryableError("down")

    cart = await house.cart()
    await house.deliver(house.pay(cart), work=with_psp(house, authorize=down))
    early = house.pay(cart)
    assert (await house.deliver(early)).verdict is Verdict.AGAIN
    house.clock.pass_(hours=3)
    second = house.pay(cart)
    await house.deliver(second)
    assert house.standing(second).outcome is Outcome.APPROVED


async def test_a_cart_that_grows_while_it_is_paid_is_not_paid_in_part(house):
    cart = await house.cart()
    command = house.pay(cart, attempt_key="key-1", command_id="k")
    house.fault(PASS, Fault(action=lambda: recost(house, cart, 9900)))
    await house.deliver(command)
    assert house.standing(command).reason.code == "cart-changed"
    assert house.effects() == []


@pytest.mark.parametrize("moved_again", [False, True])
async def test_what_was_refused_because_the_cart_changed_is_not_authorized_when_its_message_comes_again(
    house, moved_again
):
    """The shopper was told no, and asked for what the cart cost before."""
    cart = await house.cart()
    command = house.pay(cart)
    # Read the cart, create; and, between the failure and its way to the cart: read, write, attach.
    again = (PASS, PASS, Fault(action=lambda: recost(house, cart, 8800))) if moved_again else ()
    house.fault(PASS, Fault(action=lambda: recost(house, cart, 9900)), PASS, *again)
    assert (await house.deliver(command)).verdict is not Verdict.AGAIN
    assert house.standing(command).outcome is Outcome.REFUSED
    assert (await house.deliver(command)).verdict is not Verdict.AGAIN
    assert house.standing(command).outcome is Outcome.REFUSED
    (payment,) = house.payments()
    assert house.rows(payment) == [("Authorization", "Failure", 4200)]
    document = await house.client.get(f"/carts/{cart}")
    assert [one["id"] for one in document["paymentInfo"]["payments"]] == [payment.id]
    assert house.effects() == []


def test_all_attempts_together_outlast_our_own_patience():
    def span_s(topic):
        policy = POLICIES[topic]
        pauses = (policy.backoff_s_min * 2**number for number in range(policy.attempts - 1))
        return sum(min(pause, policy.backoff_s_max) for pause in pauses)

    limits = Limits()
    assert span_s(Topic.AUTHORIZE) > limits.authorization_send_by_s + limits.lease_s
    assert span_s(Topic.WEBHOOK) > limits.event_patience_s


async def test_a_cancel_does_not_overtake_a_capture_that_the_psp_may_not_know_of(house):
    payment = await house.authorized()

    async def busy(_request):
        raise RetryableError("too many requests")

    capture = house.ask(CapturePayment, payment.id, amount=eur(3000))
    await house.deliver(capture, work=with_psp(house, capture=busy))
    cancel = house.ask(CancelPayment, payment.id)
    await house.deliver(cancel)
    assert house.standing(cancel).reason.code == "capture-under-way"
    await house.deliver(capture)
    assert house.standing(capture).outcome is Outcome.APPROVED


async def test_a_reversal_waits_for_a_pending_capture(house):
    payment = await house.authorized()

    async def pending(request):
        answer = await house.work.psp.capture(request)
        return Answer(facts=tuple(replace(fact, state=State.PENDING) for fact in answer.facts))

    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(3000)), work=with_psp(house, capture=pending))
    reverse = house.ask(ReversePayment, payment.id)
    await house.deliver(reverse)
    assert house.standing(reverse).reason.code == "capture-under-way"


async def test_a_cancel_is_commanded_even_if_the_first_try_to_publish_it_failed(house):
    cart = await house.cart()
    first = house.pay(cart, "tok_3ds")
    await house.deliver(first)
    house.clock.pass_(minutes=2)
    payment = await house.payment(house.standing(first).payment_reference)
    result = (await house.control(f"/payments/{payment.interface_id}/challenge", decision="approve"))["result"]
    second = house.pay(cart)

    async def complete(request):
        answer = await house.work.psp.complete(request)
        await house.deliver(second)
        house.queue.waiting.clear()
        house.queue.fails = 1
        return answer

    back = house.come_back(first, result)
    assert (await house.deliver(back, work=with_psp(house, complete=complete))).verdict is Verdict.AGAIN
    await house.deliver(back)
    await house.pump()
    assert (await house.payment(payment.id)).of_kind(Kind.CANCEL_AUTHORIZATION)
    assert house.standing(back).outcome is Outcome.REFUSED


async def test_a_payment_that_the_psp_does_not_know_is_refused_before_anything_is_claimed(house):
    money = {"centAmount": 4200, "currencyCode": "EUR"}
    draft = {
        "amountPlanned": money,
        "paymentMethodInfo": {"paymentInterface": "ctpay-sandbox", "method": "card"},
        "transactions": [{"type": "Authorization", "state": "Success", "amount": money}],
    }
    made = await house.client.post("/payments", draft)
    await house.deliver(await house.put(made["id"], "Charge", 1000), Topic.COMMERCETOOLS)
    assert [one.verdict for one in await house.pump()] == [Verdict.IGNORED]
    (charge,) = (await house.payment(made["id"])).of_kind(Kind.CHARGE)
    assert charge.state is State.FAILURE


async def test_a_lookup_that_is_refused_is_no_evidence_and_buries_nothing(house):
    payment = await house.authorized()

    async def refused(_request):
        raise RefusedError(code="forbidden", message="no")

    command = house.ask(CapturePayment, payment.id, amount=eur(10))
    dark = with_psp(house, capture=lost, lookup=refused)
    assert (await house.deliver(command, work=dark)).verdict is Verdict.AGAIN


async def test_a_refund_that_a_merchant_puts_there_names_its_capture_where_the_psp_wants_one(house):
    payment = await house.authorized()
    for _ in range(2):
        await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(2000)))
    asked = []

    async def refund(request):
        asked.append(request.capture_reference)
        return await house.work.psp.refund(request)

    work = with_psp(house, refund=refund)
    type(work.psp).capabilities = replace(house.work.psp.capabilities, refund_scope=RefundScope.CAPTURE)
    await house.deliver(await house.put(payment.id, "Refund", 1500), Topic.COMMERCETOOLS, work=work)
    _, data = house.queue.waiting.popleft()
    await house.deliver(data, Topic.REFUND, work=work)
    captures = {one.interaction_id for one in (await house.payment(payment.id)).of_kind(Kind.CHARGE)}
    assert len(asked) == 1
    assert asked[0] in captures


def fact(house, payment, amount=4200, kind=Kind.AUTHORIZATION, **more):
    reference = Reference(project_key="demo", payment_id=payment.id)
    values = {"psp_reference": "psp-1", "payment_reference": "psp-1", "reference": reference, "at": house.clock()}
    return Fact(kind=kind, state=State.SUCCESS, amount=eur(amount), **(values | more))


async def test_a_fact_that_names_another_payment_settles_nothing_here(house):
    payment = await _reserved(house)
    theirs = fact(house, payment, reference=Reference(project_key="demo", payment_id="another"))
    await settle(house.work, payment, Answer(facts=(theirs,)), cause="e")
    assert (await house.payment(payment.id)).version == payment.version


async def test_a_fact_without_a_name_for_the_operation_is_added_once(house):
    payment = await house.authorized()
    nameless = fact(house, payment, kind=Kind.CHARGEBACK, psp_reference=None, payment_reference=payment.interface_id)
    for _ in range(2):
        await settle(house.work, await house.payment(payment.id), Answer(facts=(nameless,)), cause="e")
    assert len((await house.payment(payment.id)).of_kind(Kind.CHARGEBACK)) == 1


@pytest.mark.parametrize("amounts", [(4100, 4200), (4200, 4100)])
async def test_an_odd_amount_neither_settles_ours_nor_adds_to_what_may_be_captured(house, amounts):
    payment = await _reserved(house)
    for amount in amounts:
        await settle(
            house.work, await house.payment(payment.id), Answer(facts=(fact(house, payment, amount),)), cause="e"
        )
    after = await house.payment(payment.id)
    assert house.rows(after) == [("Authorization", "Success", 4100), ("Authorization", "Success", 4200)]
    assert after.transaction(payment.authorization.id).amount == eur(4200)
    too_much = house.ask(CapturePayment, payment.id, amount=eur(4300))
    await house.deliver(too_much)
    assert house.standing(too_much).reason.code == "exceeds-authorization"


async def _reserved(house):
    async def busy(_request):
        raise RetryableError("too many requests")

    await house.deliver(house.pay(await house.cart()), work=with_psp(house, authorize=busy))
    (payment,) = house.payments()
    return payment


@pytest.mark.parametrize("seed", range(25))
async def test_shoppers_gone_wild_are_held_for_one_payment_at_most(seed):
    """Keys and none, tabs, challenges, declines, repeats, lost replies and conflicts, drawn from a seed."""
    draw = random.Random(seed)
    async with open_house() as house:
        cart = await house.cart()
        commands = []
        for _ in range(draw.randrange(3, 9)):
            owner, key = draw.choice("ab"), draw.choice([None, None, "key-1", "key-2"])
            named = {"attempt_key": f"{owner}-{key}", "command_id": f"{owner}-{key}"} if key else {}
            token = draw.choice(["tok_approved", "tok_3ds", "tok_declined", "tok_3ds", "tok_pending"])
            commands.append(house.pay(cart, token, owner=owner, **named))
            if draw.random() < 0.4:
                error = draw.choice([UnavailableError("lost"), ConflictError("409")])
                house.fault(*[PASS] * draw.randrange(6), Fault(error=error, before=draw.random() < 0.5))
            repeats = draw.sample(commands, draw.randrange(min(3, len(commands)) + 1))
            await asyncio.gather(*(house.deliver(one) for one in (commands[-1], *repeats)))
            for psp_payment, known in list(house.psp.house.books.payments.items()):
                if known.status == "requires_action" and draw.random() < 0.3:
                    answer = await house.control(f"/payments/{psp_payment}/challenge", decision="approve")
                    for command in draw.sample(commands, draw.randrange(len(commands) + 1)):
                        await house.deliver(house.come_back(command, answer["result"], owner=None))
            house.clock.pass_(seconds=draw.choice([0, 1, 5]))
        house.client.shared["faults"].clear()
        for _ in range(6):
            for command in commands:
                await house.deliver(command)
            await all_events(house)
        assert len(held(house)) <= 1
        for payment in house.payments():
            known = house.psp.house.books.payments.get(payment.interface_id)
            if known is not None and known.status == "authorized":
                assert payment.authorization.state is State.SUCCESS


@pytest.mark.parametrize("seed", range(25))
async def test_merchants_gone_wild_move_no_more_money_than_there_is(seed):
    """Captures, refunds, cancels and reversals, by command and by hand, at once and repeated, drawn from a seed."""
    draw = random.Random(seed)
    kinds = {"Charge": CapturePayment, "Refund": RefundPayment, "Cancel": CancelPayment, "Reverse": ReversePayment}
    async with open_house() as house:
        payment = await house.authorized()
        messages = []
        for _ in range(draw.randrange(3, 9)):
            name, amount = (
                draw.choice(["Charge", "Charge", "Refund", "Cancel", "Reverse"]),
                draw.choice([1000, 2100, 4200]),
            )
            if name in ("Charge", "Refund") and draw.random() < 0.4:
                messages.append((await house.put(payment.id, name, amount), Topic.COMMERCETOOLS))
            elif name in ("Charge", "Refund") or draw.random() < 0.3:
                more = {"amount": eur(amount)} if name in ("Charge", "Refund") else {}
                messages.append((house.ask(kinds[name], payment.id, **more), None))
            if messages and draw.random() < 0.6:
                error = draw.choice([UnavailableError("lost"), ConflictError("409")])
                house.fault(*[PASS] * draw.randrange(5), Fault(error=error, before=draw.random() < 0.5))
                batch = [draw.choice(messages) for _ in range(draw.randrange(1, 4))]
                await asyncio.gather(*(house.deliver(*one) for one in batch))
                house.client.shared["faults"].clear()
                await house.pump()
        for _ in range(2):
            for one in messages:
                await house.deliver(*one)
            await house.pump()
            await all_events(house)
        rows = house.rows(await house.payment(payment.id))
        total = {kind: sum(row[2] for row in rows if row[:2] == (kind, "Success")) for kind in ("Charge", "Refund")}
        assert not [row for row in rows if row[1] == "Initial"], rows
        assert 4200 >= total["Charge"] >= total["Refund"]
        for kind, effect in (("Charge", "capture"), ("Refund", "refund")):
            assert sum(one["amount"] for one in house.effects(effect)) == total[kind]
