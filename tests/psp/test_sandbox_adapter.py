"""The Sandbox Pay adapter against Sandbox Pay over real HTTP: the behaviour suite, and what is its own."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import aiohttp
import pytest
from aiohttp import web
from pydantic import SecretStr, ValidationError
from support.adapter_suite import PROJECT, AdapterSuite, Order, Webhook, Wish, euros, only, stranger
from support.psp_servers import PUBLISHABLE_KEY, SECRET_KEY, WEBHOOK_SECRET, running_psp, wall_clock
from support.scripted_server import hanging, scripted

from psp.errors import OutcomeUnknownError, RefusedError, RetryableError, UnknownVocabularyError
from psp.facts import Action, ActionType, Kind, State
from psp.http import Patience
from psp.port import ListRequest, PspSeams
from psp.sandbox import table
from psp.sandbox.adapter import SandboxAdapter
from psp.sandbox.api import SandboxApi
from psp.sandbox.settings import SandboxSettings
from psp.signature import StandardWebhookVerifier
from sandbox.psp.behaviour import Verdict
from sandbox.psp.model import OperationKind, OperationStatus, PaymentStatus, Terms
from sandbox.psp.server import Running
from sandbox.psp.world import Decision

PATIENCE = Patience(try_s=1.0, connect_s=0.5, total_s=8.0, first_wait_s=0.01, longest_wait_s=0.05)

TOKENS = {
    Wish.APPROVED: "tok_approved",
    Wish.DECLINED: "tok_insufficient_funds",
    Wish.ACTION: "tok_3ds",
    Wish.PENDING: "tok_pending",
    Wish.TIMEOUT: "tok_timeout",
}


class SandboxRig:
    """The adapter, and the house it talks to, in the same process."""

    def __init__(self, psp: Running, session: aiohttp.ClientSession, received: asyncio.Queue) -> None:
        self.psp = psp
        self.house = psp.house
        self.session = session
        self.received = received
        self.adapter = self.adapter_with(SECRET_KEY)
        self.verifier = StandardWebhookVerifier(secrets=[SecretStr(WEBHOOK_SECRET)], clock=wall_clock)

    def adapter_with(self, key: str, *, url: str | None = None, patience: Patience = PATIENCE) -> SandboxAdapter:
        api = SandboxApi(
            session=self.session,
            draw=lambda: 0.5,
            url=url or self.psp.url,
            secret_key=SecretStr(key),
            patience=patience,
        )
        return SandboxAdapter(api)

    def reached_at(self, url: str) -> SandboxAdapter:
        return self.adapter_with(SECRET_KEY, url=url)

    def token(self, wish: Wish) -> SecretStr:
        return SecretStr(TOKENS[wish])

    async def answer_action(self, payment_reference: str, *, approve: bool) -> Mapping[str, str]:
        decision = Decision.APPROVE if approve else Decision.REFUSE
        payment = self.house.world.answer_challenge(payment_reference, decision, wall_clock())
        return {"result": payment.result or ""}

    async def settle(self, payment_reference: str) -> None:
        self.house.world.settle(payment_reference, Decision.APPROVE, wall_clock())
        self.house.stir.set()

    async def fail_refund(self, refund_reference: str) -> None:
        self.house.world.fail_operation(OperationKind.REFUND, refund_reference, wall_clock())
        self.house.stir.set()

    async def fail_capture(self, capture_reference: str) -> None:
        self.house.world.fail_operation(OperationKind.CAPTURE, capture_reference, wall_clock())
        self.house.stir.set()

    async def open_dispute(self, payment_reference: str) -> str:
        now = wall_clock()
        dispute = self.house.world.open_dispute(payment_reference, amount=None, reason="fraudulent", now=now)
        self.house.stir.set()
        return dispute.id

    async def close_dispute(self, dispute_reference: str, *, won: bool) -> None:
        outcome = OperationStatus.WON if won else OperationStatus.LOST
        self.house.world.close_dispute(dispute_reference, outcome, wall_clock())
        self.house.stir.set()

    async def webhook(self) -> Webhook:
        async with asyncio.timeout(10):
            return await self.received.get()

    async def effects(self) -> list[str]:
        return [str(each.kind) for each in self.house.books.effects]

    async def control(self, method: str, path: str, body: object) -> None:
        async with self.session.request(method, f"{self.psp.url}/__control/{path}", json=body) as response:
            assert response.status < 300, await response.text()


@asynccontextmanager
async def sandbox_rig(terms: Terms | None = None) -> AsyncIterator[SandboxRig]:
    received: asyncio.Queue = asyncio.Queue()
    # One at a time and in order, so that a test can say what it expects.
    turn = asyncio.Lock()

    async def receive(request: web.Request) -> web.Response:
        async with turn:
            headers = {name.lower(): value for name, value in request.headers.items()}
            received.put_nowait(Webhook(headers=headers, body=await request.read()))
        return web.Response()

    app = web.Application()
    app.router.add_post("/hook", receive)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    url = f"http://127.0.0.1:{runner.addresses[0][1]}/hook"
    async with (
        running_psp(webhook_url=url, terms=terms or Terms(settles_after_s=None)) as psp,
        aiohttp.ClientSession() as session,
    ):
        yield SandboxRig(psp, session, received)
    await runner.cleanup()


class TestSandboxAdapter(AdapterSuite):
    @pytest.fixture
    async def rig(self) -> AsyncIterator[SandboxRig]:
        async with sandbox_rig() as rig:
            yield rig


@pytest.fixture
async def rig() -> AsyncIterator[SandboxRig]:
    async with sandbox_rig() as made:
        yield made


async def test_every_published_event_type_has_a_row_and_every_row_is_published(rig):
    headers = {"Authorization": f"Bearer {SECRET_KEY}"}
    async with rig.session.get(f"{rig.psp.url}/v1/event_types", headers=headers) as response:
        published = {each["type"] for each in (await response.json())["data"]}
    assert set(table.EVENTS) == published


def test_every_word_of_the_psp_has_a_row():
    assert set(table.UNAUTHORIZED) | set(table.AUTHORIZED) == {str(status) for status in PaymentStatus}
    assert set(table.KINDS) == {str(kind) for kind in OperationKind}
    assert set(table.STATES) == {str(status) for status in OperationStatus}
    assert set(table.ACTIONS) <= {str(verdict) for verdict in Verdict}


def event(kind: str = "capture.succeeded", **changes: object) -> bytes:
    data = {
        "object": "capture",
        "id": "cap_1",
        "payment": "pay_1",
        "amount": 100,
        "currency": "EUR",
        "status": "succeeded",
        "metadata": {"project_key": PROJECT, "payment_id": "p", "transaction_id": "t"},
        "failure": None,
        "payment_metadata": {"project_key": PROJECT, "payment_id": "p", "transaction_id": "a"},
        "payment_amount_authorized": 100,
        "succeeded_at": "2030-01-01T00:00:00Z",
        "updated": "2030-01-01T00:00:00Z",
        **changes,
    }
    return json.dumps({"id": "evt_1", "type": kind, "created": "2030-01-01T00:00:00Z", "data": data}).encode()


async def test_an_event_brings_its_id_its_type_and_the_psps_time(rig):
    (parsed,) = rig.adapter.parse_webhook(event())
    assert (parsed.id, parsed.type) == ("evt_1", "capture.succeeded")
    assert parsed.facts[0].at == datetime(2030, 1, 1, tzinfo=UTC)


@pytest.mark.parametrize(
    "changes",
    [
        {"kind": "capture.teleported"},
        {"status": "lukewarm"},
        {"status": "pending"},
        {"object": "transfer"},
    ],
)
async def test_an_unknown_word_is_recorded_as_unknown_and_never_guessed(rig, changes):
    with pytest.raises(UnknownVocabularyError, match=r"table\.py"):
        rig.adapter.parse_webhook(event(**changes))


@pytest.mark.parametrize(
    "changes",
    [
        {"amount": -1},
        {"amount": 1.5},
        {"amount": "1"},
        {"currency": "XXX"},
        {"updated": "yesterday"},
        {"metadata": None},
    ],
)
async def test_an_event_with_a_field_out_of_order_is_a_value_error_that_does_not_repeat_it(rig, changes):
    with pytest.raises(ValueError) as caught:
        rig.adapter.parse_webhook(event(**changes))
    assert "yesterday" not in str(caught.value)


@pytest.mark.parametrize("name", ["", "evt 1", "evt_1\n", "evt_\u00e4", "e" * 129])
async def test_an_event_whose_id_could_be_no_header_is_a_value_error(rig, name):
    with pytest.raises(ValueError, match="id"):
        rig.adapter.parse_webhook(json.dumps(json.loads(event()) | {"id": name}).encode())


async def test_the_longest_id_that_a_header_takes_is_an_events(rig):
    (parsed,) = rig.adapter.parse_webhook(json.dumps(json.loads(event()) | {"id": "~" * 128}).encode())
    assert parsed.id == "~" * 128


@pytest.mark.parametrize("metadata", [{}, {"project_key": PROJECT}, {"order": "1"}])
async def test_an_operation_made_at_the_psp_bears_our_payments_reference_or_none(rig, metadata):
    (of_ours,) = rig.adapter.parse_webhook(event(metadata=metadata))[0].facts
    assert of_ours.reference is not None
    assert (of_ours.reference.payment_id, of_ours.reference.transaction_id) == ("p", None)
    (of_others,) = rig.adapter.parse_webhook(event(metadata=metadata, payment_metadata=metadata))[0].facts
    assert of_others.reference is None
    assert of_others.payment_reference == "pay_1"


async def test_a_failure_before_success_is_a_failure_and_after_it_a_reversal(rig):
    (before,) = rig.adapter.parse_webhook(event("capture.failed", status="failed", succeeded_at=None))[0].facts
    (after,) = rig.adapter.parse_webhook(event("capture.failed", status="failed"))[0].facts
    assert (before.state, after.state) == (State.FAILURE, State.REVERSED)


async def test_an_expiry_releases_what_was_held_and_ends_what_was_never_authorized(rig):
    held = Order(rig.adapter)
    await held.authorize(rig.token(Wish.APPROVED), euros(1000))
    await held.capture(euros(400))
    await rig.control("POST", f"payments/{held.payment_reference}/expire", {})
    facts = (await held.lookup(None)).facts
    assert [(fact.kind, fact.state, fact.amount) for fact in facts] == [
        (Kind.AUTHORIZATION, State.SUCCESS, euros(1000)),
        (Kind.CHARGE, State.SUCCESS, euros(400)),
        (Kind.CANCEL_AUTHORIZATION, State.SUCCESS, euros(600)),
    ]
    never = Order(rig.adapter)
    await never.authorize(rig.token(Wish.ACTION), euros(1000))
    await rig.control("POST", f"payments/{never.payment_reference}/expire", {})
    looked_up = only(await never.lookup(None))
    assert (looked_up.kind, looked_up.state, looked_up.code) == (Kind.AUTHORIZATION, State.FAILURE, "expired")
    events = []
    while "payment.expired" not in events or events.count("payment.expired") < 2:
        (parsed,) = rig.adapter.parse_webhook((await rig.webhook()).body)
        events.append(parsed.type)
    (heard,) = parsed.facts
    assert (heard.kind, heard.state, heard.reference) == (Kind.AUTHORIZATION, State.FAILURE, never.authorization)


async def test_an_approval_that_nobody_completes_still_reaches_us():
    async with sandbox_rig(Terms(auto_complete_after_s=0.05)) as rig:
        order = Order(rig.adapter)
        await order.authorize(rig.token(Wish.ACTION), euros(1000))
        await rig.answer_action(order.payment_reference, approve=True)
        rig.house.stir.set()
        types = [rig.adapter.parse_webhook((await rig.webhook()).body)[0].type for _ in range(2)]
        assert types == ["payment.action_required", "payment.authorized"]


async def test_a_redirect_is_an_action_of_its_own_kind(rig):
    order = Order(rig.adapter)
    answer = await order.authorize(SecretStr("tok_3ds_redirect"), euros(1000))
    url = f"{rig.psp.url}/challenge/{order.payment_reference}"
    assert answer.action == Action(type=ActionType.REDIRECT, url=url)


async def test_a_late_approval_wins_over_the_decline_before_it(rig):
    order = Order(rig.adapter)
    await order.authorize(rig.token(Wish.DECLINED), euros(1000))
    await rig.settle(order.payment_reference)
    assert only(await order.lookup(None)).state is State.SUCCESS


@pytest.mark.parametrize("token", ["tok_error_after", "tok_drop"])
async def test_a_lost_reply_is_found_by_lookup_or_by_the_same_key(rig, token):
    order = Order(rig.adapter)
    if token == "tok_drop":
        assert only(await order.authorize(SecretStr(token), euros(1000))).state is State.SUCCESS
    else:
        with pytest.raises(OutcomeUnknownError):
            await order.authorize(SecretStr(token), euros(1000))
    assert only(await order.lookup(None)).state is State.SUCCESS
    assert await rig.effects() == ["authorization"]


@pytest.mark.parametrize(
    ("fault", "error"),
    [
        ({"kind": "rate_limit", "delay_s": 60}, RetryableError),
        ({"kind": "error_before", "times": 3, "status": 503}, OutcomeUnknownError),
        ({"kind": "drop_before", "times": 3}, OutcomeUnknownError),
        ({"kind": "error_after", "status": 502}, OutcomeUnknownError),
        ({"kind": "rate_limit", "delay_s": 1}, None),
        ({"kind": "error_before", "status": 503}, None),
        ({"kind": "drop_reply", "times": 2}, None),
    ],
    ids=lambda value: (
        value.__name__ if isinstance(value, type) else "-".join(map(str, value.values())) if value else "ok"
    ),
)
async def test_bad_luck_is_outlasted_or_named_by_what_it_leaves_open(rig, fault, error):
    order = Order(rig.adapter)
    await rig.control("PUT", "faults", [fault])
    if error is None:
        assert only(await order.authorize(rig.token(Wish.APPROVED), euros(1000))).state is State.SUCCESS
        assert await rig.effects() == ["authorization"]
    else:
        with pytest.raises(error):
            await order.authorize(rig.token(Wish.APPROVED), euros(1000))


async def test_a_key_in_progress_is_waited_for(rig):
    await rig.control("PUT", "faults", [{"kind": "delay_before", "delay_s": 0.6}])
    patient = rig.adapter_with(SECRET_KEY, patience=Patience(try_s=0.3, tries=8, first_wait_s=0.4, longest_wait_s=0.8))
    assert only(await Order(patient).authorize(rig.token(Wish.APPROVED), euros(1000))).state is State.SUCCESS
    assert await rig.effects() == ["authorization"]


async def test_a_key_that_stays_in_progress_leaves_the_outcome_open(rig):
    await rig.control("PUT", "faults", [{"kind": "delay_before", "delay_s": 3}])
    quick = rig.adapter_with(SECRET_KEY, patience=Patience(try_s=0.5, first_wait_s=0.01, longest_wait_s=0.01))
    with pytest.raises(OutcomeUnknownError, match="still at an earlier try"):
        await Order(quick).authorize(rig.token(Wish.APPROVED), euros(1000))


async def test_a_wrong_key_of_ours_is_retryable_and_told_without_the_key(rig):
    wrong = rig.adapter_with("sk_wrong")
    with pytest.raises(RetryableError) as caught:
        await Order(wrong).authorize(rig.token(Wish.APPROVED), euros(1000))
    assert "sk_wrong" not in str(caught.value)
    assert await rig.effects() == []


@pytest.mark.parametrize(("status", "body"), [(200, "{}"), (400, '{"error": "?"}'), (404, "{}")])
async def test_json_that_is_not_the_psps_proves_nothing(rig, status, body):
    async with stranger(status, body) as url:
        order = Order(rig.reached_at(url))
        for ask in (order.authorize(rig.token(Wish.APPROVED), euros(1000)), order.lookup(None), order.lookup("pay_1")):
            with pytest.raises(OutcomeUnknownError, match="not the PSP's"):
                await ask


async def test_a_route_that_the_psp_does_not_know_is_no_missing_payment(rig):
    async with stranger(404, '{"error": {"code": "not_found", "message": "There is no such route."}}') as url:
        for reference in (None, "pay_1"):
            with pytest.raises(RefusedError):
                await Order(rig.reached_at(url)).lookup(reference)


async def test_an_answer_in_words_we_do_not_know_leaves_the_outcome_open(rig, monkeypatch):
    order = Order(rig.adapter)
    await order.authorize(rig.token(Wish.APPROVED), euros(1000))
    monkeypatch.setattr(table, "AUTHORIZED", {})
    with pytest.raises(OutcomeUnknownError, match="payment status"):
        await order.lookup(None)
    monkeypatch.setattr(table, "KINDS", {})
    with pytest.raises(OutcomeUnknownError, match="object"):
        await order.capture(euros(1))


async def test_another_method_than_card_is_refused_here(rig):
    order = Order(rig.adapter)
    wanted = order.wanted(rig.token(Wish.APPROVED), euros(1))
    invoice = type(wanted)(**{name: getattr(wanted, name) for name in wanted.__slots__} | {"method": "invoice"})
    with pytest.raises(RefusedError) as caught:
        await rig.adapter.authorize(invoice)
    assert caught.value.code == "unsupported_method"


async def test_what_reaches_the_psp_names_us_and_the_merchant(rig):
    order = Order(rig.adapter)
    await order.authorize(rig.token(Wish.APPROVED), euros(1000))
    payment = rig.house.books.find(order.payment_reference)
    assert payment.description == "Order 1001"
    assert payment.key == order.authorization.transaction_id
    assert payment.metadata == {
        "project_key": PROJECT,
        "payment_id": order.payment_id,
        "transaction_id": order.authorization.transaction_id,
    }


# The list.


async def test_a_long_list_comes_in_pages_that_can_be_asked_for_again(rig):
    order = Order(rig.adapter)
    await order.authorize(rig.token(Wish.APPROVED), euros(40000))
    for _ in range(102):
        await order.capture(euros(1))
    span = {"since": datetime(2000, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}
    first = await rig.adapter.page(ListRequest(**span))
    second = await rig.adapter.page(ListRequest(**span, cursor=first.cursor))
    assert (len(first.facts), len(second.facts), second.cursor) == (100, 3, None)
    assert await rig.adapter.page(ListRequest(**span, cursor=first.cursor)) == second


async def test_an_entry_that_nobody_can_read_is_named_and_hides_no_other(rig, monkeypatch):
    order = Order(rig.adapter)
    await order.authorize(rig.token(Wish.APPROVED), euros(4200))
    capture = await order.capture(euros(100))
    monkeypatch.setattr(table, "KINDS", {})
    span = {"since": datetime(2000, 1, 1, tzinfo=UTC), "until": datetime(2100, 1, 1, tzinfo=UTC)}
    page = await rig.adapter.page(ListRequest(**span))
    assert [fact.kind for fact in page.facts] == [Kind.AUTHORIZATION]
    (why,) = page.unreadable
    assert capture.psp_reference in why
    assert "table.py" in why


# Settings and reads.

BLOCK = {
    "SANDBOX_PSP_URL": "http://127.0.0.1:1/",
    "SANDBOX_PSP_SECRET_KEY": "sk_x",
    "SANDBOX_PSP_PUBLISHABLE_KEY": PUBLISHABLE_KEY,
    "SANDBOX_PSP_WEBHOOK_SECRETS": f"{WEBHOOK_SECRET} {WEBHOOK_SECRET}",
}


def block(monkeypatch, **changes: str) -> SandboxSettings:
    for name, value in {**BLOCK, **changes}.items():
        monkeypatch.setenv(name, value)
    return SandboxSettings()


def test_the_settings_block_keeps_its_secrets(monkeypatch):
    settings = block(monkeypatch)
    assert len(settings.webhook_secrets) == 2
    assert "sk_x" not in repr(settings)
    assert WEBHOOK_SECRET not in repr(settings)


def test_every_missing_setting_is_told_at_once(monkeypatch):
    for name in BLOCK:
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ValidationError) as caught:
        SandboxSettings()
    assert caught.value.error_count() == len(BLOCK)


@pytest.mark.parametrize("secret", ["whsec_not base64!", "whsec_" + base64.b64encode(b"short").decode(), ","])
def test_an_unusable_webhook_secret_does_not_start(monkeypatch, secret):
    with pytest.raises(ValidationError) as caught:
        block(monkeypatch, SANDBOX_PSP_WEBHOOK_SECRETS=secret)
    assert "whsec_not" not in str(caught.value)


async def test_the_ingress_gets_reads_and_a_verifier_and_learns_whether_the_psp_is_up(rig, monkeypatch):
    seams = PspSeams(session=rig.session, clock=wall_clock, draw=lambda: 0.5, project_key=PROJECT)
    up = block(monkeypatch, SANDBOX_PSP_URL=rig.psp.url, SANDBOX_PSP_PUBLIC_URL="https://psp.test/")
    reads = up.reads(seams)
    assert reads.client_configuration() == {
        "environment": "sandbox",
        "fieldsUrl": "https://psp.test/fields",
        "walletUrl": "https://psp.test/wallet",
        "publishableKey": PUBLISHABLE_KEY,
    }
    assert (await reads.health()).up
    await Order(rig.adapter).authorize(rig.token(Wish.APPROVED), euros(1))
    webhook = await rig.webhook()
    up.verifier(seams).verify(webhook.headers, webhook.body)
    down = block(monkeypatch, SANDBOX_PSP_URL="http://127.0.0.1:9").reads(seams)
    assert not (await down.health()).up
    assert isinstance(up.adapter(seams), SandboxAdapter)


async def test_the_adapter_has_the_patience_that_it_is_given(rig, monkeypatch):
    async with scripted() as silent:
        silent.on("/v1/payments", hanging())
        patience = Patience(try_s=0.5, tries=2, total_s=5.0, first_wait_s=0.0, longest_wait_s=0.0)
        seams = PspSeams(
            session=rig.session, clock=wall_clock, draw=lambda: 0.0, project_key=PROJECT, patience=patience
        )
        adapter = block(monkeypatch, SANDBOX_PSP_URL=silent.url).adapter(seams)
        with pytest.raises(OutcomeUnknownError):
            await Order(adapter).authorize(SecretStr("tok_approved"), euros(1))
        assert len(silent.asked) == 2
