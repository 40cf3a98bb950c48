"""The shop's pages, with a strict Content-Security-Policy: scripts and styles are our own files and the connector's."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import quote, urlsplit

from aiohttp import web

from sandbox.shop import example
from sandbox.shop.catalogue import cart_draft
from sandbox.shop.desk import DESK, Desk

PAGES: Final = Path(__file__).parent / "pages"


def routes() -> list[web.AbstractRouteDef]:
    return [
        web.get("/", shop),
        web.get("/thanks", thanks),
        web.get("/payments", payments),
        web.get("/payments/{payment}", payment),
        web.static("/assets", PAGES / "assets"),
        *([web.get("/example/{name}", show_example)] if example.FOLDER.is_dir() else []),
    ]


async def shop(request: web.Request) -> web.Response:
    return _page("shop", request.app[DESK])


async def payments(request: web.Request) -> web.Response:
    return _page("payments", request.app[DESK])


async def payment(request: web.Request) -> web.Response:
    return _page("payment", request.app[DESK])


async def thanks(request: web.Request) -> web.Response:
    """Where the connector sends shoppers after a redirect to their bank."""
    reference, outcome = request.query.get("paymentReference"), request.query.get("outcome", "pending")
    if reference is None:
        return _page("payments", request.app[DESK])
    raise web.HTTPSeeOther(f"/payments/{quote(reference, safe='')}?outcome={quote(outcome, safe='')}")


async def show_example(request: web.Request) -> web.StreamResponse:
    """`/example/index.html` or `/example/spa.html`, with the session that is named, or with a cart and a new one."""
    desk, name = request.app[DESK], request.match_info["name"]
    if name in example.FILES:
        return await example.file(request)
    if name not in example.PAGES:
        raise web.HTTPNotFound
    session = request.query.get("session")
    if session is None:
        cart = await desk.merchant.create_cart(cart_draft({"mug": 2}, anonymous_id=desk.new_id()))
        session = str((await desk.merchant.create_session(str(cart["id"]), desk.session_metadata()))["id"])
    around = example.Around(
        processor_url=desk.processor_url,
        psp_url=desk.psp_url,
        session=session,
        language=request.query.get("lang", "en"),
        direction=request.query.get("dir", "ltr"),
    )
    return example.page(name, around)


def _page(name: str, desk: Desk) -> web.Response:
    connector, psp = _origin(desk.processor_url), _origin(desk.psp_url)
    policy = (
        f"default-src 'none'; script-src 'self' {connector}; style-src 'self'; "
        f"connect-src 'self' {connector}; frame-src {psp}; img-src 'self' data:; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return web.Response(
        text=(PAGES / f"{name}.html").read_text(encoding="utf-8"),
        content_type="text/html",
        charset="utf-8",
        headers={
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "strict-origin",
            "Cache-Control": "no-store",
        },
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
