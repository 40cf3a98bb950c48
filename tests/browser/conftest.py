"""A headless Chromium, the sandbox PSP with its real card fields, and a scripted processor for the enabler to talk to."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import sys
import uuid
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import aiohttp
import pytest
import pytest_asyncio
from aiohttp import web
from aiohttp.test_utils import TestServer
from playwright.async_api import ConsoleMessage, Page, async_playwright, expect
from support.browsing import PATIENCE_S, true
from support.psp_servers import PUBLISHABLE_KEY, SECRET_KEY, running_psp

from ctpay.ports import HOST, VARIABLES, free
from enabler.routes import add_routes
from sandbox.shop import example
from sandbox.shop.example import Around

NAMES = ("chromium", "chromium-browser", "google-chrome")
#: Chromium looks for nothing outside this machine, and uses few processes; origins are kept apart all the same.
FLAGS = (
    "--disable-gpu",
    "--in-process-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-extensions",
    "--disable-sync",
    "--disable-features=Translate,OptimizationHints,MediaRouter,IsolateOrigins,site-per-process",
)
PHONE = {"width": 390, "height": 844}
DESKTOP = {"width": 1280, "height": 900}
PATIENCE_MS = PATIENCE_S * 1000
expect.set_options(timeout=PATIENCE_MS)


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def chromium():
    path = next(filter(None, map(shutil.which, NAMES)), None)
    if path is None:
        pytest.skip("needs Chromium: apt-get install chromium")
    as_root = ["--no-sandbox"] if os.geteuid() == 0 else []
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path=path, args=[*FLAGS, *as_root])
        yield browser
        await browser.close()


@dataclass(kw_only=True)
class Tab:
    """A page, and what the browser complained of in it."""

    page: Page
    complaints: list[str] = field(default_factory=list)

    def hear(self, message: ConsoleMessage) -> None:
        # A request that fails is the tests' own doing, and what the page makes of it is what they look at.
        if message.type == "error" and "Failed to load resource" not in message.text:
            self.complaints.append(message.text)


@pytest_asyncio.fixture(loop_scope="session")
async def open_tab(chromium):
    """Opens pages; afterwards none of them may have thrown, or broken its own security policy."""
    contexts, tabs = [], []

    async def open_(url: str, *, viewport=DESKTOP, **options) -> Page:
        context = await chromium.new_context(viewport=viewport, **options)
        contexts.append(context)
        context.set_default_timeout(PATIENCE_MS)
        page = await context.new_page()
        tab = Tab(page=page)
        tabs.append(tab)
        page.on("console", tab.hear)
        page.on("pageerror", lambda error: tab.complaints.append(str(error)))
        await page.goto(url)
        return page

    yield open_
    for context in contexts:
        await context.close()
    assert [complaint for tab in tabs for complaint in tab.complaints] == []


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def psp():
    async with running_psp() as running:
        yield running


@pytest_asyncio.fixture(loop_scope="session", scope="session")
async def shop(chromium):
    """The address of the demo shop, opened as a person does it: by `ctpay run`, on ports of our own."""
    ports = free()
    url = f"http://{HOST}:{ports.shop}"
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ctpay", "run"),
        env=os.environ | {variable: str(getattr(ports, name)) for name, variable in VARIABLES.items()},
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    said: list[str] = []
    opened = asyncio.Event()

    async def listen() -> None:
        async for line in process.stdout:
            said.append(line.decode())
            if url in said[-1]:
                opened.set()
        opened.set()

    listening = asyncio.create_task(listen())
    try:
        await asyncio.wait_for(opened.wait(), 50)
        assert process.returncode is None, "".join(said[-20:])
        yield url
    finally:
        if process.returncode is None:
            process.terminate()
        await process.wait()
        await listening


Answer = Callable[["Processor", dict], Awaitable[web.Response]]


@dataclass(kw_only=True)
class Asked:
    """A request of the enabler."""

    method: str
    path: str
    headers: dict[str, str]
    body: str

    @property
    def document(self) -> dict:
        return json.loads(self.body)


@dataclass(kw_only=True)
class Processor:
    """A processor that holds no state but the PSP's: each route answers from its script, or asks the PSP right away."""

    psp_url: str
    client: aiohttp.ClientSession
    url: str = ""
    #: Each test has its own, so that no tab remembers another's attempt.
    session: str = field(default_factory=lambda: f"session-{uuid.uuid4()}")
    #: What `GET /operations/config` says besides the usual.
    more_configuration: dict = field(default_factory=dict)
    stored: list[dict] = field(default_factory=list)
    asked: list[Asked] = field(default_factory=list)
    #: Route (`POST /payments`, `GET /payments/{operation}`, …) -> answers still to come before the usual one.
    script: dict[str, list] = field(default_factory=dict)

    def of(self, method: str, path: str) -> list[Asked]:
        return [one for one in self.asked if (one.method, one.path) == (method, path)]

    def paid(self) -> list[Asked]:
        return self.of("POST", "/payments")

    async def handle(self, request: web.Request) -> web.StreamResponse:
        origin = {
            "Access-Control-Allow-Origin": "*",
            "Access-Control-Expose-Headers": "Location, Retry-After, X-Correlation-ID",
        }
        if request.method == "OPTIONS":
            allow = {"Access-Control-Allow-Headers": "*", "Access-Control-Allow-Methods": "GET, POST, DELETE"}
            return web.Response(status=204, headers=origin | allow)
        body = await request.text()
        headers = {name.lower(): value for name, value in request.headers.items()}
        self.asked.append(Asked(method=request.method, path=request.path, headers=headers, body=body))
        route = f"{request.method} {request.match_info.route.resource.canonical}"
        answers = self.script.get(route, [])
        answer = answers.pop(0) if answers else USUAL[route]
        response = await answer(self, json.loads(body) if body else {})
        response.headers.update(origin)
        return response

    async def psp(self, path: str, body: dict) -> tuple[int, dict]:
        headers = {"Authorization": f"Bearer {SECRET_KEY}", "Idempotency-Key": str(uuid.uuid4())}
        async with self.client.post(self.psp_url + path, json=body, headers=headers) as response:
            return response.status, await response.json()


