"""What every PSP adapter must do, written once. A test file subclasses `AdapterSuite` and says how to reach its PSP."""

from __future__ import annotations

import enum
import itertools
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Final, Protocol

import pytest
from aiohttp import web
from pydantic import SecretStr

from psp.capabilities import Listing, LookupBy
from psp.errors import OutcomeUnknownError, PspError, RefusedError, UnsupportedError, UnverifiedWebhookError
from psp.facts import ActionType, Fact, Kind, Reference, State
from psp.money import Money
from psp.port import (
    Answer,
    AuthorizeRequest,
    CancelRequest,
    CaptureRequest,
    CompleteRequest,
    ListRequest,
    LookupRequest,
    PspAdapter,
    RefundRequest,
    WebhookVerifier,
)

PROJECT = "demo-project"
_PAST: Final = datetime(2000, 1, 1, tzinfo=UTC)
_FUTURE: Final = datetime(2100, 1, 1, tzinfo=UTC)


class Wish(enum.StrEnum):
    """What the means of payment is to do."""

    APPROVED = "approved"
    DECLINED = "declined"
    ACTION = "action"
    PENDING = "pending"
    #: Approved, but the first reply never comes.
    TIMEOUT = "timeout"


@dataclass(frozen=True, kw_only=True, slots=True)
class Webhook:
    """One webhook as it arrived; header names in lower case."""

    headers: Mapping[str, str]
    body: bytes


class Rig(Protocol):
    """An adapter, and a hand on the PSP behind it."""

    adapter: PspAdapter
    verifier: WebhookVerifier

    def token(self, wish: Wish) -> SecretStr: ...

    def reached_at(self, url: str) -> PspAdapter:
        """The same adapter, whose PSP is said to be at this address."""
        ...

    async def answer_action(self, payment_reference: str, *, approve: bool) -> Mapping[str, str]:
        """Act as the shopper; gives what the browser brings back."""
        ...

    async def settle(self, payment_reference: str) -> None:
        """Approve a pending payment."""
        ...

    async def fail_refund(self, refund_reference: str) -> None: ...

    async def fail_capture(self, capture_reference: str) -> None: ...

    async def open_dispute(self, payment_reference: str) -> str:
        """Gives the round's own reference."""
        ...

    async def close_dispute(self, dispute_reference: str, *, won: bool) -> None: ...

    async def webhook(self) -> Webhook:
        """The next one that arrives, in the order they arrive."""
        ...

    async def effects(self) -> list[str]:
        """Every movement of money so far, by kind."""
        ...


class Order:
    """One payment under test: makes requests about it, with transaction ids in order."""

    _numbers = itertools.count(1)

    def __init__(self, adapter: PspAdapter) -> None:
        self.adapter = adapter
        self.payment_id = f"payment-{next(self._numbers)}"
        self._transactions = itertools.count(1)
        self.authorization = self.reference()
        self.payment_reference = ""

    def reference(self) -> Reference:
        transaction_id = f"{self.payment_id}-transaction-{next(self._transactions)}"
        return Reference(project_key=PROJECT, payment_id=self.payment_id, transaction_id=transaction_id)

    def wanted(self, token: SecretStr, amount: Money) -> AuthorizeRequest:
        return AuthorizeRequest(
            reference=self.authorization,
            amount=amount,
            method="card",
            token=token,
            return_url="https://shop.test/back",
            merchant_reference="Order 1001",
        )

    async def authorize(self, token: SecretStr, amount: Money) -> Answer:
        answer = await self.adapter.authorize(self.wanted(token, amount))
        self.payment_reference = answer.facts[0].payment_reference or ""
        return answer

    def capture_request(self, amount: Money) -> CaptureRequest:
        return CaptureRequest(reference=self.reference(), payment_reference=self.payment_reference, amount=amount)

    async def capture(self, amount: Money) -> Fact:
        return only(await self.adapter.capture(self.capture_request(amount)))

    async def refund(self, amount: Money, capture_reference: str | None = None) -> Fact:
        request = RefundRequest(
            reference=self.reference(),
            payment_reference=self.payment_reference,
            amount=amount,
            capture_reference=capture_reference,
        )
        return only(await self.adapter.refund(request))

    def cancel_request(self, amount: Money, *, payment_reference: str | None) -> CancelRequest:
        return CancelRequest(
            reference=self.reference(),
            authorization=self.authorization,
            payment_reference=payment_reference,
            amount=amount,
        )

    async def complete(self, parameters: Mapping[str, str]) -> Answer:
        request = CompleteRequest(
            reference=self.authorization, payment_reference=self.payment_reference, parameters=parameters
        )
        return await self.adapter.complete(request)

    async def lookup(self, payment_reference: str | None) -> Answer:
        request = LookupRequest(
            reference=self.authorization, authorization=self.authorization, payment_reference=payment_reference
        )
        return await self.adapter.lookup(request)


