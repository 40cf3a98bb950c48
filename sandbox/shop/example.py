"""The examples of `docs/example`, made to work here: the same files, with the addresses filled in.

Pages have the policy that the documentation recommends; the browser tests serve them through this too.
"""

from __future__ import annotations

import html
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from aiohttp import web

#: Not there in an installation without the sources.
FOLDER: Final = Path(__file__).parent.parent.parent / "docs" / "example"
PAGES: Final = ("index.html", "spa.html")
FILES: Final = ("example.css", "example.js", "spa.css", "spa.js")

_PLACEHOLDERS: Final = ("https://connector.example", "SESSION")


@dataclass(frozen=True, kw_only=True, slots=True)
class Around:
    """What a page is told."""

    processor_url: str
    psp_url: str
    session: str
    language: str = "en"
    direction: str = "ltr"


def page(name: str, around: Around) -> web.Response:
    """One of the pages."""
    text = (FOLDER / name).read_text(encoding="utf-8")
    for placeholder, value in zip(_PLACEHOLDERS, (around.processor_url, around.session), strict=True):
        text = text.replace(placeholder, html.escape(value, quote=True))
    language, direction = html.escape(around.language, quote=True), html.escape(around.direction, quote=True)
    text = text.replace('<html lang="en">', f'<html lang="{language}" dir="{direction}">')
    return web.Response(text=text, content_type="text/html", charset="utf-8", headers=policy(around))


def policy(around: Around) -> dict[str, str]:
    """The headers that a payment page should have: no inline code, no other origin, no HTML made of text."""
    connector, psp = _origin(around.processor_url), _origin(around.psp_url)
    rules = (
        f"default-src 'none'; script-src 'self' {connector}; style-src 'self'; connect-src {connector}; "
        f"frame-src {psp}; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
        "require-trusted-types-for 'script'; trusted-types 'none'"
    )
    return {
        "Content-Security-Policy": rules,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "strict-origin",
        "Cache-Control": "no-store",
    }


async def file(request: web.Request) -> web.StreamResponse:
    """One of the files beside the pages."""
    return web.FileResponse(FOLDER / request.match_info["name"])


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}"