def reply(status: int, body: dict, **headers: str) -> Answer:
    async def answer(processor: Processor, asked: dict) -> web.Response:
        return web.json_response(body, status=status, headers=headers)

    return answer


def fault(status: int, code: str, message: str = "No.", **headers: str) -> Answer:
    return reply(status, {"message": message, "statusCode": status, "errors": [{"code": code, "message": message}]})


async def configuration(processor: Processor, asked: dict) -> web.Response:
    return web.json_response(
        {
            "psp": "sandbox",
            "fieldsUrl": f"{processor.psp_url}/fields",
            "walletUrl": f"{processor.psp_url}/wallet",
            "publishableKey": PUBLISHABLE_KEY,
            "paymentMethods": ["card"],
            "storedPaymentMethodsConfig": {"isEnabled": bool(processor.stored)},
            **processor.more_configuration,
        }
    )


async def list_stored(processor: Processor, asked: dict) -> web.Response:
    return web.json_response({"storedPaymentMethods": processor.stored})


async def delete_stored(processor: Processor, asked: dict) -> web.Response:
    return web.Response()


def told(payment: dict) -> web.Response:
    """The PSP's payment as the processor tells it."""
    outcome = {"authorized": "approved", "requires_action": "action", "pending": "pending"}.get(payment["status"])
    body = {"paymentReference": "payment-1", "outcome": outcome or "rejected", "operation": payment["id"]}
    if payment.get("action"):
        body["action"] = payment["action"]
    return web.json_response(body)


async def pay(processor: Processor, asked: dict) -> web.Response:
    status, payment = await processor.psp(
        "/v1/payments",
        {
            "amount": 4230,
            "currency": "EUR",
            "token": asked["paymentMethod"].get("token", "tok_approved"),
            "merchant_reference": "order-1",
            "return_url": f"{processor.url}/back",
        },
    )
    if status == 402:
        reason = {"code": payment["error"].get("decline_code"), "message": payment["error"]["message"]}
        return web.json_response(
            {"paymentReference": "payment-1", "outcome": "rejected", "operation": "declined", "reason": reason}
        )
    return told(payment)


