"""The whole product in one loop: put together by its own composition root, logging by its own chain, over real HTTP.

Only the bus is in memory. Between it and the stand-ins stands a wire that can answer in their place, and what it then
answers quotes whatever it was asked: the worst that somebody outside can do with what we tell.
"""

from __future__ import annotations

import io
import json
import logging
import secrets
from contextlib import asynccontextmanager, contextmanager, redirect_stderr, redirect_stdout
from dataclasses import dataclass, field, replace
from datetime import timedelta
from http import HTTPStatus

import aiohttp
import structlog
from aiohttp import web
from rich.console import Console
from support.commercetools_servers import ids, wall_clock
from support.house import _types
from support.polling import eventually

from bus import letters
from bus.memory import Happening, MemoryBus
from bus.messages import decode
from bus.port import Delivery
from bus.topics import Topic
from ct.wire import refusal
from ctpay import letter_view, local, logs, wiring
from ctpay.letters import Desk
from ctpay.ports import free
from ctpay.seams import Seams
from ctpay.settings import LogFormat, LogLevel, Logs, load, load_ingress
from handlers import app as ingress_app
from handlers.serving import make_runner
from sandbox.commercetools.server import serve as serve_commercetools
from sandbox.commercetools.tokens import Client, demo_clients
from sandbox.psp.model import Terms
from sandbox.psp.outbox import headers_of
from sandbox.psp.server import serve as serve_psp
from workers import reconcile_schedule
from workers.runtime import WORKERS

PAN, CVC = "4242424242424242", "cvc=7391"
HOST = "127.0.0.1"
#: Nobody waits for what will not come.
QUICK = {
    "COMMERCETOOLS_TRIES": "1",
    "CONFLICTS_S": "0.05",
    "PAYMENTS_WAIT_S": "0.01",
    "INTENTS_WAIT_S": "0.01",
    "RETURN_WAIT_S": "0.01",
    "RECONCILE_RESTED_S": "0.01",
    # Whoever tries everything is one caller, and is to be refused for what is sent and not for how often.
    "SESSION_BURST_MAX": "10000",
    "CALLER_BURST_MAX": "10000",
}
#: Columns of a person's terminal: what is looked for in what commands say must not be cut.
WIDE = 100_000


@dataclass(kw_only=True)
class Wire:
    """Carries requests to a stand-in, or answers them itself: `answers` gets what was asked, and gives a reply or None."""

    target: str
    client: aiohttp.ClientSession
    url: str = ""
    answers: object = staticmethod(lambda asked: None)
    #: Changes what the stand-in has answered.
    changes: object = staticmethod(lambda document: document)
    answered: int = 0
    #: All that was sent this way.
    carried: list = field(default_factory=list)

    async def handle(self, request):
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name.lower() != "host"}
        sent = f"{request.path_qs} {headers} {body.decode(errors='replace')}"
        self.carried.append(sent)
        asked = f"{request.method} {sent} {PAN} {CVC}"
        reply = self.answers(asked)
        if reply is not None:
            self.answered += 1
            return reply
        async with self.client.request(
            request.method, self.target + request.raw_path, data=body, headers=headers
        ) as response:
            found = json.loads(await response.read() or "null")
            return web.json_response(self.changes(found), status=response.status)


@asynccontextmanager
async def running(app):
    """The application on any free port; its URL."""
    runner = app if isinstance(app, web.AppRunner) else web.AppRunner(app, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, HOST, 0).start()
    try:
        yield f"http://{HOST}:{runner.addresses[0][1]}"
    finally:
        await runner.cleanup()


@asynccontextmanager
async def open_wire(target, client):
    wire = Wire(target=target, client=client)
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", wire.handle)
    async with running(app) as url:
        wire.url = url
        yield wire


@dataclass(kw_only=True)
class Subscribed:
    """Where commercetools delivers to: our bus."""

    bus: MemoryBus

    async def publish(self, _topic, messages):
        for data, attributes in messages:
            await self.bus.publish(Topic.COMMERCETOOLS, data, attributes)

    async def close(self):
        """Nothing is open."""


@dataclass(kw_only=True)
class Met:
    """What has been at work."""

    #: (method, path) of the ingress's table whose handler was called.
    routes: set = field(default_factory=set)
    workers: set = field(default_factory=set)


