"""The workers at home: the real ones, over the commercetools stand-in's core and the PSP stand-in's real HTTP.

A test hands in messages one by one, so it chooses every order and every repetition. Nothing here waits for time.
"""

from __future__ import annotations

import itertools
import json
from base64 import b64encode
from collections import deque
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta

import aiohttp
from pydantic import SecretStr
from support.psp_servers import SECRET_KEY, running_psp

from bus.messages import (
    TOPICS,
    AuthorizePayment,
    CompleteAuthorization,
    OperationResult,
    PspNotification,
    attributes,
    decode,
    encode,
)
from bus.port import Delivery, PublishError
from bus.topics import Topic
from ct.fields import TYPES
from ct.ledger import Ledger
from ct.payment import parse_payment
from ct.turns import Turns
from ct.wire import Reply, refusal
from psp.http import Patience
from psp.on_account import on_account
from psp.port import PspSeams
from psp.sandbox.adapter import SandboxAdapter
from psp.sandbox.api import SandboxApi
from sandbox.commercetools.core import Call, Core
from sandbox.psp import views
from sandbox.psp.model import Terms
from workers.runtime import handler
from workers.work import Limits, Work

NEVER = Terms(
    auto_complete_after_s=None,
    action_expires_after_s=None,
    settles_after_s=None,
    fails_late_after_s=None,
    authorization_lifetime_s=None,
    hold_s=0.05,
)


class Clock:
    """Moves when a test says so."""

    def __init__(self):
        self.now = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def __call__(self):
        return self.now

    def pass_(self, **time):
        self.now += timedelta(**time)


class CoreClient:
    """`ct.client.Commercetools` without the wire: the same paths, the same errors, and a count of calls."""

    def __init__(self, core, clock, shared=None):
        self._core = core
        self._clock = clock
        self.shared = shared or {"calls": [], "faults": deque(), "notices": []}

    def with_correlation(self, _correlation_id):
        return self

    async def get(self, path, *, params=None):
        return await self._ask("GET", path, params=params)

    async def post(self, path, body, *, params=None):
        return await self._ask("POST", path, params=params, body=json.dumps(body).encode())

    async def delete(self, path, *, params=None):
        return await self._ask("DELETE", path, params=params)

    async def _ask(self, method, path, *, params=None, body=b""):
        self.shared["calls"].append(f"{method} {path}")
        fault = self.shared["faults"].popleft() if self.shared["faults"] else None
        if fault is not None and fault.before:
            await fault.strike()
        query = {name: [value] for name, value in (params or {}).items()}
        call = Call(method=method, path=f"/demo{path}", query=query, body=body)
        found = self._core.handle(call, self._clock())
        self.shared["notices"] += [one.payload for one in found.notices if one.notification_type == "Message"]
        if fault is not None and not fault.before:
            await fault.strike()
        reply = Reply(status=found.status, document=found.body)
        if not reply.good:
            raise refusal(reply, asked=f"{method} {path}")
        return reply.document


@dataclass(kw_only=True)
class Fault:
    """Something that happens around the next call to commercetools: an action of the test's, an error, or both."""

    error: Exception | None = None
    action: object = None
    before: bool = True

    async def strike(self):
        if self.action is not None:
            outcome = self.action()
            if hasattr(outcome, "__await__"):
                await outcome
        if self.error is not None:
            raise self.error


PASS = Fault()


@dataclass(kw_only=True)
class Queue:
    """A Publisher that keeps what is published until the test delivers it."""

    waiting: deque = field(default_factory=deque)
    results: dict = field(default_factory=dict)
    fails: int = 0

    async def publish(self, topic, data, _attributes):
        if self.fails:
            self.fails -= 1
            raise PublishError("The test says so.")
        if topic is Topic.RESULTS:
            result = decode(data)
            assert isinstance(result, OperationResult)
            self.results[result.command_id] = result.standing
            return
        self.waiting.append((topic, data))


