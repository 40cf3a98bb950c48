"""The whole product as real processes over real stand-ins, each by itself, so that a test can kill any of them.

Everything goes over HTTP and gRPC on loopback. What is killed is killed by its own process id.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import itertools
import json
import os
import signal
import sys
import tempfile
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from http import HTTPStatus
from pathlib import Path
from typing import Any

import aiohttp
import grpc
import grpc.aio
from google.pubsub_v1 import PublisherAsyncClient, SubscriberClient
from google.pubsub_v1.services.publisher.transports import PublisherGrpcAsyncIOTransport
from google.pubsub_v1.services.subscriber.transports import SubscriberGrpcTransport
from support.polling import eventually

from ctpay import local
from ctpay.child import Child
from ctpay.ports import free

WORKERS = ("authorize", "capture", "cancel", "refund", "webhook", "commercetools")
CONNECTOR = ("ingress", *WORKERS)
#: No payment waits for these; in bad weather they are there too.
BESIDE = ("methods", "dead-letters", "reconcile")
#: One ingress, since there is one port, and two of each worker. What follows the dot tells twins apart.
TWINS = (*CONNECTOR, *BESIDE, *(f"{worker}.2" for worker in (*WORKERS, *BESIDE)))
#: Seconds. Far more than anything takes on a busy machine.
PATIENCE_S = 60.0
#: Seconds in which a message that a dead worker held must be back and done. Google's emulator gives messages to readers
#: that are dead, each for a whole lease.
LEASE_PATIENCE_S = 150.0
#: What the subscriptions get instead of the product's values, so that a test need not wait for minutes.
ACK_DEADLINE_S = 10
BACKOFF_S_MAX = 2

_PYTHON = sys.executable
CTPAY = (_PYTHON, "-m", "ctpay")
_CALL_S = aiohttp.ClientTimeout(total=PATIENCE_S)


@dataclass(frozen=True, kw_only=True)
class Checkout:
    """A cart and a shopper's session on it."""

    cart: str
    session: str