@dataclass(kw_only=True)
class Product:
    """What runs, and everything that it has said to anybody."""

    environment: dict[str, str]
    url: str
    client: aiohttp.ClientSession
    bus: MemoryBus
    commercetools: object
    psp: object
    to_commercetools: Wire
    to_psp: Wire
    stream: io.StringIO
    #: Masks what looks like a secret, as the command line does.
    mask: object
    #: What it runs on.
    seams: Seams
    #: The routes whose handlers have been called.
    called: set
    #: What commands have told who ran them.
    said: list = field(default_factory=list)
    #: What somebody has put on the bus past the product; it may be anything.
    thrown_in: set = field(default_factory=set)
    merchant: str = ""
    #: The token of somebody in the Merchant Center.
    person: str = ""
    #: How long the callers would wait for results, in seconds.
    wait_s: int = 10
    replies: list = field(default_factory=list)

    async def ask(self, method, path, **options):
        """One request to the ingress; status and text, which are kept."""
        async with self.client.request(method, self.url + path, allow_redirects=False, **options) as response:
            self.replies.append(f"{response.status} {dict(response.headers)} {await response.text()}")
            return response.status, await response.text()

    @property
    def _wait(self):
        return {"Prefer": f"wait={self.wait_s}"}

    async def shop(self, customer=None):
        """A cart, of a customer or a guest, and a session on it."""
        body = {"amount": {"centAmount": 4200, "currencyCode": "EUR"}} | ({"customerId": customer} if customer else {})
        async with self.client.post(f"{self.commercetools.url}/__control/checkouts", json=body) as response:
            made = await response.json()
        return made["cart"]["id"], made["session"]["id"]

    async def checkout(self):
        _, session = await self.shop()
        return session

    async def token(self, number=PAN):
        """From the PSP's own fields: the one place that sees a card."""
        body = {"number": number, "exp_month": 12, "exp_year": 2099, "cvc": "739"}
        headers = {"Authorization": f"Bearer {self.psp.house.publishable_key}"}
        async with self.client.post(f"{self.psp.url}/v1/tokens", json=body, headers=headers) as response:
            return (await response.json())["id"]

    async def pay(self, token, session=None, **more):
        session = session or await self.checkout()
        body = {"paymentMethod": {"type": "card", "token": token, **more}}
        status, text = await self.ask("POST", "/payments", json=body, headers={"X-Session-Id": session, **self._wait})
        return status, json.loads(text)

    async def modify(self, payment, action, amount=None):
        asked = {"action": action}
        if amount:
            asked["amount"] = {"centAmount": amount, "currencyCode": "EUR"}
        path, headers = (
            f"/operations/payment-intents/{payment}",
            {"Authorization": f"Bearer {self.merchant}", **self._wait},
        )
        return await self.ask("POST", path, json={"actions": [asked]}, headers=headers)

    async def merchants(self, method, path, body=None):
        """What the merchant's own software asks of commercetools, which no wire is between; None: a conflict."""
        url = f"{self.commercetools.url}/{local.PROJECT_KEY}{path}"
        headers = {"Authorization": f"Bearer {self.merchant}"}
        async with self.client.request(method, url, json=body, headers=headers) as response:
            if response.status == HTTPStatus.CONFLICT:
                return None
            assert response.status < 300, (await response.text(), refusal)
            return await response.json()

    def signed(self, body):
        """The headers of a webhook, signed as it must be."""
        secret = self.environment["SANDBOX_PSP_WEBHOOK_SECRETS"].split()
        return headers_of("evt_1", body, secrets=secret, now=wall_clock())

    async def notify(self, body):
        return await self.ask("POST", "/webhooks/sandbox", data=body, headers=self.signed(body))

    # Beside the ingress.

    def now(self):
        return self.seams.clock()

    @property
    def a_day_later(self):
        """What something runs on that is started tomorrow."""
        return replace(self.seams, clock=lambda: self.now() + timedelta(days=1))

    async def throw_in(self, topic, data, attributes):
        """Put bytes on a topic, past the ingress."""
        self.thrown_in.add(data)
        await self.bus.publish(topic, data, attributes)

    def published(self, topic):
        """How many messages there have been on it."""
        return sum(one.topic is topic and one.happening is Happening.PUBLISHED for one in self.bus.log)

    def desk(self, console, *, as_json):
        """Where a person deals with dead letters."""
        return Desk(
            open_shelf=self.bus.shelf, publisher=self.bus, clock=self.seams.clock, mask=self.mask, console=console,
            as_json=as_json, count_max=1000,
        )  # fmt: skip

    @contextmanager
    def person_listening(self):
        """Keeps what a command says within the block, which must be something; gives the console of a wide terminal."""
        out = io.StringIO()
        with redirect_stdout(out), redirect_stderr(out):
            yield Console(file=out, width=WIDE)
        assert out.getvalue()
        self.said.append(out.getvalue())

    @contextmanager
    def meeting(self):
        """What is at work within the block."""
        met, lines, passes = Met(), len(self.bus.log), self.passes()
        self.called.clear()
        yield met
        met.routes |= self.called
        over = {one.topic for one in self.bus.log[lines:] if one.happening in OVER}
        met.workers |= {name for name, (topic, _) in WORKERS.items() if topic in over}
        met.workers |= {reconcile_schedule.NAME} if self.passes() > passes else set()

    def passes(self):
        """How many passes of reconciliation a worker has ended."""
        return self.stream.getvalue().count('"reconcile.pass"')

    async def handled(self):
        """Wait until every message was handled once; what is to come again has been so too."""
        read = {topic for topic, _ in WORKERS.values()}

        async def done():
            ids = {"new": set(), "old": set()}
            for one in self.bus.log:
                if one.topic in read and one.happening is not Happening.DELIVERED:
                    ids["new" if one.happening is Happening.PUBLISHED else "old"].add(one.message_id)
            return ids["new"] <= ids["old"]

        await eventually(done, within_s=50)

    def traces(self):
        """(where, text) of everything that anybody outside the process could come to see."""
        yield "log", self.stream.getvalue()
        yield "replies", "\n".join(self.replies)
        yield "commands", "\n".join(self.said)
        for kind in ("payment", "cart"):
            yield f"commercetools {kind}", json.dumps(self.commercetools.core.documents(kind))
        for one in self.commercetools.core.documents("payment-method"):
            # The PSP's token for it is what the document is for.
            yield "commercetools stored method", json.dumps(one | {"token": None})
        for one in self.commercetools.core.documents("payment"):
            yield "commercetools versions", json.dumps(self.commercetools.core.history(one["id"]))
        for one in self.bus.log:
            yield f"attributes on {one.topic}", json.dumps(dict(one.attributes))
            if one.topic is Topic.COMMERCETOOLS:
                yield "message of commercetools'", one.data.decode()
            elif one.topic is not Topic.DEAD_LETTERS:
                yield f"message on {one.topic}", "" if one.data in self.thrown_in else _without_token(one.data)
            elif one.happening is Happening.PUBLISHED:
                yield "dead letters as a person sees them", json.dumps(self._shown(one), default=str)

    def _shown(self, one):
        delivery = Delivery(
            message_id=one.message_id, data=one.data, attributes=one.attributes, published_at=one.at, attempt=1
        )
        return letter_view.whole(letters.read(delivery), self.mask)

    def found(self, canaries):
        """Canary -> where it was found, for those that were."""
        traces = list(self.traces())
        return {
            name: sorted({where for where, text in traces if canary in text})
            for name, canary in canaries.items()
            if any(canary in text for _, text in traces)
        }