@dataclass(kw_only=True)
class House:
    core: Core
    clock: Clock
    client: CoreClient
    psp: object
    http: aiohttp.ClientSession
    queue: Queue
    work: Work
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    # What outsiders do.

    async def cart(self, total=4200, **more):
        item = {
            "name": {"en": "shoes"},
            "slug": f"shoes-{next(self.numbers)}",
            "quantity": 1,
            "money": {"centAmount": total, "currencyCode": more.pop("currency", "EUR")},
        }
        draft = {"currency": item["money"]["currencyCode"], "customLineItems": [item], **more}
        return (await self.client.post("/carts", draft))["id"]

    def pay(self, cart, token="tok_approved", **more):
        """The command that the ingress makes of a shopper's POST /payments."""
        number = next(self.numbers)
        values = {
            "command_id": f"pay-{number}",
            "correlation_id": f"cor-{number}",
            "accepted_at": self.clock(),
            "reply_to": "instance",
            "cart_id": cart,
            "owner": "owner-1",
            "method": "card",
            "token": SecretStr(token),
            "request_hash": "hash",
            "return_url": "http://shop.example/return",
        }
        return AuthorizePayment(**(values | more))

    def come_back(self, command, result="", **more):
        number = next(self.numbers)
        values = {
            "command_id": f"back-{number}",
            "correlation_id": f"cor-{number}",
            "accepted_at": self.clock(),
            "reply_to": "instance",
            "operation": command.command_id,
            "cart_id": command.cart_id,
            "owner": command.owner,
            "parameters": {"result": result},
        }
        return CompleteAuthorization(**(values | more))

    def ask(self, kind, payment_id, **more):
        """A command that the ingress makes of a payment intent."""
        number = next(self.numbers)
        values = {
            "command_id": f"ask-{number}",
            "correlation_id": f"cor-{number}",
            "accepted_at": self.clock(),
            "reply_to": "instance",
            "payment_id": payment_id,
        }
        return kind(**(values | more))

    async def put(self, payment_id, kind, amount, state="Initial"):
        """A merchant puts a transaction on the Payment by hand; the notification about it."""
        payment = await self.client.get(f"/payments/{payment_id}")
        money = {"centAmount": amount, "currencyCode": "EUR"}
        draft = {"type": kind, "amount": money, "state": state}
        action = {"action": "addTransaction", "transaction": draft}
        self.client.shared["notices"].clear()
        await self.client.post(f"/payments/{payment_id}", {"version": payment["version"], "actions": [action]})
        (added,) = [one for one in self.client.shared["notices"] if one["type"] == "PaymentTransactionAdded"]
        return json.dumps(added).encode()

    async def control(self, path, **body):
        async with self.http.post(f"{self.psp.url}/__control{path}", json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    # Delivering.

    async def deliver(self, message, topic=None, work=None, attempt=1):
        """One delivery to the worker of the message's topic; how it ended."""
        data = message if isinstance(message, bytes) else encode(message)
        topic = topic or TOPICS[type(message)]
        name = next(
            one
            for one in ("authorize", "capture", "cancel", "refund", "methods", "webhook", "commercetools")
            if one == topic
        )
        _, handle = handler(name, work or self.work)
        delivery = Delivery(
            message_id=f"m-{next(self.numbers)}",
            data=data,
            attributes={} if isinstance(message, bytes) else attributes(message),
            published_at=self.clock(),
            attempt=attempt,
        )
        return await handle(delivery)

    async def pump(self):
        """Deliver what the workers have published, until nothing is left."""
        endings = []
        while self.queue.waiting:
            topic, data = self.queue.waiting.popleft()
            endings.append(await self.deliver(data, topic))
        return endings

    def events(self):
        """All events of the PSP so far, as the notifications that the ingress would publish."""
        return [self.notification(views.event(one)) for one in self.psp.house.outbox.events.values()]

    def notification(self, event, **more):
        values = {
            "event_id": f"n-{next(self.numbers)}",
            "correlation_id": f"cor-{next(self.numbers)}",
            "psp": "sandbox",
            "headers": {},
            "body": b64encode(json.dumps(event).encode()),
            "received_at": self.clock(),
        }
        return PspNotification(**(values | more))

    # Looking.

    def standing(self, command):
        return self.queue.results[command.command_id]

    async def payment(self, payment_id):
        return parse_payment(await self.client.get(f"/payments/{payment_id}"))

    def payments(self):
        return [parse_payment(one) for one in self.core.documents("payment")]

    def rows(self, payment):
        return sorted((one.kind.value, one.state.value, one.amount.amount) for one in payment.transactions)

    def effects(self, kind=None):
        """Movements of money at the PSP."""
        effects = [views.effect(one) for one in self.psp.house.books.effects]
        return [one for one in effects if kind in (None, one["kind"])]

    @asynccontextmanager
    async def counting(self):
        """Collects the calls to commercetools made within the block."""
        calls = []
        start = len(self.client.shared["calls"])
        yield calls
        calls += self.client.shared["calls"][start:]

    def fault(self, *faults):
        """What happens around the next calls to commercetools, one each."""
        self.client.shared["faults"].extend(faults)

    async def authorized(self, total=4200):
        """A Payment whose money is held."""
        command = self.pay(await self.cart(total))
        await self.deliver(command)
        return await self.payment(self.standing(command).payment_reference)


async def _types(client):
    for custom in TYPES:
        definitions = [
            {
                "name": str(name),
                "label": {"en": str(name)},
                "required": False,
                "type": {"name": kind.value},
                "inputHint": "SingleLine",
            }
            for name, kind in custom.fields.items()
        ]
        draft = {"key": custom.key, "name": {"en": custom.name}, "resourceTypeIds": [custom.resource]}
        await client.post("/types", draft | {"fieldDefinitions": definitions})


@asynccontextmanager
async def open_house(*, limits=None, terms=NEVER, types=True):
    clock = Clock()
    numbers = itertools.count(1)
    core = Core(project_key="demo", new_id=lambda: f"00000000-0000-4000-8000-{next(numbers):012d}")
    client = CoreClient(core, clock)
    if types:
        await _types(client)
    queue = Queue()
    async with running_psp(clock=clock, terms=terms) as psp, aiohttp.ClientSession() as http:
        seams = PspSeams(session=http, clock=clock, draw=lambda: 0.0, project_key="demo")
        api = SandboxApi(
            session=seams.session,
            draw=seams.draw,
            url=psp.url,
            secret_key=SecretStr(SECRET_KEY),
            patience=Patience(try_s=2.0, tries=3, total_s=8.0),
        )
        ledger = Ledger(
            client=client, interface="ctpay-sandbox", turns=Turns(), draw=lambda: 0.0, conflicts_within_s=5.0
        )
        work = Work(
            ledger=ledger,
            psp=SandboxAdapter(api),
            publisher=queue,
            clock=clock,
            project_key="demo",
            limits=limits or Limits(),
            others=on_account(clock),
        )
        yield House(core=core, clock=clock, client=client, psp=psp, http=http, queue=queue, work=work)


def with_psp(house, **methods):
    """The same work with some of the PSP's methods replaced."""

    class Replaced:
        name = house.work.psp.name
        capabilities = house.work.psp.capabilities

        def __getattr__(self, name):
            return methods.get(name) or getattr(house.work.psp, name)

    return replace(house.work, psp=Replaced())