async def complete(processor: Processor, asked: dict) -> web.Response:
    operation = processor.asked[-1].path.split("/")[2]
    status, payment = await processor.psp(f"/v1/payments/{operation}/complete", asked["parameters"])
    if status == 402:
        return web.json_response({"paymentReference": "payment-1", "outcome": "rejected", "operation": operation})
    return told(payment)


USUAL = {
    "GET /operations/config": configuration,
    "POST /payments": pay,
    "GET /payments": reply(200, {"paymentReference": None, "outcome": "pending", "operation": "operation-1"}),
    "GET /payments/{operation}": reply(
        200, {"paymentReference": None, "outcome": "pending", "operation": "operation-1"}
    ),
    "POST /payments/{operation}/complete": complete,
    "GET /stored-payment-methods": list_stored,
    "DELETE /stored-payment-methods/{id}": delete_stored,
}


@pytest_asyncio.fixture(loop_scope="session")
async def processor(psp):
    async with aiohttp.ClientSession() as client:
        running = Processor(psp_url=psp.url, client=client)
        app = web.Application()
        for route in USUAL:
            method, path = route.split(" ")
            app.router.add_route(method, path, running.handle)
        for path in {route.split(" ")[1] for route in USUAL}:
            app.router.add_route("OPTIONS", path, running.handle)
        add_routes(app, allowed_origins=frozenset({"*"}))
        async with TestServer(app) as server:
            running.url = str(server.make_url("")).rstrip("/")
            yield running


@pytest_asyncio.fixture(loop_scope="session")
async def open_payment(processor, open_tab):
    """Opens a page of `docs/example`, on an origin of its own, with a component in it that can be typed into.

    `builder`: instead of the drop-in, with `build` for its options. `edit`: makes another text of the page's.
    """
    servers = []

    async def open_(
        *, builder=None, build="{}", page="index.html", language="en", direction="ltr", path="/", edit=None, **options
    ) -> Page:
        around = Around(
            processor_url=processor.url,
            psp_url=processor.psp_url,
            session=processor.session,
            language=language,
            direction=direction,
        )

        async def show(request: web.Request) -> web.StreamResponse:
            shown = example.page(page, around)
            if edit is not None:
                shown.text = edit(shown.text)
            return shown

        app = web.Application()
        app.router.add_get("/", show)
        app.router.add_get("/{name}", example.file)
        server = TestServer(app)
        await server.start_server()
        servers.append(server)
        opened = await open_tab(str(server.make_url(path)), **options)
        if page == "index.html":
            await true(opened, "window.told?.isReady || window.told?.errors.length")
        if builder is not None:
            await opened.evaluate(
                f"""(async () => {{
                  told.component.unmount();
                  told.component = (await enabler.{builder}).build({build});
                  await told.component.mount("#payment");
                }})()"""
            )
        return opened

    yield open_
    for server in servers:
        await server.close()


async def type_card(page: Page, number: str, *, expiry: str = "1234", cvc: str = "123") -> None:
    """Into the PSP's fields. Key by key, as a person does it, it is tested where the fields are."""
    fields = page.frame_locator("#payment iframe")
    for name, value in (("number", number), ("expiry", expiry), ("cvc", cvc)):
        await fields.locator(f"#{name}").fill(value)


@pytest.fixture
def card():
    return type_card


@pytest.fixture(scope="session")
def card_():
    """The same, for fixtures that live longer than a test."""
    return type_card


@pytest.fixture
def shots():
    """Takes a screenshot where SCREENSHOTS names a folder for them, for a person to look at."""
    folder = os.environ.get("SCREENSHOTS")

    async def shoot(page: Page, name: str, *, full_page: bool = True) -> None:
        if folder:
            await page.screenshot(path=f"{folder}/{name}.png", full_page=full_page, animations="disabled")

    return shoot


@pytest.fixture
def answers():
    """What a scripted processor can say: `reply` and `fault`."""
    return {"reply": reply, "fault": fault}
