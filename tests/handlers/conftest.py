"""The ingress over real HTTP on loopback, with the bus, the callers and commercetools as plain values."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
import structlog
from aiohttp import web
from pydantic import SecretStr

from bus.messages import Message, OperationResult, attributes, decode, encode
from bus.port import Delivery, Ending, PublishError
from bus.topics import Topic
from ct.callers import Caller, Merchant, Session, UnknownCallerError
from ct.stored import StoredMethod
from handlers.allowance import Allowance, Rate
from handlers.app import create_app
from handlers.dependencies import Dependencies, Limits
from handlers.replies import Replies
from handlers.serving import make_runner
from psp.capabilities import Capabilities, CaptureSupport, LookupBy, RefundScope, Remainder
from psp.errors import UnverifiedWebhookError
from psp.outcome import Standing
from psp.port import PspHealth

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
PUBLIC_URL = "https://pay.example"

SESSION = Session(
    owner="0wner" * 8,
    cart_id="11111111-2222-4333-8444-555555555555",
    allowed_payment_methods=None,
    merchant_return_url="https://shop.example/done?lang=de#top",
    correlation_id=None,
    gift_card_planned=None,
    future_order_number=None,
    checkout_transaction_item_id=None,
    payment_interface=None,
    processor_url=None,
)
CALLER = Caller(
    client_id="checkout", authorities=frozenset({"manage_checkout_payment_intents", "manage_checkout_transactions"})
)


def delivery(message: Message | bytes, headers: Mapping[str, str] | None = None) -> Delivery:
    data = message if isinstance(message, bytes) else encode(message)
    found = attributes(message) if headers is None and not isinstance(message, bytes) else headers or {}
    return Delivery(message_id="1", data=data, attributes=found, published_at=NOW, attempt=1)


@dataclass
class World:
    """Everything around the ingress, and what it saw."""

    published: list[tuple[Topic, Message, Mapping[str, str]]] = field(default_factory=list)
    endings: list[Ending] = field(default_factory=list)
    #: The result that comes as soon as a command is published; None: none.
    standing: Standing | None = None
    stored: Standing | None = None
    #: Whose the cart is; None: a guest's.
    customer: str | None = None
    #: What customers have stored.
    methods: list[StoredMethod] = field(default_factory=list)
    status_asked: list[dict[str, str]] = field(default_factory=list)
    publishing_fails: bool = False
    session: Session = SESSION
    caller: Caller = CALLER
    asked_of: list[str] = field(default_factory=list)
    #: The correlation ids with which callers were asked after.
    correlated: list[str] = field(default_factory=list)
    #: How the PSP is.
    health: PspHealth = field(default_factory=lambda: PspHealth(up=True, details="fine"))
    #: Raised by every check of a caller.
    callers_fault: Exception | None = None
    replies: Replies = field(default_factory=lambda: Replies(instance="ingress-1"))
    #: Set by every publish.
    happened: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def messages(self) -> list[Message]:
        return [message for _, message, _ in self.published]

    @property
    def message(self) -> Message:
        assert len(self.published) == 1, self.published
        return self.published[0][1]

    async def publish(self, topic: Topic, data: bytes, headers: Mapping[str, str]) -> None:
        if self.publishing_fails:
            raise PublishError("not confirmed")
        message = decode(data)
        self.published.append((topic, message, headers))
        if self.standing is not None and hasattr(message, "reply_to"):
            self.endings.append(await self.deliver(message.command_id, self.standing, message.reply_to))
        self.happened.set()

    async def deliver(self, command_id: str, standing: Standing, reply_to: str = "ingress-1") -> Ending:
        result = OperationResult(correlation_id="c", command_id=command_id, reply_to=reply_to, standing=standing)
        return await self.replies.handle(delivery(result))

    async def read(self, **asked: str) -> Standing | None:
        self.status_asked.append(asked)
        return self.stored


@dataclass
class Sessions:
    world: World

    async def check(self, session_id: str, *, correlation_id: str) -> Session:
        self.world.correlated.append(correlation_id)
        self.world.asked_of.append(session_id)
        if self.world.callers_fault:
            raise self.world.callers_fault
        if session_id != "session-1":
            raise UnknownCallerError("The session is not active. Start a new checkout session.")
        return self.world.session


@dataclass
class Callers:
    world: World

    async def check(self, bearer: str, *, correlation_id: str) -> Caller:
        self.world.correlated.append(correlation_id)
        self.world.asked_of.append(bearer)
        if self.world.callers_fault:
            raise self.world.callers_fault
        if bearer != "token-1":
            raise UnknownCallerError("The bearer token is not active. Ask commercetools for a new one.")
        return self.world.caller


@dataclass
class Merchants:
    world: World

    async def check(self, bearer: str, *, correlation_id: str) -> Merchant:
        self.world.asked_of.append(bearer)
        if self.world.callers_fault:
            raise self.world.callers_fault
        if bearer != "jwt-1":
            raise UnknownCallerError("The bearer token is not valid for this connector.")
        return Merchant(subject="merchant-1")


class Verifier:
    headers = frozenset({"x-signature", "x-optional"})

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        if headers.get("x-signature") != f"signed {len(body)}":
            raise UnverifiedWebhookError("the digest differs from 0xdeadbeef")


@dataclass
class Reads:
    world: World
    name = "sandbox"
    capabilities = Capabilities(
        methods=frozenset({"card", "invoice"}),
        captures=CaptureSupport.MULTIPLE,
        remainder=Remainder.KEPT,
        refund_scope=RefundScope.PAYMENT,
        key_lifetime=timedelta(days=1),
        key_length_max=64,
        lookup_by=frozenset(LookupBy),
    )

    def client_configuration(self) -> Mapping[str, str]:
        return {"clientKey": "pk_1", "environment": "test"}

    async def health(self) -> PspHealth:
        return self.world.health


@dataclass
class Ingress:
    """The running ingress and a client for it."""

    url: str
    client: aiohttp.ClientSession
    world: World
    dependencies: Dependencies

    async def ask(self, method: str, path: str, **options: object) -> tuple[aiohttp.ClientResponse, object]:
        async with self.client.request(method, self.url + path, allow_redirects=False, **options) as response:
            await response.read()
            return response, await response.json() if response.content_type == "application/json" else None

    async def pay(self, body: object = None, headers: Mapping[str, str] | None = None, **options: object):
        """POST /payments with a session."""
        sent = {"X-Session-Id": "session-1", **(headers or {})}
        if "data" not in options:
            options["json"] = body or {"paymentMethod": {"type": "card", "token": "tok_1"}}
        return await self.ask("POST", "/payments", headers=sent, **options)

    async def modify(
        self, *actions: object, headers: Mapping[str, str] | None = None, path: str = "p-1", **options: object
    ):
        """POST /operations/payment-intents/{id} with a token."""
        sent = {"Authorization": "Bearer token-1", **(headers or {})}
        if "data" not in options:
            options.setdefault("json", {"actions": list(actions)})
        return await self.ask("POST", f"/operations/payment-intents/{path}", headers=sent, **options)


def plenty() -> Allowance:
    """For tests that are about something else."""
    return Allowance(rate=Rate(per_s=1000, burst=100_000), clock=lambda: NOW, size=1000)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def dependencies(world: World) -> Dependencies:
    ids = map("id-{}".format, itertools.count(1))
    return Dependencies(
        publisher=world,
        sessions=Sessions(world),
        callers=Callers(world),
        merchants=Merchants(world),
        session_allowance=plenty(),
        caller_allowance=plenty(),
        verifiers={"sandbox": Verifier()},
        reads=Reads(world),
        replies=world.replies,
        status=world,
        clock=lambda: NOW,
        new_id=lambda: next(ids),
        instance="ingress-1",
        public_url=PUBLIC_URL,
        return_secret=SecretStr("return-secret"),
        project_key="shop-eu",
        version="1.2.3",
        # No test waits for what will not come, unless it says so.
        limits=Limits(payments_wait_s=0, intents_wait_s=0, return_wait_s=0),
    )


class Serve:
    """Starts ingresses and stops them after the test."""

    def __init__(self, world: World, dependencies: Dependencies) -> None:
        self._world = world
        self._dependencies = dependencies
        self._started: list[tuple[web.AppRunner, aiohttp.ClientSession]] = []

    async def __call__(self, **changes: object) -> Ingress:
        """An ingress of its own, with these dependencies changed."""
        dependencies = replace(self._dependencies, **changes)
        runner = make_runner(create_app(dependencies), shutdown_s=5)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        client = aiohttp.ClientSession()
        self._started.append((runner, client))
        return Ingress(f"http://{host}:{port}", client, self._world, dependencies)

    @property
    def runner(self) -> web.AppRunner:
        """The last one's."""
        return self._started[-1][0]

    async def stop(self) -> None:
        for runner, client in self._started:
            await client.close()
            await runner.cleanup()


@pytest.fixture
async def serve(world: World, dependencies: Dependencies) -> AsyncIterator[Serve]:
    serving = Serve(world, dependencies)
    yield serving
    await serving.stop()


@pytest.fixture
async def ingress(serve: Serve) -> Ingress:
    return await serve()


@pytest.fixture
def logs() -> Iterator[list[Mapping[str, object]]]:
    """Every event that the ingress logs, with what is bound to it."""
    captured = structlog.testing.LogCapture()
    structlog.configure(processors=[structlog.contextvars.merge_contextvars, captured])
    yield captured.entries
    structlog.reset_defaults()