def euros(cents: int) -> Money:
    return Money(amount=cents, currency="EUR")


def only(answer: Answer) -> Fact:
    (fact,) = answer.facts
    return fact


def essence(fact: Fact) -> tuple[object, ...]:
    """What must be the same whichever way a fact reaches us."""
    return (fact.kind, fact.state, fact.amount, fact.psp_reference, fact.payment_reference, fact.reference, fact.at)


@asynccontextmanager
async def stranger(status: int, body: str) -> AsyncIterator[str]:
    """Something on the way to the PSP that answers everything in its place; its address."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(status=status, text=body)

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", answer)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    try:
        yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


class AdapterSuite:
    """Subclass it as `Test…` and give the `rig` fixture."""

    @pytest.fixture
    async def rig(self) -> AsyncIterator[Rig]:
        raise NotImplementedError("Give the fixture `rig`.")
        yield  # noqa: PT022 - what it is replaced by has something to take down

    async def heard(self, rig: Rig, kind: Kind, *states: State) -> list[Fact]:
        """The facts about this kind that webhooks bring, until it has reached all these states."""
        found: list[Fact] = []
        while [fact.state for fact in found] != list(states):
            webhook = await rig.webhook()
            rig.verifier.verify(webhook.headers, webhook.body)
            for event in rig.adapter.parse_webhook(webhook.body):
                found += [fact for fact in event.facts if fact.kind is kind]
        return found

    @pytest.mark.parametrize(
        "ask", ["authorize", "capture", "refund", "cancel", "complete", "lookup_ours", "lookup_theirs", "page"]
    )
    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (200, "<html>"),
            (200, ""),
            (404, "<html>default backend - 404</html>"),
            (404, ""),
            (408, ""),
            (502, "<html>"),
        ],
    )
    async def test_what_a_stranger_answers_in_the_psps_place_proves_nothing(
        self, rig: Rig, status: int, body: str, ask: str
    ):
        """Above all a gateway's 404: "I have no such route" must not be taken for "no such payment was ever made"."""
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(1000))
        before = await rig.effects()
        async with stranger(status, body) as url:
            order.adapter = rig.reached_at(url)
            calls = {
                "authorize": lambda: order.authorize(rig.token(Wish.APPROVED), euros(1000)),
                "capture": lambda: order.capture(euros(1)),
                "refund": lambda: order.refund(euros(1)),
                "cancel": lambda: order.adapter.cancel(
                    order.cancel_request(euros(1000), payment_reference=order.payment_reference)
                ),
                "complete": lambda: order.complete({"result": "ok"}),
                "lookup_ours": lambda: order.lookup(None),
                "lookup_theirs": lambda: order.lookup(order.payment_reference),
                "page": lambda: order.adapter.page(ListRequest(since=_PAST, until=_FUTURE)),
            }
            with pytest.raises(OutcomeUnknownError):
                await calls[ask]()
        assert await rig.effects() == before

    # Authorizing.

    async def test_an_authorization_is_a_success_that_bears_both_references(self, rig: Rig):
        order = Order(rig.adapter)
        answer = await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        fact = only(answer)
        assert (fact.kind, fact.state, fact.amount) == (Kind.AUTHORIZATION, State.SUCCESS, euros(4200))
        assert fact.reference == order.authorization
        assert fact.payment_reference == fact.psp_reference != ""
        assert fact.at.tzinfo is not None
        assert answer.action is None
        assert answer.instrument is not None
        assert answer.instrument.method == "card"
        (heard,) = await self.heard(rig, Kind.AUTHORIZATION, State.SUCCESS)
        assert essence(heard) == essence(fact)

    async def test_a_decline_is_a_failure_with_the_psps_code(self, rig: Rig):
        order = Order(rig.adapter)
        fact = only(await order.authorize(rig.token(Wish.DECLINED), euros(4200)))
        assert (fact.kind, fact.state, fact.reference) == (Kind.AUTHORIZATION, State.FAILURE, order.authorization)
        assert fact.code
        assert fact.message
        assert await rig.effects() == []
        (heard,) = await self.heard(rig, Kind.AUTHORIZATION, State.FAILURE)
        assert essence(heard) == essence(fact)

    async def test_an_action_leaves_the_authorization_pending_until_it_is_completed(self, rig: Rig):
        order = Order(rig.adapter)
        answer = await order.authorize(rig.token(Wish.ACTION), euros(4200))
        assert only(answer).state is State.PENDING
        assert answer.action is not None
        assert answer.action.type in ActionType
        assert answer.action.url.startswith("http")
        parameters = await rig.answer_action(order.payment_reference, approve=True)
        done = await order.complete(parameters)
        assert (only(done).state, done.action) == (State.SUCCESS, None)
        assert (await order.complete(parameters)).facts == done.facts
        assert await rig.effects() == ["authorization"]

    async def test_an_action_that_the_shopper_refused_fails_the_authorization(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.ACTION), euros(4200))
        parameters = await rig.answer_action(order.payment_reference, approve=False)
        fact = only(await order.complete(parameters))
        assert (fact.state, bool(fact.code)) == (State.FAILURE, True)

    async def test_a_completion_with_nothing_or_something_wrong_in_it_proves_nothing(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.ACTION), euros(4200))
        for parameters in ({}, {"result": ""}, {"result": "made-up"}):
            with pytest.raises(RefusedError):
                await order.complete(parameters)
        assert only(await order.lookup(order.payment_reference)).state is State.PENDING

    async def test_a_pending_authorization_settles_by_webhook(self, rig: Rig):
        order = Order(rig.adapter)
        assert only(await order.authorize(rig.token(Wish.PENDING), euros(4200))).state is State.PENDING
        await rig.settle(order.payment_reference)
        await self.heard(rig, Kind.AUTHORIZATION, State.PENDING, State.SUCCESS)

    async def test_a_reply_that_never_comes_is_asked_for_again_under_the_same_key(self, rig: Rig):
        order = Order(rig.adapter)
        assert only(await order.authorize(rig.token(Wish.TIMEOUT), euros(4200))).state is State.SUCCESS
        assert await rig.effects() == ["authorization"]

    async def test_the_same_request_again_has_no_second_effect(self, rig: Rig):
        order = Order(rig.adapter)
        wanted = order.wanted(rig.token(Wish.APPROVED), euros(4200))
        first, second = await rig.adapter.authorize(wanted), await rig.adapter.authorize(wanted)
        assert first == second
        order.payment_reference = first.facts[0].payment_reference or ""
        capture = order.capture_request(euros(100))
        assert await rig.adapter.capture(capture) == await rig.adapter.capture(capture)
        assert await rig.effects() == ["authorization", "capture"]

    async def test_the_same_key_for_something_else_leaves_the_outcome_open(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        with pytest.raises(OutcomeUnknownError):
            await order.authorize(rig.token(Wish.APPROVED), euros(4300))

    # Capturing, cancelling, refunding.

    async def test_an_authorization_is_captured_in_parts(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        first, second = await order.capture(euros(1000)), await order.capture(euros(1000))
        assert (first.kind, first.state, first.amount) == (Kind.CHARGE, State.SUCCESS, euros(1000))
        assert first.psp_reference != second.psp_reference
        assert first.reference != second.reference
        assert first.payment_reference == order.payment_reference
        heard = await self.heard(rig, Kind.CHARGE, State.SUCCESS, State.SUCCESS)
        assert {essence(fact) for fact in heard} == {essence(first), essence(second)}

    async def test_what_the_psp_will_never_do_is_refused_with_its_code(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        with pytest.raises(RefusedError) as too_much:
            await order.capture(euros(4201))
        assert too_much.value.code
        with pytest.raises(RefusedError):
            await order.refund(euros(1))
        with pytest.raises(RefusedError):
            await order.capture(Money(amount=1, currency="USD"))
        order.payment_reference = "no-such-payment"
        with pytest.raises(RefusedError):
            await order.capture(euros(1))
        assert await rig.effects() == ["authorization"]

    async def test_a_cancel_releases_what_is_left(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        await order.capture(euros(1000))
        request = order.cancel_request(euros(3200), payment_reference=order.payment_reference)
        fact = only(await rig.adapter.cancel(request))
        assert (fact.kind, fact.state, fact.amount) == (Kind.CANCEL_AUTHORIZATION, State.SUCCESS, euros(3200))
        assert fact.reference == request.reference
        (heard,) = await self.heard(rig, Kind.CANCEL_AUTHORIZATION, State.SUCCESS)
        assert essence(heard) == essence(fact)
        with pytest.raises(RefusedError):
            await order.capture(euros(1))

    async def test_a_payment_whose_id_never_reached_us_is_cancelled_by_our_reference(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        fact = only(await rig.adapter.cancel(order.cancel_request(euros(4200), payment_reference=None)))
        assert (fact.state, fact.payment_reference) == (State.SUCCESS, order.payment_reference)
        unknown = Order(rig.adapter).cancel_request(euros(1), payment_reference=None)
        with pytest.raises(RefusedError):
            await rig.adapter.cancel(unknown)

    async def test_a_cancel_has_one_outcome_also_where_the_psps_id_reaches_us_in_between(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        request = order.cancel_request(euros(4200), payment_reference=None)
        first = only(await rig.adapter.cancel(request))
        again = only(await rig.adapter.cancel(replace(request, payment_reference=order.payment_reference)))
        assert essence(again) == essence(first)
        assert (await rig.effects()).count("cancel") == 1

    async def test_a_cancel_that_came_before_its_payment_ends_and_is_not_left_open(self, rig: Rig):
        order = Order(rig.adapter)
        request = order.cancel_request(euros(4200), payment_reference=None)
        with pytest.raises(RefusedError) as first:
            await rig.adapter.cancel(request)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        for _ in range(2):
            with pytest.raises(RefusedError) as again:
                await rig.adapter.cancel(replace(request, payment_reference=order.payment_reference))
            assert again.value.code == first.value.code
        assert await rig.effects() == ["authorization"]

    async def test_a_cancel_before_anything_was_authorized_ends_the_authorization_too(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.ACTION), euros(4200))
        request = order.cancel_request(euros(4200), payment_reference=order.payment_reference)
        cancelled, ended = (await rig.adapter.cancel(request)).facts
        assert (cancelled.kind, cancelled.state) == (Kind.CANCEL_AUTHORIZATION, State.SUCCESS)
        assert (ended.kind, ended.state, ended.reference) == (Kind.AUTHORIZATION, State.FAILURE, order.authorization)
        parameters = {"result": "whatever"}
        with pytest.raises(RefusedError):
            await order.complete(parameters)

    async def test_refunds_are_taken_from_the_payment_or_from_one_capture(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        capture = await order.capture(euros(2000))
        first, second = await order.refund(euros(500)), await order.refund(euros(500), capture.psp_reference)
        assert (first.kind, first.state, first.amount) == (Kind.REFUND, State.SUCCESS, euros(500))
        assert first.psp_reference != second.psp_reference
        heard = await self.heard(rig, Kind.REFUND, State.SUCCESS, State.SUCCESS)
        assert {essence(fact) for fact in heard} == {essence(first), essence(second)}

    # What happens later.

    async def test_what_fails_after_it_succeeded_is_reversed(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        capture = await order.capture(euros(2000))
        refund = await order.refund(euros(500))
        await rig.fail_refund(refund.psp_reference or "")
        _, failed = await self.heard(rig, Kind.REFUND, State.SUCCESS, State.REVERSED)
        assert (failed.psp_reference, failed.reference) == (refund.psp_reference, refund.reference)
        await rig.fail_capture(capture.psp_reference or "")
        await self.heard(rig, Kind.CHARGE, State.REVERSED)

    async def test_every_round_of_a_dispute_is_a_chargeback_of_its_own(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        await order.capture(euros(2000))
        first = await rig.open_dispute(order.payment_reference)
        await rig.close_dispute(first, won=True)
        second = await rig.open_dispute(order.payment_reference)
        await rig.close_dispute(second, won=False)
        facts = await self.heard(rig, Kind.CHARGEBACK, State.PENDING, State.REVERSED, State.PENDING, State.SUCCESS)
        assert [fact.psp_reference for fact in facts] == [first, first, second, second]
        whole_payment = Reference(project_key=PROJECT, payment_id=order.payment_id)
        assert {fact.reference for fact in facts} == {whole_payment}
        assert {fact.amount for fact in facts} == {euros(2000)}

    # Looking up.

    async def test_a_lookup_tells_everything_by_each_reference_that_the_adapter_declares(self, rig: Rig):
        order = Order(rig.adapter)
        authorized = only(await order.authorize(rig.token(Wish.APPROVED), euros(4200)))
        captured = await order.capture(euros(2000))
        refunded = await order.refund(euros(500))
        for by, reference in ((LookupBy.PSP_REFERENCE, order.payment_reference), (LookupBy.OUR_REFERENCE, None)):
            found = {essence(fact) for fact in (await order.lookup(reference)).facts}
            everything = {essence(fact) for fact in (authorized, captured, refunded)}
            assert found == (everything if by in rig.adapter.capabilities.lookup_by else set())

    async def test_a_lookup_of_what_the_psp_never_heard_of_gives_nothing(self, rig: Rig):
        order = Order(rig.adapter)
        assert await order.lookup(None) == Answer(facts=())
        for unknown in ("no-such-payment", "../payments", "a/b", ".."):
            assert await order.lookup(unknown) == Answer(facts=())

    async def test_a_payment_that_is_asked_about_under_somebody_elses_name_is_found_by_our_reference_alone(
        self, rig: Rig
    ):
        """So a name that finds nothing proves nothing, and is no error either."""
        order = Order(rig.adapter)
        authorized = only(await order.authorize(rig.token(Wish.APPROVED), euros(4200)))
        for theirs in ("ERP-4711", "ERP 4711/1"):
            assert await order.lookup(theirs) == Answer(facts=())
        if LookupBy.OUR_REFERENCE in rig.adapter.capabilities.lookup_by:
            assert essence(only(await order.lookup(None))) == essence(authorized)

    async def test_a_lookup_of_an_open_action_gives_the_action_again(self, rig: Rig):
        order = Order(rig.adapter)
        answer = await order.authorize(rig.token(Wish.ACTION), euros(4200))
        assert (await order.lookup(order.payment_reference)).action == answer.action

    # The list.

    async def listed(self, rig: Rig, *, since: datetime, until: datetime) -> list[Fact]:
        facts: list[Fact] = []
        cursor: str | None = None
        while True:
            page = await rig.adapter.page(ListRequest(since=since, until=until, cursor=cursor))
            assert page.unreadable == ()
            facts += page.facts
            cursor = page.cursor
            if cursor is None:
                return facts

    async def test_a_list_has_all_that_was_made_in_the_span_as_a_lookup_tells_it(self, rig: Rig):
        if rig.adapter.capabilities.listing is Listing.NONE:
            with pytest.raises(UnsupportedError):
                await rig.adapter.page(ListRequest(since=_PAST, until=_FUTURE))
            return
        order, declined = Order(rig.adapter), Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        await order.capture(euros(2000))
        await order.refund(euros(500))
        await rig.open_dispute(order.payment_reference)
        await rig.adapter.cancel(order.cancel_request(euros(2200), payment_reference=order.payment_reference))
        await declined.authorize(rig.token(Wish.DECLINED), euros(700))
        everything = [*(await order.lookup(None)).facts, *(await declined.lookup(None)).facts]
        found = await self.listed(rig, since=_PAST, until=_FUTURE)
        assert {essence(fact) for fact in found} == {essence(fact) for fact in everything}
        assert len(found) == len(everything) == 6
        assert await self.listed(rig, since=_FUTURE, until=_FUTURE) == []
        assert await self.listed(rig, since=_PAST, until=_PAST) == []

    # Webhooks.

    async def test_a_webhook_that_was_touched_is_not_believed(self, rig: Rig):
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.APPROVED), euros(4200))
        webhook = await rig.webhook()
        rig.verifier.verify(webhook.headers, webhook.body)
        kept = {name: value for name, value in webhook.headers.items() if name in rig.verifier.headers}
        rig.verifier.verify(kept, webhook.body)
        with pytest.raises(UnverifiedWebhookError):
            rig.verifier.verify(webhook.headers, webhook.body + b" ")
        with pytest.raises(UnverifiedWebhookError):
            rig.verifier.verify({}, webhook.body)

    async def test_a_body_that_is_not_the_psps_format_is_a_value_error(self, rig: Rig):
        for body in (b"", b"\xff", b"[]", b"{}", b'{"id": 1}', b"null"):
            with pytest.raises(ValueError):
                rig.adapter.parse_webhook(body)

    # What it declares about itself.

    def test_a_transaction_id_is_a_key_that_the_psp_takes(self, rig: Rig):
        assert rig.adapter.capabilities.key_length_max >= 36
        assert rig.adapter.capabilities.methods
        assert rig.adapter.name

    async def test_tokens_are_masked_and_no_error_tells_them(self, rig: Rig):
        token = rig.token(Wish.APPROVED).get_secret_value()
        assert token not in rig.adapter.scrub(f"paid with {token}, then left")
        assert "4242424242424242" not in rig.adapter.scrub("number 4242424242424242.")
        order = Order(rig.adapter)
        await order.authorize(SecretStr(token), euros(1))
        with pytest.raises(PspError) as caught:
            await order.authorize(SecretStr(token), euros(2))
        assert token not in str(caught.value)
