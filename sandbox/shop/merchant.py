"""The merchant's own calls: to commercetools, and to the connector as an order system makes them."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final
from urllib.parse import quote

import aiohttp

#: Seconds for one call.
_TIME_LIMIT: Final = aiohttp.ClientTimeout(total=20)
#: Seconds before its end from which a token is no longer used.
_TOKEN_MARGIN: Final = 60
_CONFLICT: Final = 409
_UNAUTHORIZED: Final = 401
_GOOD: Final = range(200, 300)
_TRIES: Final = 4

Json = dict[str, object]


class UpstreamError(Exception):
    """Somebody said no, or nothing. The text is theirs where they gave one."""

    def __init__(self, message: str, *, status: int) -> None:
        super().__init__(message)
        self.status = status


@dataclass(frozen=True, kw_only=True, slots=True)
class Addresses:
    """Where everybody is, without slashes at the end."""

    #: commercetools' API, its token endpoint and its session service: here one server.
    commercetools: str
    project_key: str
    #: The connector.
    processor: str


@dataclass(frozen=True, kw_only=True, slots=True)
class Credentials:
    """The merchant's API client. Not the connector's."""

    client_id: str
    client_secret: str


class Merchant:
    """The merchant's systems."""

    def __init__(self, *, session: aiohttp.ClientSession, addresses: Addresses, credentials: Credentials) -> None:
        self._session = session
        self._at = addresses
        self._credentials = credentials
        self._token: tuple[str, float] | None = None
        self._asking = asyncio.Lock()

    async def create_cart(self, draft: Mapping[str, object]) -> Json:
        return await self._commercetools("POST", "/carts", body=draft)

    async def cart(self, cart_id: str) -> Json:
        """With its payments whole."""
        return await self._commercetools("GET", f"/carts/{_segment(cart_id)}?expand=paymentInfo.payments[*]")

    async def create_session(self, cart_id: str, metadata: Mapping[str, object]) -> Json:
        body = {"cart": {"cartRef": {"id": cart_id}}, "metadata": dict(metadata)}
        return await self._commercetools("POST", "/sessions", body=body)

    async def payment(self, payment_id: str) -> Json:
        return await self._commercetools("GET", f"/payments/{_segment(payment_id)}")

    async def versions(self, payment_id: str) -> list[Json]:
        """Every version of the payment, the oldest first. None from a real project, which keeps only the newest."""
        url = f"{self._at.commercetools}/__control/payments/{_segment(payment_id)}/history"
        try:
            return _objects((await self._send("GET", url, body=None, token="")).get("versions"))
        except UpstreamError:
            return []

    async def payments(self) -> list[Json]:
        """The newest first."""
        found = await self._commercetools("GET", "/payments?sort=createdAt%20desc&limit=50")
        return _objects(found.get("results"))

    async def add_transaction(self, payment_id: str, *, kind: str, amount: Mapping[str, object]) -> Json:
        """As somebody does it in the Merchant Center: a transaction in state Initial, and nobody is called."""
        action = {"action": "addTransaction", "transaction": {"type": kind, "amount": dict(amount), "state": "Initial"}}
        for _ in range(_TRIES):
            version = (await self.payment(payment_id)).get("version")
            try:
                body = {"version": version, "actions": [action]}
                return await self._commercetools("POST", f"/payments/{_segment(payment_id)}", body=body)
            except UpstreamError as error:
                if error.status != _CONFLICT:
                    raise
        raise UpstreamError("The payment keeps changing. Try again in a moment.", status=_CONFLICT)

    async def intend(self, payment_id: str, action: Mapping[str, object]) -> Json:
        """Ask the connector to capture, refund, cancel or reverse."""
        url = f"{self._at.processor}/operations/payment-intents/{_segment(payment_id)}"
        return await self._bear("POST", url, body={"actions": [dict(action)]})

    async def _commercetools(self, method: str, path: str, *, body: Mapping[str, object] | None = None) -> Json:
        return await self._bear(method, f"{self._at.commercetools}/{_segment(self._at.project_key)}{path}", body=body)

    async def _bear(self, method: str, url: str, *, body: Mapping[str, object] | None) -> Json:
        """A call with our token; with a new one if commercetools has forgotten it, as after its restart."""
        try:
            return await self._send(method, url, body=body, token=await self._bearer())
        except UpstreamError as error:
            if error.status != _UNAUTHORIZED:
                raise
        self._token = None
        return await self._send(method, url, body=body, token=await self._bearer())

    async def _bearer(self) -> str:
        async with self._asking:
            now = asyncio.get_running_loop().time()
            if self._token is None or self._token[1] <= now:
                self._token = await self._new_token(now)
            return self._token[0]

    async def _new_token(self, now: float) -> tuple[str, float]:
        async with self._session.post(
            f"{self._at.commercetools}/oauth/token",
            data={"grant_type": "client_credentials"},
            headers={
                "Authorization": aiohttp.encode_basic_auth(self._credentials.client_id, self._credentials.client_secret)
            },
            timeout=_TIME_LIMIT,
        ) as response:
            document = await _document(response)
        expires_in = document.get("expires_in")
        lasts = expires_in - _TOKEN_MARGIN if isinstance(expires_in, int) else 0
        return str(document.get("access_token")), now + lasts

    async def _send(self, method: str, url: str, *, body: Mapping[str, object] | None, token: str) -> Json:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        try:
            async with self._session.request(method, url, json=body, headers=headers, timeout=_TIME_LIMIT) as response:
                return await _document(response)
        except (aiohttp.ClientError, TimeoutError) as error:
            raise UpstreamError(f"No answer ({type(error).__name__}). Is it still running?", status=502) from error


def _objects(value: object) -> list[Json]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


async def _document(response: aiohttp.ClientResponse) -> Json:
    try:
        document = json.loads(await response.read())
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise UpstreamError(f"The reply ({response.status}) is not a JSON object.", status=502)
    if response.status not in _GOOD:
        raise UpstreamError(str(document.get("message", response.reason)), status=response.status)
    return document


def _segment(text: str) -> str:
    return quote(text, safe="")
