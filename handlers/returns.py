"""Returns: a shopper comes back from a redirect to the PSP.

There is no session here, only the state that we signed into the return URL. It names the operation and where the
merchant wants the shopper; nothing else in the request has a say in either.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from dataclasses import asdict, dataclass
from typing import Final
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from aiohttp import web
from pydantic import SecretStr, TypeAdapter

from bus.messages import CompleteAuthorization
from handlers import body, dispatch, headers, pages, requests
from handlers.answers import return_outcome
from handlers.dependencies import Dependencies, Session
from handlers.errors import RequestError, invalid

#: Characters. With the state around it, the return URL stays below what PSPs and messages take.
_RETURN_URL_MAX: Final = 1024
#: Payload and signature, each in base64url. Longer ones cannot be ours.
_STATE: Final = re.compile(r"([A-Za-z0-9_-]{1,4096})\.([A-Za-z0-9_-]{43})", re.ASCII)
#: Told apart from anything else that the same secret might ever sign.
_SIGNED_FOR: Final = b"ctpay return state 1\n"


@dataclass(frozen=True, kw_only=True, slots=True)
class State:
    """What a return URL carries through the shopper's browser and the PSP."""

    operation: str
    cart_id: str
    #: From the session; None: the shopper sees a page of ours.
    merchant_return_url: str | None


_state: Final = TypeAdapter(State)


def sign_state(state: State, secret: SecretStr) -> str:
    """The state as text for a URL, signed."""
    payload = _encode(json.dumps(asdict(state), separators=(",", ":")).encode())
    return f"{payload}.{_signature(payload, secret)}"


def read_state(text: str, secret: SecretStr) -> State:
    """The state, if we signed it. Raises RequestError."""
    found = _STATE.fullmatch(text)
    if found is None or not hmac.compare_digest(found[2], _signature(found[1], secret)):
        raise _not_ours()
    return _state.validate_json(base64.urlsafe_b64decode(found[1] + "=" * (-len(found[1]) % 4)))


def _not_ours() -> RequestError:
    return invalid("state", "The link is not one of ours, or is not whole. Go back to the shop and look there.")


def is_web_url(url: str) -> bool:
    """Whether shoppers may be sent there: an http(s) URL with a host, without credentials or odd characters."""
    if len(url) > _RETURN_URL_MAX or not url.isascii() or not url.isprintable() or set(url) & set(' \\"<>'):
        return False
    try:
        parts = urlsplit(url)
        _ = parts.port
    except ValueError:
        return False
    return parts.scheme in {"http", "https"} and bool(parts.hostname) and "@" not in parts.netloc


def return_url(dependencies: Dependencies, session: Session, operation: str) -> str:
    """Where the PSP sends the shopper after a redirect. Raises RequestError for a session that names no web page."""
    merchant_url = session.merchant_return_url or dependencies.merchant_return_url
    if merchant_url is not None and not is_web_url(merchant_url):
        field = "session.metadata.merchantReturnUrl"
        raise invalid(field, f"Create the session with an http(s) URL of at most {_RETURN_URL_MAX} characters.")
    state = State(operation=operation, cart_id=session.cart_id, merchant_return_url=merchant_url)
    return f"{dependencies.status_url(operation)}/return?state={sign_state(state, dependencies.return_secret)}"


def with_result(url: str, *, payment_reference: str | None, outcome: str) -> str:
    """The merchant's URL with what became of the payment; the rest of its query and its fragment stay as they are."""
    result = {"outcome": outcome}
    if payment_reference is not None:
        result = {"paymentReference": payment_reference} | result
    parts = urlsplit(url)
    # A result that was in the query before is not ours, and the page must not read two.
    kept = [pair for pair in parts.query.split("&") if pair and _name(pair) not in {"paymentReference", "outcome"}]
    query = "&".join([*kept, urlencode(result, quote_via=quote)])
    return urlunsplit(parts._replace(query=query))


async def get(dependencies: Dependencies, request: web.Request) -> web.Response:
    """GET /payments/{operation}/return?state=…: the PSP's answer is in the query."""
    return await _finish(dependencies, request, [])


async def post(dependencies: Dependencies, request: web.Request) -> web.Response:
    """POST /payments/{operation}/return?state=…: the PSP's answer is in a form."""
    # The state before the body: nobody else's body is read.
    _read_query(dependencies, request)
    return await _finish(dependencies, request, await body.read_form(request, dependencies.limits.body))


async def _finish(dependencies: Dependencies, request: web.Request, form: list[tuple[str, str]]) -> web.Response:
    state, query = _read_query(dependencies, request)
    command = CompleteAuthorization(
        command_id=dependencies.new_id(),
        correlation_id=headers.correlation_id(request),
        accepted_at=dependencies.clock(),
        reply_to=dependencies.instance,
        operation=state.operation,
        cart_id=state.cart_id,
        owner=None,
        parameters=requests.parameters([*query, *form]),
    )
    standing = await dispatch.carry_out(dependencies, command, wait_s=dependencies.limits.return_wait_s)
    outcome = return_outcome(standing)
    if state.merchant_return_url is None:
        return pages.outcome_page(outcome, languages=request.headers.get("Accept-Language", ""))
    reference = None if standing is None else standing.payment_reference
    location = with_result(state.merchant_return_url, payment_reference=reference, outcome=outcome)
    return web.Response(status=303, headers={"Location": location})


def _read_query(dependencies: Dependencies, request: web.Request) -> tuple[State, list[tuple[str, str]]]:
    """The state and the other parameters. Raises RequestError."""
    states = request.query.getall("state", [])
    if len(states) != 1:
        raise _not_ours()
    state = read_state(states[0], dependencies.return_secret)
    if state.operation != request.match_info["operation"]:
        raise _not_ours()
    return state, [(name, value) for name, value in request.query.items() if name != "state"]


def _name(pair: str) -> str:
    return next((name for name, _ in parse_qsl(pair, keep_blank_values=True)), "")


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _signature(payload: str, secret: SecretStr) -> str:
    key = secret.get_secret_value().encode()
    return _encode(hmac.digest(key, _SIGNED_FOR + payload.encode(), hashlib.sha256))