#: How a delivery ends.
OVER = {Happening.ACKED, Happening.RETURNED, Happening.DEAD}


def _without_token(data):
    """Tokens, and what a browser brings back from a challenge, travel in their own fields; the rest is looked at."""
    message = decode(data)
    return json.dumps({**message.model_dump(mode="json"), "token": None, "parameters": None}, default=str)


@asynccontextmanager
async def open_product(monkeypatch):
    stream = io.StringIO()
    bus = MemoryBus(clock=wall_clock)

    @asynccontextmanager
    async def in_memory(_settings):
        yield bus, bus

    # No jitter: nobody waits.
    seams = replace(wiring.REAL, draw=lambda: 0.0, bus=in_memory)
    called = _watch_routes(monkeypatch)
    environment = local.environment(free(), {}) | QUICK | {"CTP_CLIENT_ID": "demo-client"}
    secret, project = environment["CTP_CLIENT_SECRET"], local.PROJECT_KEY
    clients = [Client(client_id=one.client_id, secret=secret, scopes=one.scopes) for one in demo_clients(project)]
    async with aiohttp.ClientSession() as client:
        commercetools = await serve_commercetools(
            host=HOST, port=0, project_key=project, clients=clients, pubsub_host=None, bus=Subscribed(bus=bus),
            clock=wall_clock, new_id=lambda: f"{secrets.token_hex(4)}-{secrets.token_hex(2)}-4{secrets.token_hex(2)[1:]}"
            f"-8{secrets.token_hex(2)[1:]}-{secrets.token_hex(6)}",
        )  # fmt: skip
        never = Terms(auto_complete_after_s=None, settles_after_s=None, hold_s=0.05)
        psp = await serve_psp(
            host=HOST, port=0, secret_key=environment["SANDBOX_PSP_SECRET_KEY"],
            publishable_key=environment["SANDBOX_PSP_PUBLISHABLE_KEY"], webhook_url=None,
            webhook_secrets=environment["SANDBOX_PSP_WEBHOOK_SECRETS"].split(), clock=wall_clock, new_id=ids(),
            terms=never,
        )  # fmt: skip
        try:
            async with open_wire(commercetools.url, client) as to_commercetools, open_wire(psp.url, client) as to_psp:
                environment |= dict.fromkeys(("CTP_AUTH_URL", "CTP_API_URL", "CTP_SESSION_URL"), to_commercetools.url)
                keys = f"{to_commercetools.url}/.well-known/jwks.json"
                environment |= {"CTP_JWKS_URL": keys, "CTP_JWT_ISSUER": commercetools.url}
                environment |= {"SANDBOX_PSP_URL": to_psp.url}
                for name, value in environment.items():
                    monkeypatch.setenv(name, value)
                settings = load_ingress()
                with _logging(load().secrets(), stream):
                    async with (
                        wiring.open_ingress(settings, seams) as ingress,
                        wiring.open_workers(load(), list(WORKERS), seams),
                        running(make_runner(ingress.app, shutdown_s=1)) as url,
                    ):
                        product = Product(
                            environment=environment, url=url, client=client, bus=bus, commercetools=commercetools,
                            psp=psp, to_commercetools=to_commercetools, to_psp=to_psp, stream=stream,
                            mask=logs.Masker(settings.common.secrets()).text, seams=seams, called=called,
                        )  # fmt: skip
                        product.merchant = await _log_in(product, secret)
                        product.person = await _sign_in(product)
                        await _set_up(product)
                        yield product
        finally:
            await psp.close()
            await commercetools.close()


