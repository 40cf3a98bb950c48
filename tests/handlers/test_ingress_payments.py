"""POST /payments, its completion and its status, over HTTP: every row of the answers table, and what is published."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from bus.messages import AuthorizePayment, CompleteAuthorization, OperationResult, attributes, encode
from bus.port import Delivery
from bus.topics import Topic
from handlers.dependencies import Limits
from handlers.replies import Replies
from psp.facts import Action, ActionType
from psp.outcome import Outcome, Reason, Standing

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
REASON = Reason(code="do_not_honor", message="The bank declined.")
TOLD = {"code": "do_not_honor", "message": "The bank declined."}

#: Standing -> status and the body without the operation.
ROWS = {
    "approved": (
        Standing(outcome=Outcome.APPROVED, payment_reference="p-1"),
        200,
        {"paymentReference": "p-1", "outcome": "approved"},
    ),
    "action": (
        Standing(
            outcome=Outcome.ACTION,
            payment_reference="p-1",
            action=Action(type=ActionType.CHALLENGE, url="https://psp.example/3ds"),
        ),
        200,
        {
            "paymentReference": "p-1",
            "outcome": "action",
            "action": {"type": "challenge", "url": "https://psp.example/3ds"},
        },
    ),
    "rejected": (
        Standing(outcome=Outcome.REJECTED, payment_reference="p-1", reason=REASON),
        200,
        {"paymentReference": "p-1", "outcome": "rejected", "reason": TOLD},
    ),
    "pending": (
        Standing(outcome=Outcome.PENDING, payment_reference="p-1"),
        200,
        {"paymentReference": "p-1", "outcome": "pending"},
    ),
}
#: Standing -> status, code and message of the error.
ERROR_ROWS = {
    "refused": (Standing(outcome=Outcome.REFUSED, reason=REASON), 400, "InvalidOperation", "The bank declined."),
    "not found": (Standing(outcome=Outcome.NOT_FOUND), 404, "ResourceNotFound", "There is no such cart or operation."),
    "key reused": (
        Standing(outcome=Outcome.KEY_REUSED),
        422,
        "IdempotencyKeyReused",
        "This Idempotency-Key was used for another request. Send a new one.",
    ),
}
PATIENT = Limits(payments_wait_s=30, intents_wait_s=30, return_wait_s=30)


async def _complete(ingress, body=None, headers=None, operation="op-1", **options):
    headers = {"X-Session-Id": "session-1", **(headers or {})}
    if "data" not in options:
        options["json"] = {"parameters": {"result": "done"}} if body is None else body
    return await ingress.ask("POST", f"/payments/{operation}/complete", headers=headers, **options)


async def _status(ingress, operation="op-1", **headers):
    return await ingress.ask("GET", f"/payments/{operation}", headers={"X-Session-Id": "session-1", **headers})


@pytest.mark.parametrize("row", ROWS)
async def test_an_outcome_is_told_alike_by_the_reply_the_completion_and_the_status(ingress, world, row):
    standing, status, told = ROWS[row]
    world.standing = world.stored = standing

    response, body = await ingress.pay()
    operation = world.message.command_id
    assert (response.status, body) == (status, told | {"operation": operation})
    assert response.headers["Location"] == f"https://pay.example/payments/{operation}"

    response, body = await _complete(ingress)
    assert (response.status, body) == (status, told | {"operation": "op-1"})
    response, body = await _status(ingress)
    assert (response.status, body) == (status, told | {"operation": "op-1"})


async def test_a_refusal_that_stands_on_a_payment_names_it_everywhere(ingress, world):
    world.standing = world.stored = Standing(outcome=Outcome.REFUSED, payment_reference="p-1", reason=REASON)
    for response, body in (await ingress.pay(), await _complete(ingress), await _status(ingress)):
        assert (response.status, body["paymentReference"]) == (400, "p-1")


async def test_a_refusal_that_stands_nowhere_names_no_payment(ingress, world):
    world.standing = Standing(outcome=Outcome.REFUSED, reason=REASON)
    _, body = await ingress.pay()
    assert "paymentReference" not in body


@pytest.mark.parametrize("row", ERROR_ROWS)
async def test_a_refusal_is_an_error_in_the_reply_the_completion_and_the_status(ingress, world, row):
    standing, status, code, message = ERROR_ROWS[row]
    world.standing = world.stored = standing
    for response, body in (await ingress.pay(), await _complete(ingress), await _status(ingress)):
        assert response.status == body["statusCode"] == status
        assert body["message"] == message
        assert body["errors"] == [{"code": code, "message": message}]


async def test_no_result_in_time_is_a_202_with_the_status_url(ingress, world):
    for response, body in (await ingress.pay(), await _complete(ingress, operation="id-2")):
        assert response.status == 202
        assert response.headers["Location"] == body["statusUrl"] == "https://pay.example/payments/id-2"
        assert body == {
            "paymentReference": None,
            "outcome": "pending",
            "operation": "id-2",
            "statusUrl": "https://pay.example/payments/id-2",
        }
    assert len(world.published) == 2


async def test_the_status_of_an_operation_that_is_not_there_yet_is_pending(ingress, world):
    response, body = await _status(ingress)
    assert (response.status, body) == (200, {"paymentReference": None, "outcome": "pending", "operation": "op-1"})
    asked = {"cart_id": world.session.cart_id, "owner": world.session.owner, "operation": "op-1"}
    assert world.status_asked == [asked | {"correlation_id": response.headers["X-Correlation-ID"]}]
    assert world.published == []


async def test_the_command_has_what_the_worker_needs_and_the_token_stays_masked(ingress, world):
    world.session = replace(world.session, future_order_number="order-7")
    await ingress.pay()
    topic, command, attributes = world.published[0]
    assert topic is Topic.AUTHORIZE
    assert isinstance(command, AuthorizePayment)
    assert command.token.get_secret_value() == "tok_1"
    assert "tok_1" not in repr(command)
    assert (command.cart_id, command.owner, command.method) == (world.session.cart_id, world.session.owner, "card")
    assert (command.reply_to, command.attempt_key, command.merchant_reference) == ("ingress-1", None, "order-7")
    assert attributes["correlation_id"] == command.correlation_id
    assert command.return_url.startswith(f"https://pay.example/payments/{command.command_id}/return?state=")


async def test_without_a_key_every_request_is_an_operation_of_its_own(ingress, world):
    await ingress.pay()
    await ingress.pay()
    first, second = world.messages
    assert first.command_id != second.command_id
    assert first.request_hash == second.request_hash


async def test_with_a_key_a_repeated_request_is_the_same_command_and_the_same_payment_key(ingress, world):
    bodies = [{"paymentMethod": {"type": "card", "token": token}} for token in ("tok_1", "tok_2")]
    for body in bodies:
        await ingress.pay(body, {"Idempotency-Key": "key-1"})
    first, second = world.messages
    assert first.command_id == second.command_id
    assert first.attempt_key == second.attempt_key
    # A retry has another token, and it is still the same money.
    assert first.request_hash == second.request_hash
    assert re.fullmatch(r"[A-Za-z0-9_-]{2,256}", first.attempt_key)
    assert len(first.command_id) <= 64
    assert first.command_id != first.attempt_key


async def test_one_projects_keys_mean_nothing_in_another(serve, world):
    for project in ("shop-eu", "shop-us"):
        await (await serve(project_key=project)).pay(headers={"Idempotency-Key": "key-1"})
    first, second = world.messages
    assert first.command_id != second.command_id
    assert first.attempt_key != second.attempt_key


@pytest.mark.parametrize("change", ["key", "owner", "cart", "method"])
async def test_a_key_means_something_within_one_session_and_tells_other_money_by_its_hash(ingress, world, change):
    headers = {"Idempotency-Key": "key-1"}
    await ingress.pay(headers=headers)
    body = None
    match change:
        case "key":
            headers = {"Idempotency-Key": "key-2"}
        case "owner":
            world.session = replace(world.session, owner="another")
        case "cart":
            world.session = replace(world.session, cart_id="another")
        case "method":
            body = {"paymentMethod": {"type": "invoice", "token": "tok_1"}}
    await ingress.pay(body, headers)
    first, second = world.messages
    assert (first.command_id == second.command_id) == (change in {"cart", "method"})
    assert (first.request_hash == second.request_hash) == (change in {"key", "owner"})


async def test_a_result_that_is_faster_than_the_confirmation_of_the_publish_is_not_lost(serve, world):
    world.standing = Standing(outcome=Outcome.APPROVED, payment_reference="p-1")
    ingress = await serve(limits=PATIENT)
    response, body = await ingress.pay()
    assert (response.status, body["outcome"]) == (200, "approved")
    assert [ending.verdict for ending in world.endings] == ["done"]


async def test_a_result_that_comes_while_the_request_waits_is_the_answer(serve, world):
    ingress = await serve(limits=PATIENT)
    paying = asyncio.create_task(ingress.pay())
    await world.happened.wait()
    strange = await world.deliver("nobody's", Standing(outcome=Outcome.REJECTED))
    foreign = await world.deliver("id-2", Standing(outcome=Outcome.REJECTED), reply_to="ingress-2")
    assert (strange.verdict, foreign.verdict) == ("ignored", "ignored")
    await world.deliver("id-2", Standing(outcome=Outcome.APPROVED, payment_reference="p-1"))
    _, body = await paying
    assert body["outcome"] == "approved"


async def test_two_instances_that_carry_the_same_attempt_each_get_their_own_result(serve, world):
    """The emulator ignores filters, so every result reaches every instance."""
    rooms = {name: Replies(instance=name) for name in ("ingress-1", "ingress-2")}
    ingresses = [await serve(instance=name, replies=room, limits=PATIENT) for name, room in rooms.items()]
    paying = []
    for ingress in ingresses:
        world.happened.clear()
        paying.append(asyncio.create_task(ingress.pay(headers={"Idempotency-Key": "key-1"})))
        await world.happened.wait()
    first, second = world.messages
    assert first.command_id == second.command_id
    for command, outcome in ((second, Outcome.PENDING), (first, Outcome.APPROVED)):
        standing = Standing(outcome=outcome, payment_reference="p-1")
        result = OperationResult(
            correlation_id="c", command_id=command.command_id, reply_to=command.reply_to, standing=standing
        )
        delivery = Delivery(
            message_id="1", data=encode(result), attributes=attributes(result), published_at=NOW, attempt=1
        )
        verdicts = [(await room.handle(delivery)).verdict for room in rooms.values()]
        assert sorted(verdicts) == ["done", "ignored"]
    assert [body["outcome"] for _, body in await asyncio.gather(*paying)] == ["approved", "pending"]


async def test_a_result_after_the_timeout_is_ignored(ingress, world):
    response, _ = await ingress.pay()
    assert response.status == 202
    ending = await world.deliver("id-2", Standing(outcome=Outcome.APPROVED, payment_reference="p-1"))
    assert ending.verdict == "ignored"


@pytest.mark.parametrize(
    ("prefer", "applied"),
    [
        ("wait=0", "wait=0"),
        ("respond-async, wait=1", "wait=0"),
        ("Wait = 99; strictly", "wait=0"),
        ('wait="7"', "wait=0"),
        ("wait=-1", None),
        ("wait=soon", None),
        ("wait=9999999999", None),
        ("return=minimal", None),
    ],
)
async def test_prefer_wait_is_bounded_and_echoed_and_what_is_unreadable_is_left_alone(serve, prefer, applied):
    ingress = await serve(limits=Limits(payments_wait_s=0, wait_s_max=0))
    response, _ = await ingress.pay(headers={"Prefer": prefer})
    assert response.status == 202
    assert response.headers.get("Preference-Applied") == applied


async def test_prefer_wait_makes_the_answer_wait(serve, world):
    ingress = await serve(limits=Limits(payments_wait_s=0, wait_s_max=30))
    paying = asyncio.create_task(ingress.pay(headers={"Prefer": "wait=20"}))
    await world.happened.wait()
    await world.deliver("id-2", Standing(outcome=Outcome.APPROVED, payment_reference="p-1"))
    response, _ = await paying
    assert (response.status, response.headers["Preference-Applied"]) == (200, "wait=20")


async def test_a_publish_that_is_not_confirmed_is_a_503_and_nobody_is_left_waiting(ingress, world):
    world.publishing_fails = True
    for response, body in (await ingress.pay(), await _complete(ingress)):
        assert response.status == body["statusCode"] == 503
        assert response.headers["Retry-After"] == "1"
        assert body["errors"][0]["code"] == "ServiceUnavailable"
    assert (await world.deliver("id-2", Standing(outcome=Outcome.APPROVED))).verdict == "ignored"


@pytest.mark.parametrize(
    ("allowed", "told"), [(None, ["card", "invoice"]), (("invoice", "paypal"), ["invoice"]), ((), [])]
)
async def test_a_method_that_the_session_or_the_psp_does_not_have_is_named_with_the_allowed_ones(
    ingress, world, allowed, told
):
    world.session = replace(world.session, allowed_payment_methods=allowed)
    response, body = await ingress.pay({"paymentMethod": {"type": "paypal", "token": "tok_1"}})
    assert response.status == 400
    (fault,) = body["errors"]
    assert (fault["code"], fault["field"], fault["allowedValues"]) == ("InvalidField", "paymentMethod.type", told)
    if allowed is not None:
        response, _ = await ingress.pay()
        assert response.status == 400
    assert world.published == []


async def test_fields_of_the_contract_that_we_do_not_know_are_tolerated(ingress, world):
    body = {
        "paymentMethod": {"type": "card", "token": "tok_1", "storePaymentMethod": False, "poNumber": "PO 7"},
        "paymentOutcome": "Authorized",
    }
    response, _ = await ingress.pay(body)
    assert response.status == 202
    assert len(world.published) == 1


async def test_a_completion_carries_what_the_browser_brought_back(ingress, world):
    await _complete(ingress, {"parameters": {"PaRes": "eJz=", "MD": ""}}, {"Idempotency-Key": "key-1"})
    await _complete(ingress, {}, {"Idempotency-Key": "key-1"})
    await _complete(ingress, {}, {"Idempotency-Key": "key-1"}, operation="op-2")
    await _complete(ingress, {})
    first, repeated, elsewhere, keyless = world.messages
    assert isinstance(first, CompleteAuthorization)
    assert (first.operation, first.cart_id, first.owner) == ("op-1", world.session.cart_id, world.session.owner)
    assert first.parameters == {"PaRes": "eJz=", "MD": ""}
    assert first.command_id == repeated.command_id
    assert len({first.command_id, elsewhere.command_id, keyless.command_id}) == 3


@pytest.mark.parametrize(
    "url", ["javascript:alert(1)", "ftp://shop.example/", "https://user@shop.example/", "//shop.example"]
)
async def test_a_session_that_names_no_web_page_is_refused_before_anything_is_published(ingress, world, url):
    world.session = replace(world.session, merchant_return_url=url)
    response, body = await ingress.pay()
    assert response.status == 400
    assert body["errors"][0]["field"] == "session.metadata.merchantReturnUrl"
    assert world.published == []


@pytest.mark.parametrize("number", ["7" * 257, "order\n7", "order\x007"])
async def test_a_session_with_an_order_number_that_no_psp_takes_is_refused(ingress, world, number):
    world.session = replace(world.session, future_order_number=number)
    response, body = await ingress.pay()
    assert (response.status, body["errors"][0]["field"]) == (400, "session.metadata.futureOrderNumber")
    assert world.published == []


async def test_the_configuration_has_the_psps_public_values_and_the_sessions_methods(ingress, world):
    world.session = replace(world.session, allowed_payment_methods=("card",))
    response, body = await ingress.ask("GET", "/operations/config", headers={"X-Session-Id": "session-1"})
    assert response.status == 200
    assert body == {
        "clientKey": "pk_1",
        "environment": "test",
        "psp": "sandbox",
        "paymentMethods": ["card"],
        "storedPaymentMethodsConfig": {"isEnabled": False},
    }
    assert world.published == []
