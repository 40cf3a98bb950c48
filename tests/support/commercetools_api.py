"""Speaks to a commercetools server in a test, and checks every successful reply of a strict one against the official file."""

from __future__ import annotations

import base64
import enum
import json
import uuid
from dataclasses import dataclass
from typing import Any

import aiohttp
from support import openapi

Json = Any


class Strictness(enum.Enum):
    """Whether replies are held against the official OpenAPI file."""

    #: Every one of them.
    OFFICIAL = enum.auto()
    #: None: it is somebody else's server.
    NONE = enum.auto()


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    status: int
    body: Json

    @property
    def code(self) -> str:
        """The code of the first error."""
        return self.body["errors"][0]["code"]

    @property
    def error(self) -> Json:
        return self.body["errors"][0]


@dataclass(frozen=True, kw_only=True, slots=True)
class Api:
    """A client of one project with one token."""

    session: aiohttp.ClientSession
    url: str
    strictness: Strictness
    token: str | None = None
    project_key: str = "demo"

    async def call(
        self, method: str, path: str, body: Json = None, *, query: Any = None, raw: bytes | None = None
    ) -> Answer:
        """`path` within the project, beginning with a slash."""
        headers = {} if self.token is None else {"Authorization": f"Bearer {self.token}"}
        data = raw if raw is not None else None if body is None else json.dumps(body).encode()
        if data is not None:
            headers["Content-Type"] = "application/json"
        url = f"{self.url}/{self.project_key}{path}"
        async with self.session.request(method, url, data=data, params=query, headers=headers) as response:
            text = await response.text()
            answer = Answer(status=response.status, body=json.loads(text) if text else None)
        if self.strictness is Strictness.OFFICIAL and answer.body is not None:
            self._check(method, path, answer)
        return answer

    def _check(self, method: str, path: str, answer: Answer) -> None:
        oauth = {"error", "error_description"}
        if answer.status >= 400:
            rest = {name: value for name, value in answer.body.items() if name not in oauth}
            openapi.validate("ErrorResponse", rest)
        elif path.startswith("/states"):
            openapi.validate("State", answer.body)
        elif not path.startswith("/sessions"):
            # Sessions are the one resource that the official file does not describe.
            openapi.validate_reply(method, f"/{self.project_key}{path}", answer.status, answer.body)

    async def get(self, path: str, **query: Any) -> Answer:
        return await self.call("GET", path, query=query or None)

    async def post(self, path: str, body: Json, *, query: Any = None) -> Answer:
        return await self.call("POST", path, body, query=query)

    async def make(self, path: str, body: Json) -> Json:
        """Create something that must be creatable."""
        answer = await self.post(path, body)
        assert answer.status in {200, 201}, answer
        return answer.body

    async def update(self, path: str, resource: Json, *actions: Json) -> Answer:
        """Actions on a version that was read."""
        body = {"version": resource["version"], "actions": list(actions)}
        return await self.post(f"{path}/{resource['id']}", body)

    async def change(self, path: str, resource: Json, *actions: Json) -> Json:
        """An update that must work."""
        answer = await self.update(path, resource, *actions)
        assert answer.status == 200, answer
        return answer.body

    async def query(self, path: str, where: str | list[str], **more: Any) -> list[str]:
        """The ids that a predicate finds."""
        answer = await self.get(path, where=where, **more)
        assert answer.status == 200, answer
        return [found["id"] for found in answer.body["results"]]


async def fetch_token(
    session: aiohttp.ClientSession,
    url: str,
    *,
    client_id: str = "demo-client",
    secret: str = "demo-secret",
    scope: str | None = None,
) -> Answer:
    form = {"grant_type": "client_credentials"} | ({"scope": scope} if scope else {})
    auth = base64.b64encode(f"{client_id}:{secret}".encode()).decode()
    async with session.post(f"{url}/oauth/token", data=form, headers={"Authorization": f"Basic {auth}"}) as response:
        return Answer(status=response.status, body=await response.json())


def unique(prefix: str = "key") -> str:
    """A name that no other test uses: the mock keeps everything."""
    return f"{prefix}-{uuid.uuid4().hex[:12]}"


def eur(cents: int) -> Json:
    return {"currencyCode": "EUR", "centAmount": cents}


def payment_draft(**more: Json) -> Json:
    return {"amountPlanned": eur(4200), "paymentMethodInfo": {"paymentInterface": "psp"}, **more}


def transaction(kind: str = "Authorization", cents: int = 4200, **more: Json) -> Json:
    return {"type": kind, "amount": eur(cents), **more}


def cart_draft(cents: int = 4200, **more: Json) -> Json:
    line = {"name": {"en": "Goods"}, "slug": unique("goods"), "money": eur(cents), "quantity": 1}
    return {"currency": "EUR", "customLineItems": [line], **more}


def type_draft(resource: str, *, key: str | None = None, **kinds: str) -> Json:
    """A type whose fields are of these kinds, each optional."""
    return {
        "key": key or unique("type"),
        "name": {"en": "A type"},
        "resourceTypeIds": [resource],
        "fieldDefinitions": [field(name, kind) for name, kind in kinds.items()],
    }


def field(name: str, kind: str = "String", **more: Json) -> Json:
    return {"name": name, "label": {"en": name}, "required": False, "type": {"name": kind}, **more}


def custom(of: Json, **fields: Json) -> Json:
    return {"type": {"typeId": "type", "key": of["key"]}, "fields": fields}