@dataclass(kw_only=True)
class Stack:
    """Everything that runs, and what people outside do with it."""

    environment: dict[str, str]
    commercetools_url: str
    psp_url: str
    http: aiohttp.ClientSession
    stack: contextlib.AsyncExitStack
    #: The processes of the connector that run unless a test has stopped them.
    processes: Sequence[str]
    #: How each stand-in is started.
    stand_ins: dict[str, Sequence[str]] = field(default_factory=dict)
    token: str = ""
    children: dict[str, Child] = field(default_factory=dict)
    paused: set[str] = field(default_factory=set)
    #: Part of the connector -> how often one of its processes was killed, and how often that may be.
    killed: Counter = field(default_factory=Counter)
    kills_max: int = 1_000_000
    #: Held while the PSP is away, and by each who asks its control API.
    psp_there: asyncio.Lock = field(default_factory=asyncio.Lock)
    #: The log of the connector's processes, line by line, each with its `process`.
    lines: list[dict] = field(default_factory=list)
    #: What was in the log and is no line of ours.
    strays: list[str] = field(default_factory=list)
    #: Seconds between two looks at what people wait for. A crowd looks less often, so that looking is not the load.
    look_s: float = 0.01
    #: What stands in the doorways of the connector's processes; None: nobody watches.
    watch: Any = None
    #: How the connector's command line is started.
    product: Sequence[str] = ()
    numbers: itertools.count = field(default_factory=lambda: itertools.count(1))

    # Processes.

    async def start(self, *names, **settings):
        """Start these parts of the connector, and wait until they can be used."""
        for name in names:
            command = ("ingress",) if name == "ingress" else ("worker", name.partition(".")[0])
            process, doors = (name, {}) if self.watch is None else await self.watch.begin(name)
            self.children[name] = await Child.start(
                process, (*self.product, *command), {**self.environment, **doors, **settings}, self._hear
            )
            self.stack.push_async_callback(self.children[name].stop, within_s=PATIENCE_S)
        await asyncio.gather(*(self.children[name].ready(within_s=PATIENCE_S) for name in names))

    async def kill(self, *names):
        """kill -9, at once for all of them."""
        children = [self.children.pop(name) for name in names]
        self.paused -= set(names)
        for child in children:
            os.kill(child.pid, signal.SIGKILL)
            self.killed[child.name.partition(".")[0]] += 1
            self._note(child.name, "test.killed")
        for child in children:
            assert await child.result() == -signal.SIGKILL

    async def stop(self, *names):
        """SIGTERM; each must end well by itself, well within the time in which a platform would kill it."""
        children = [self.children.pop(name) for name in names]
        for child in children:
            os.kill(child.pid, signal.SIGTERM)
        for child in children:
            assert await asyncio.wait_for(child.result(), PATIENCE_S) == 0

    def pause(self, name):
        """SIGSTOP: it holds all that it has, and says and hears nothing."""
        self.paused.add(name)
        os.kill(self.children[name].pid, signal.SIGSTOP)
        self._note(name, "test.paused")

    def resume(self, name):
        """SIGCONT: it goes on as if no time had passed."""
        self.paused.remove(name)
        os.kill(self.children[name].pid, signal.SIGCONT)
        self._note(name, "test.resumed")

    def resume_all(self):
        for name in list(self.paused):
            self.resume(name)

    async def restart_psp(self):
        """The PSP goes away with every connection it has, and comes back with its books."""
        name = "psp stand-in"
        async with self.psp_there:
            await self.stop(name)
            self.children[name] = await self._stand_in(name)
            await self.children[name].ready(within_s=PATIENCE_S)

    async def _stand_in(self, name):
        child = await Child.start(name, self.stand_ins[name], self.environment, lambda *_: None)
        self.stack.push_async_callback(child.stop, within_s=PATIENCE_S)
        return child

    async def calm(self):
        """As in the beginning: everything runs, nothing is to go wrong, and the request log is empty."""
        self.resume_all()
        await self.start(*(name for name in self.processes if name not in self.children))
        await self.commercetools_control("DELETE", "/faults")
        await self.psp_control("PUT", "/faults", [])
        await self.webhooks(on=True)
        await self.webhooks_delivered()
        await self.quiet()
        await self.commercetools_control("DELETE", "/requests")

    def _note(self, name, event):
        self.lines.append({"process": name, "event": event, "timestamp": datetime.now(UTC).isoformat()})

    def _hear(self, name, line):
        try:
            self.lines.append({"process": name, **json.loads(line)})
        except ValueError:
            self.strays.append(f"{name}: {line}")

    def finished(self, topic, *, since=0):
        """The outcome lines of a topic's messages."""
        return [one for one in self.finished_all(since=since) if one["topic"] == topic]

    def finished_all(self, *, since=0):
        """The outcome lines of all messages but results, which nobody needs twice."""
        lines = (one for one in self.lines[since:] if one["event"].startswith("message."))
        return [one for one in lines if one["topic"] != "results"]

    async def quiet(self):
        """Wait until nothing is being asked of commercetools, and nothing has been for a moment."""

        async def still():
            before = await self.log()
            await asyncio.sleep(0.1)
            return before == await self.log() and all(one["status"] or one["fault"] for one in before)

        await eventually(still, within_s=PATIENCE_S)

    # The shopper and the merchant.

    async def fill_cart(self, amount=4200, **more):
        money = {"centAmount": amount, "currencyCode": "EUR"}
        found = await self.commercetools_control("POST", "/checkouts", {"amount": money, **more})
        return Checkout(cart=found["cart"]["id"], session=found["session"]["id"])

    async def ask(self, method, path, body=None, *, session=None, key=None, wait_s=None):
        """One request to the ingress; status and body."""
        headers = {"X-Session-Id": session} if session else {"Authorization": f"Bearer {self.token}"}
        headers |= {"Idempotency-Key": key} if key else {}
        headers |= {"Prefer": f"wait={wait_s}"} if wait_s is not None else {}
        url = path if path.startswith("http") else self.environment["PUBLIC_URL"] + path
        async with self.http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json(content_type=None)

    async def pay(self, checkout, token="tok_approved", **more):
        body = {"paymentMethod": {"type": "card", "token": token}}
        return await self.ask("POST", "/payments", body, session=checkout.session, **more)

    async def modify(self, payment, action, amount=None, **more):
        asked = {"action": action}
        if amount is not None:
            asked["amount"] = {"centAmount": amount, "currencyCode": "EUR"}
        return await self.ask("POST", f"/operations/payment-intents/{payment}", {"actions": [asked]}, **more)

    async def authorized(self, amount=4200, *, captured=None):
        """A Payment whose money is held, and captured in part if asked for; its id."""
        _, reply = await self.pay(await self.fill_cart(amount), wait_s=30)
        assert reply["outcome"] == "approved", reply
        payment = reply["paymentReference"]
        if captured is not None:
            _, reply = await self.modify(payment, "capturePayment", captured, wait_s=30)
            assert reply["outcome"] == "approved", reply
        return payment

    async def insist(self, method, path, body, *, session=None, key=None, wait_s=0):
        """The same request until somebody accepts it, as a caller does whose connection breaks; no longer."""
        found = []

        async def answered():
            with contextlib.suppress(aiohttp.ClientError):
                status, reply = await self.ask(method, path, body, session=session, key=key, wait_s=wait_s)
                assert status < 300 or status >= 500, reply
                found[:] = [reply] if status < 300 else []
            return bool(found)

        await eventually(answered, within_s=LEASE_PATIENCE_S, every_s=self.look_s)
        return found[0]

    async def until_paid(self, checkout, operation, *, outcome="approved"):
        """Poll the status of an accepted payment until it has this outcome; the Payment's id."""
        found = {}

        async def told():
            with contextlib.suppress(aiohttp.ClientError):
                _, reply = await self.ask("GET", f"/payments/{operation}", session=checkout.session)
                found.update(reply)
            return found.get("outcome") == outcome

        try:
            await eventually(told, within_s=LEASE_PATIENCE_S, every_s=self.look_s)
        except TimeoutError:
            raise AssertionError(f"{operation} must be {outcome}, and the shopper was told: {found}") from None
        return found["paymentReference"]

    async def put_transaction(self, payment, kind, amount):
        """A merchant puts an Initial transaction on the Payment, in commercetools alone; again if it has just changed."""
        draft = {"type": kind, "amount": {"centAmount": amount, "currencyCode": "EUR"}, "state": "Initial"}

        async def taken():
            version = (await self.payment(payment))["version"]
            body = {"version": version, "actions": [{"action": "addTransaction", "transaction": draft}]}
            status, document = await self._ask_commercetools("POST", f"/payments/{payment}", body)
            assert status in {200, 409}, document
            return status == 200

        await eventually(taken, within_s=PATIENCE_S)

    async def payment(self, payment):
        status, document = await self._ask_commercetools("GET", f"/payments/{payment}")
        assert status == 200, document
        return document

    async def rows(self, payment):
        """Type, state and minor units of each transaction, sorted."""
        found = (await self.payment(payment))["transactions"]
        return sorted((one["type"], one["state"], one["amount"]["centAmount"]) for one in found)

    async def until_rows(self, wanted, *, within_s=PATIENCE_S):
        """Wait until these Payments (id -> rows) are as wanted."""
        seen = {}

        async def there():
            seen.update(
                {payment: await self.rows(payment) for payment in wanted if seen.get(payment) != wanted[payment]}
            )
            return seen == wanted

        wanted = {payment: sorted(rows) for payment, rows in wanted.items()}
        try:
            await eventually(there, within_s=within_s, every_s=self.look_s)
        except TimeoutError:
            wrong = {payment: (rows, wanted[payment]) for payment, rows in seen.items() if rows != wanted[payment]}
            raise AssertionError(f"Payments that are not as they must be (seen, wanted): {wrong}") from None

    async def cart(self, cart):
        status, document = await self._ask_commercetools("GET", f"/carts/{cart}")
        assert status == 200, document
        return document

    async def payment_on(self, cart):
        """Wait until a Payment is on the cart; its id."""
        found = []

        async def there():
            found[:] = (await self.cart(cart)).get("paymentInfo", {}).get("payments", ())
            return bool(found)

        await eventually(there, within_s=LEASE_PATIENCE_S, every_s=self.look_s)
        return found[0]["id"]

    async def psp_payment(self, payment):
        """What the PSP says of one of its payments."""
        headers = {"Authorization": f"Bearer {self.environment['SANDBOX_PSP_SECRET_KEY']}"}
        async with self.http.get(f"{self.psp_url}/v1/payments/{payment}", headers=headers) as response:
            assert response.status == 200, await response.text()
            return await response.json()

    async def history(self, name, kind="payments"):
        """Every version of the Payment that there ever was, the oldest first; or of a cart, or of a stored method."""
        return (await self.commercetools_control("GET", f"/{kind}/{name}/history"))["versions"]

    async def until_deleted(self, method):
        """Wait until a stored method is gone."""

        async def gone():
            return (await self._ask_commercetools("GET", f"/payment-methods/{method}"))[0] == HTTPStatus.NOT_FOUND

        await eventually(gone, within_s=LEASE_PATIENCE_S, every_s=self.look_s)

    async def _ask_commercetools(self, method, path, body=None):
        url = f"{self.commercetools_url}/{local.PROJECT_KEY}{path}"
        headers = {"Authorization": f"Bearer {self.token}"}
        async with self.http.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.json()

    async def publish(self, topic, data):
        """Put bytes on one of the connector's topics."""
        name = f"projects/{self.environment['GOOGLE_CLOUD_PROJECT']}/topics/ctpay-{topic}"
        async with grpc.aio.insecure_channel(self.environment["PUBSUB_EMULATOR_HOST"]) as channel:
            client = PublisherAsyncClient(transport=PublisherGrpcAsyncIOTransport(channel=channel))
            await client.publish(request={"topic": name, "messages": [{"data": data}]})

    # The stand-ins' control APIs.

    async def effects(self):
        """Every movement of money at the PSP."""
        return (await self.psp_control("GET", "/effects"))["data"]

    async def psp_requests(self):
        """Every request to the PSP that moves money."""
        return [one for one in (await self.psp_control("GET", "/requests"))["data"] if one["method"] == "POST"]

    async def held_at_the_psp(self, path, count=1):
        """Wait until so many requests to a path with this end are there and unanswered."""

        async def held():
            waiting = [one for one in await self.psp_requests() if one["status"] is None and one["path"].endswith(path)]
            return len(waiting) >= count

        await eventually(held, within_s=PATIENCE_S)

    async def webhooks(self, *, on):
        """Off: the PSP keeps its events for later."""
        url = f"{self.environment['PUBLIC_URL']}/webhooks/sandbox" if on else None
        await self.psp_control("PUT", "/webhook", {"url": url})

    async def attempts(self, event_type=None):
        """What came of every try to send events, of a type or of all: HTTP statuses, None for no answer."""
        found = (await self.psp_control("GET", "/events"))["attempts"]
        return [one["status"] for one in found if event_type in {None, one["type"]}]

    async def webhooks_delivered(self):
        """Wait until the ingress has taken every event."""

        async def taken():
            found = await self.psp_control("GET", "/events")
            accepted = {one["event"] for one in found["attempts"] if one["status"] == 200}
            return not found["waiting"] and accepted >= {one["id"] for one in found["data"]}

        await eventually(taken, within_s=PATIENCE_S)

    async def log(self):
        """The whole request log of commercetools. Whose a request is stands in it once it is being answered."""
        return (await self.commercetools_control("GET", "/requests"))["requests"]

    async def requests(self):
        """What the connector asked of commercetools: tokens, sessions and introspection aside."""
        client = self.environment["CTP_CLIENT_ID"]
        return [one for one in await self.log() if one["client_id"] == client and "/sessions/" not in one["path"]]

    async def psp_control(self, method, path, body=None):
        async with self.psp_there, self.http.request(method, f"{self.psp_url}/__control{path}", json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json()

    async def commercetools_control(self, method, path, body=None):
        async with self.http.request(method, f"{self.commercetools_url}/__control{path}", json=body) as response:
            assert response.status < 300, await response.text()
            return await response.json() if response.status != 204 else None


@contextlib.asynccontextmanager
async def open_stack(
    pubsub: str,
    processes: Sequence[str] = CONNECTOR,
    *,
    backoff_s_max: float | None = BACKOFF_S_MAX,
    watch: Any = None,
    product: Sequence[str] = CTPAY,
) -> AsyncIterator[Stack]:
    """Everything over the Pub/Sub server at `host:port`, running and set up; stopped at the end.

    `backoff_s_max` None: messages come back at once. `watch`: what opens a watcher in every doorway.
    """
    ports = free()
    environment = local.environment(ports, dict(os.environ)) | {
        # Where reconciliation runs at all, it is always in the way.
        "RECONCILE_EVERY_S": "2",
        "RECONCILE_RESTED_S": "1",
        "PUBSUB_EMULATOR_HOST": pubsub,
        "CTP_CLIENT_ID": "demo-client",
        "CTP_CLIENT_SECRET": "demo-secret",
        "ACK_DEADLINE_S_MAX": str(ACK_DEADLINE_S),
    }
    async with contextlib.AsyncExitStack() as stack:
        watcher = None if watch is None else await stack.enter_async_context(watch(environment))
        if watcher is not None:
            environment["PUBLIC_URL"] = watcher.front
        http = await stack.enter_async_context(aiohttp.ClientSession(timeout=_CALL_S))
        found = Stack(
            environment=environment,
            commercetools_url=environment["CTP_API_URL"],
            psp_url=environment["SANDBOX_PSP_URL"],
            http=http,
            stack=stack,
            processes=processes,
            watch=watcher,
            product=product,
        )
        books = Path(stack.enter_context(tempfile.TemporaryDirectory())) / "psp"
        outside = pubsub if watcher is None else await watcher.bus("commercetools itself")
        await _start_outside(found, asdict(ports), outside, books)
        found.token = await _log_in(found)
        await _set_up(found)
        await asyncio.to_thread(_quicken, pubsub, environment["GOOGLE_CLOUD_PROJECT"], backoff_s_max)
        try:
            await found.start(*processes)
            yield found
        finally:
            # What is paused would not hear that it is to end.
            found.resume_all()
            last = [child for name, child in found.children.items() if "stand-in" not in name]
            await asyncio.gather(*(child.stop(within_s=PATIENCE_S) for child in last))


async def _start_outside(found, ports, pubsub, books):
    webhooks = f"{found.environment['PUBLIC_URL']}/webhooks/sandbox"
    commands = {
        "commercetools": ("--project-key", local.PROJECT_KEY, "--pubsub-host", pubsub),
        "psp": ("--webhook-url", webhooks, "--memory", str(books)),
    }
    for part, more in commands.items():
        name = f"{part} stand-in"
        found.stand_ins[name] = (_PYTHON, "-m", f"sandbox.{part}", "--port", str(ports[part]), *more)
        found.children[name] = await found._stand_in(name)
    await asyncio.gather(*(child.ready(within_s=PATIENCE_S) for child in found.children.values()))


async def _log_in(found):
    """As the merchant, who is not the connector."""
    login = {"Authorization": f"Basic {base64.b64encode(b'merchant:demo-secret').decode()}"}
    url = f"{found.commercetools_url}/oauth/token"
    async with found.http.post(url, data={"grant_type": "client_credentials"}, headers=login) as response:
        return (await response.json())["access_token"]


async def _set_up(found):
    child = await Child.start("setup", (_PYTHON, "-m", "ctpay", "setup", "--json"), found.environment, found._hear)
    async with asyncio.timeout(PATIENCE_S):
        assert await child.result() == 0, await child.ended()


def _quicken(pubsub, project, backoff_s_max):
    """Shorter leases and pauses than the product's, by the official admin client, as an operator would."""
    with grpc.insecure_channel(pubsub) as channel:
        client = SubscriberClient(transport=SubscriberGrpcTransport(channel=channel))
        for one in client.list_subscriptions(request={"project": f"projects/{project}"}):
            one.ack_deadline_seconds = ACK_DEADLINE_S
            one.retry_policy = None if backoff_s_max is None else _shortened(one.retry_policy, backoff_s_max)
            paths = {"paths": ["ack_deadline_seconds", "retry_policy"]}
            client.update_subscription(request={"subscription": one, "update_mask": paths})


def _shortened(policy, backoff_s_max):
    longest = timedelta(seconds=backoff_s_max)
    return {"minimum_backoff": min(policy.minimum_backoff, longest), "maximum_backoff": longest}
