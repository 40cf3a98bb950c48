"""commercetools' HTTP API as we use it: JSON in and out of one project, and errors named by the reaction they need."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final
from urllib.parse import quote

from yarl import URL

from ct.token import Tokens
from ct.wire import JsonObject, Params, Wire, correlated, refusal

#: Segments that a URL resolves away instead of naming something.
_DOTS: Final = frozenset({"", ".", ".."})


def segment(value: str) -> str:
    """An id or a key as one segment of a path; what is in it cannot lead anywhere else.

    Raises ValueError for what can name nothing: an empty value, `.` and `..`.
    """
    if value in _DOTS:
        raise ValueError(f"{value!r} is no id or key of commercetools. Give the one of an existing resource.")
    return quote(value, safe="")


def quoted(value: str) -> str:
    """A text as a literal of a query predicate, quotes included; what is in it cannot end the literal."""
    return json.dumps(value, ensure_ascii=False)


class Commercetools:
    """One project. Paths are relative to it and start with a slash; ids in them have gone through `segment`.

    Every method raises NotFoundError, ConflictError, DuplicateError, InvalidRequestError, ForbiddenError or
    UnavailableError.
    """

    def __init__(
        self, *, wire: Wire, tokens: Tokens, api_url: str, project_key: str, correlation_id: str | None = None
    ) -> None:
        self._wire = wire
        self._tokens = tokens
        self._api_url = api_url
        self._project_key = project_key
        self._root = f"{api_url.rstrip('/')}/{segment(project_key)}"
        self._headers = correlated(correlation_id)

    def with_correlation(self, correlation_id: str) -> Commercetools:
        """The same project, naming this correlation id in every call. Shares everything; costs nothing."""
        return Commercetools(
            wire=self._wire,
            tokens=self._tokens,
            api_url=self._api_url,
            project_key=self._project_key,
            correlation_id=correlation_id,
        )

    async def get(self, path: str, *, params: Params | None = None) -> JsonObject:
        """Read."""
        return await self._ask("GET", path, params=params)

    async def post(self, path: str, body: Mapping[str, object], *, params: Params | None = None) -> JsonObject:
        """Create or update. What is created has a key and what is updated a version: see `Wire.send` for why."""
        return await self._ask("POST", path, params=params, body=json.dumps(body).encode())

    async def delete(self, path: str, *, params: Params | None = None) -> JsonObject:
        """Delete; `params` holds the version. A repetition after a lost reply is answered NotFoundError."""
        return await self._ask("DELETE", path, params=params)

    async def _ask(self, method: str, path: str, *, params: Params | None, body: bytes | None = None) -> JsonObject:
        # The path is quoted already, by `segment`.
        url = URL(self._root + path, encoded=True).update_query(params or {})
        asked = f"{method} {url.raw_path}"
        headers = self._headers if body is None else {**self._headers, "Content-Type": "application/json"}
        reply = await self._tokens.bear(
            lambda token: self._wire.send(
                method, url, asked=asked, headers={**headers, "Authorization": f"Bearer {token}"}, body=body
            )
        )
        if not reply.good:
            raise refusal(reply, asked=asked)
        return reply.document