class _logging:  # noqa: N801 - a context manager
    """Logs as a process writes them, at the level that says most."""

    def __init__(self, known, stream):
        self._known, self._stream = known, stream

    def __enter__(self):
        root = logging.getLogger()
        self._before = root.handlers, root.level
        logs.configure(Logs(format=LogFormat.JSON, level=LogLevel.DEBUG), secrets=self._known, stream=self._stream)

    def __exit__(self, *_):
        root = logging.getLogger()
        root.handlers, root.level = self._before
        logging.captureWarnings(capture=False)
        structlog.reset_defaults()
        structlog.contextvars.clear_contextvars()


async def _log_in(product, secret):
    form = {"grant_type": "client_credentials"}
    login = {"Authorization": aiohttp.encode_basic_auth("merchant", secret)}
    async with product.client.post(f"{product.commercetools.url}/oauth/token", data=form, headers=login) as response:
        return (await response.json())["access_token"]


async def _sign_in(product):
    async with product.client.post(f"{product.commercetools.url}/__control/jwt", json={}) as response:
        return (await response.json())["token"]


async def _set_up(product):
    """What `ctpay setup` does."""
    await _types(_Merchant(product))
    destination = {"type": "GoogleCloudPubSub", "projectId": "ours", "topic": "ctpay-commercetools"}
    wanted = [{"resourceTypeId": "payment", "types": ["PaymentCreated", "PaymentTransactionAdded"]}]
    await product.merchants("POST", "/subscriptions", {"destination": destination, "messages": wanted})
    # The message with which commercetools tries it.
    await product.handled()


def _watch_routes(monkeypatch):
    """The routes of the ingress's table whose handlers are called from now on."""
    called = set()

    def noted(key, handle):
        async def call(dependencies, request):
            called.add(key)
            return await handle(dependencies, request)

        return call

    watched = {key: replace(route, handle=noted(key, route.handle)) for key, route in ingress_app.ROUTES.items()}
    monkeypatch.setattr(ingress_app, "ROUTES", watched)
    return called


@dataclass
class _Merchant:
    """A client of commercetools' for who sets things up."""

    product: Product

    async def post(self, path, body):
        return await self.product.merchants("POST", path, body)
