"""Pages: what a person reads where a program would get JSON, or nothing. They run nothing and load nothing.

Shoppers come here by themselves on one way alone, back from a bank; what goes wrong then must not greet them in braces.
"""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Final

from aiohttp import web

from handlers.errors import Problem

#: Nothing in it comes from the request but a correlation id.
_PAGE: Final = """<!doctype html>
<html lang="{language}">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<main>
<h1>{text}</h1>
<p>{advice}</p>{mark}
</main>
</html>
"""
_HEADERS: Final = {"Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"}
#: Language -> what the pages say. The first is for everybody else.
_TEXTS: Final[Mapping[str, Mapping[str, str]]] = {
    "en": {
        "title": "Payment",
        "back": "You can close this page and go back to the shop.",
        "approved": "The payment is approved.",
        "rejected": "The payment was not accepted.",
        "action": "The payment needs one more step in the shop.",
        "pending": "The payment is under way.",
        "link": "This link does not lead anywhere.",
        "look": "It is not whole, or not one of ours. Go back to the shop: it knows how your payment stands.",
        "fault": "This did not work just now.",
        "again": "Load this page again in a moment. You will not pay twice.",
        "mark": "For the shop's support:",
    },
    "de": {
        "title": "Zahlung",
        "back": "Sie können diese Seite schließen und zum Shop zurückkehren.",
        "approved": "Die Zahlung ist bestätigt.",
        "rejected": "Die Zahlung wurde nicht angenommen.",
        "action": "Für die Zahlung fehlt noch ein Schritt im Shop.",
        "pending": "Die Zahlung wird bearbeitet.",
        "link": "Dieser Link führt nirgendwohin.",
        "look": "Er ist unvollständig oder nicht von uns. Im Shop sehen Sie, wie es um Ihre Zahlung steht.",
        "fault": "Das hat gerade nicht geklappt.",
        "again": "Laden Sie diese Seite gleich noch einmal. Sie zahlen nicht doppelt.",
        "mark": "Für den Kundendienst des Shops:",
    },
}
#: Below it, a link is to blame, unless it came too often.
_SERVER_FAULT: Final = 500
_TOO_MANY: Final = 429


def is_wanted(accept: str) -> bool:
    """Whether a person looks: browsers ask for HTML when they go to an address, programs do not (RFC 9110, 12.5.1)."""
    kinds = {one.partition(";")[0].strip().lower() for one in accept.split(",")}
    return "text/html" in kinds and "application/json" not in kinds


def outcome_page(outcome: str, *, languages: str) -> web.Response:
    """What became of a payment, for shops that name no page of their own. `languages`: as Accept-Language has them."""
    return _page(200, outcome, "back", languages=languages)


def problem_page(problem: Problem, *, languages: str, correlation_id: str) -> web.Response:
    """That something is wrong, and what to do. What passes by itself is told apart from a link that never works."""
    passes = problem.status >= _SERVER_FAULT or problem.status == _TOO_MANY
    text, advice = ("fault", "again") if passes else ("link", "look")
    page = _page(problem.status, text, advice, languages=languages, correlation_id=correlation_id)
    page.headers.update(problem.headers)
    return page


def _page(status: int, text: str, advice: str, *, languages: str, correlation_id: str | None = None) -> web.Response:
    wanted = (one.partition(";")[0].strip()[:2].lower() for one in languages.split(","))
    language = next((one for one in wanted if one in _TEXTS), next(iter(_TEXTS)))
    texts = _TEXTS[language]
    mark = "" if correlation_id is None else f"\n<p>{texts['mark']} <code>{escape(correlation_id)}</code></p>"
    html = _PAGE.format(language=language, title=texts["title"], text=texts[text], advice=texts[advice], mark=mark)
    headers = {**_HEADERS, "Content-Language": language, "Vary": "Accept, Accept-Language"}
    return web.Response(status=status, text=html, content_type="text/html", headers=headers)
