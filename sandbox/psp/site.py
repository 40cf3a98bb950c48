"""What people see of Sandbox Pay: the card fields, the wallet, the challenge, the dashboard, the list of test cards.

Every page has a strict Content-Security-Policy without `unsafe-inline`: scripts and styles are files of ours, values
reach them as attributes, and only the page that was named may put the fields or a challenge into a frame.
"""

from __future__ import annotations

import html
import json
import re
import string
from collections.abc import Mapping
from pathlib import Path
from typing import Final
from urllib.parse import parse_qsl, urlencode, urlsplit

from aiohttp import web
from pydantic import Field

from sandbox.psp.behaviour import BEHAVIOURS, Verdict
from sandbox.psp.house import HOUSE, House
from sandbox.psp.labels import LABELS
from sandbox.psp.model import Payment, PaymentStatus
from sandbox.psp.requests import Request
from sandbox.psp.world import Decision

PAGES: Final = Path(__file__).parent / "pages"

#: Query parameter -> what it may look like. Anything else is ignored, so that a theme can never carry code.
_THEME: Final[Mapping[str, re.Pattern[str]]] = {
    "accent": re.compile(r"#[0-9a-fA-F]{6}"),
    "text": re.compile(r"#[0-9a-fA-F]{6}"),
    "background": re.compile(r"#[0-9a-fA-F]{6}"),
    "border": re.compile(r"#[0-9a-fA-F]{6}"),
    "error": re.compile(r"#[0-9a-fA-F]{6}"),
    "radius": re.compile(r"[0-9]|1[0-9]|2[0-4]"),
    "size": re.compile(r"1[2-9]|20"),
    "font": re.compile(r"sans-serif|serif|monospace"),
}
_HERE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_DECIDABLE: Final = frozenset(
    {
        PaymentStatus.REQUIRES_ACTION,
        PaymentStatus.APPROVED_NOT_COMPLETED,
        PaymentStatus.FAILED,
        PaymentStatus.AUTHORIZED,
    }
)


class Answer(Request):
    """What the challenge page sends."""

    decision: Decision = Field()


def routes() -> list[web.AbstractRouteDef]:
    return [
        web.get("/", dashboard),
        web.get("/cards", cards),
        web.get("/fields", fields),
        web.get("/wallet", wallet),
        web.get("/challenge/{payment}", challenge),
        web.post("/challenge/{payment}", answer_challenge),
        web.static("/assets", PAGES / "assets"),
    ]


async def dashboard(_: web.Request) -> web.Response:
    return _page("dashboard", {}, embedded_by=None)


async def cards(_: web.Request) -> web.Response:
    """The test cards and tokens. The rows are made of our own table, escaped all the same."""
    rows = "".join(
        f"<tr><td>{_numbers(each.numbers)}</td><td><code>tok_{html.escape(each.name)}</code></td>"
        f"<td>{html.escape(each.text)}</td></tr>"
        for each in BEHAVIOURS
    )
    return _page("cards", {}, embedded_by=None, rows=rows)


async def fields(request: web.Request) -> web.Response:
    """The card fields, for one page that names itself by `origin` and may do so."""
    house = request.app[HOUSE]
    origin = origin_of(request.query.get("origin", ""))
    if request.query.get("publishable_key") != house.publishable_key or not _may_embed(house, origin):
        raise web.HTTPForbidden
    locale = request.query.get("locale", "en")[:2].lower()
    locale = locale if locale in LABELS else "en"
    theme = {
        name: value
        for name, pattern in _THEME.items()
        if (value := request.query.get(name)) is not None and pattern.fullmatch(value)
    }
    values = {
        **LABELS[locale],
        "locale": locale,
        "dir": "rtl" if request.query.get("dir") == "rtl" else "ltr",
        "origin": origin or "",
        "key": house.publishable_key,
        "theme": json.dumps(theme),
        "labels": json.dumps(LABELS[locale]),
    }
    return _page("fields", values, embedded_by=origin)


async def wallet(request: web.Request) -> web.Response:
    """A wallet for express checkout, for one page that names itself by `origin` and may embed us."""
    house = request.app[HOUSE]
    origin = origin_of(request.query.get("origin", ""))
    if request.query.get("publishable_key") != house.publishable_key or not _may_embed(house, origin):
        raise web.HTTPForbidden
    return _page("wallet", {"origin": origin or "", "key": house.publishable_key}, embedded_by=origin)


async def challenge(request: web.Request) -> web.Response:
    """The bank's question to the shopper, in a frame of the shop's page or as a page of its own."""
    house = request.app[HOUSE]
    payment = house.books.find(request.match_info["payment"])
    framed = payment.behaviour.verdict is Verdict.CHALLENGE
    parent = (payment.origin or origin_of(payment.return_url)) if framed else None
    values = {
        "payment": payment.id,
        "amount": str(payment.amount),
        "currency": payment.currency,
        "card": f"{payment.card.brand} •••• {payment.card.last4}",
        "origin": parent or "",
        "state": "open" if payment.status in _DECIDABLE else "closed",
    }
    return _page("challenge", values, embedded_by=parent)


async def answer_challenge(request: web.Request) -> web.Response:
    house = request.app[HOUSE]
    answer = Answer.model_validate_json(await request.read())
    payment = house.world.answer_challenge(request.match_info["payment"], answer.decision, house.clock())
    return web.json_response({"result": payment.result, "redirect_url": _return_url(payment)})


def origin_of(url: str) -> str | None:
    """`scheme://host[:port]` of an http(s) address; None where it has none."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return None
    if parts.scheme not in {"http", "https"} or not parts.hostname or not re.fullmatch(r"[\w.:-]+", parts.hostname):
        return None
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    default = {"http": 80, "https": 443}[parts.scheme]
    return f"{parts.scheme}://{host}" if port in {None, default} else f"{parts.scheme}://{host}:{port}"


def _may_embed(house: House, origin: str | None) -> bool:
    if origin is None:
        return False
    if house.allowed_origins is None:
        return urlsplit(origin).hostname in _HERE
    return origin in house.allowed_origins


def _return_url(payment: Payment) -> str:
    """The return URL with the result, after whatever query it has already."""
    parts = urlsplit(payment.return_url)
    query = urlencode([*parse_qsl(parts.query, keep_blank_values=True), ("result", payment.result or "")])
    return parts._replace(query=query).geturl()


def _numbers(numbers: tuple[str, ...]) -> str:
    return "<br>".join(
        f"<code>{html.escape(' '.join(number[i : i + 4] for i in range(0, len(number), 4)))}</code>"
        for number in numbers
    )


def _page(name: str, values: Mapping[str, str], *, embedded_by: str | None, rows: str = "") -> web.Response:
    """A page with its values escaped; `rows` is HTML already."""
    template = string.Template((PAGES / f"{name}.html").read_text(encoding="utf-8"))
    escaped = {key: html.escape(value, quote=True) for key, value in values.items()}
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors " + (embedded_by or "'none'")
    )
    return web.Response(
        text=template.substitute(escaped, rows=rows),
        content_type="text/html",
        charset="utf-8",
        headers={
            "Content-Security-Policy": policy,
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        },
    )
