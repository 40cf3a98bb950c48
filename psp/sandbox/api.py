"""Sandbox Pay's API as we call it: one method per request, and the three kinds of error for what is not an answer."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Final, TypeVar

import aiohttp
from pydantic import SecretStr, ValidationError

from psp.errors import OutcomeUnknownError, RefusedError
from psp.http import Http, HttpReply, HttpRequest, Patience
from psp.sandbox.wire import ErrorJson, PaymentJson, Wire
from psp.seams import Draw

Answered = TypeVar("Answered", bound=Wire)

_CONFLICT: Final = 409

#: The key was used for another request, which may well have had its effect.
_KEY_REUSED: Final = "idempotency_key_reused"
_KEY_IN_PROGRESS: Final = "idempotency_key_in_progress"
_NO_PAYMENT: Final = "payment_not_found"


class DeclinedError(RefusedError):
    """The PSP said no and keeps a payment that says so too. The adapter answers with that payment's facts."""

    def __init__(self, *, code: str, message: str, payment: PaymentJson) -> None:
        super().__init__(code=code, message=message)
        self.payment = payment


class KeySpentError(OutcomeUnknownError):
    """The key belongs to another request, in another form or with another body: what became of that is the outcome."""


class SandboxApi:
    """Implements the PSP's conventions, and knows nothing of facts."""

    def __init__(
        self,
        *,
        session: aiohttp.ClientSession,
        draw: Draw,
        url: str,
        secret_key: SecretStr,
        patience: Patience | None = None,
    ) -> None:
        self._url = url.rstrip("/")
        self._secret_key = secret_key
        self._http = Http(session=session, draw=draw, patience=patience or Patience(), in_progress=_is_in_progress)

    async def post(
        self, path: str, body: Mapping[str, object], model: type[Answered], *, asked: str, key: str | None
    ) -> Answered:
        """Ask for something to be done, under an idempotency key; without one only what repetition cannot harm.

        Raises the three kinds of `PspError`; DeclinedError where the PSP made a payment of it all the same.
        """
        headers = {} if key is None else {"Idempotency-Key": key}
        request = self._request("POST", path, asked=asked, headers=headers, body=json.dumps(body).encode())
        return self._read(await self._http.send(request), model, asked=request.asked)

    async def get(self, path: str, model: type[Answered], *, asked: str) -> Answered:
        """Read what is always there, a list for instance. Raises the three kinds of `PspError`."""
        request = self._request("GET", path, asked=asked)
        return self._read(await self._http.send(request), model, asked=request.asked)

    async def find(self, path: str, model: type[Answered], *, asked: str) -> Answered | None:
        """Read; None: the PSP itself says that there is no such payment. Raises the three kinds of `PspError`.

        The status alone proves nothing: a gateway on the way has a 404 of its own, for what it cannot route.
        """
        try:
            return await self.get(path, model, asked=asked)
        except RefusedError as refused:
            if refused.code != _NO_PAYMENT:
                raise
        return None

    def _request(
        self, method: str, path: str, *, asked: str, headers: Mapping[str, str] | None = None, body: bytes | None = None
    ) -> HttpRequest:
        bearer = {"Authorization": f"Bearer {self._secret_key.get_secret_value()}", "Content-Type": "application/json"}
        return HttpRequest(
            method=method,
            url=self._url + path,
            asked=f"{method} {asked}",
            headers={**bearer, **(headers or {})},
            body=body,
        )

    def _read(self, reply: HttpReply, model: type[Answered], *, asked: str) -> Answered:
        try:
            if reply.good:
                return model.model_validate_json(reply.body)
            error = ErrorJson.model_validate_json(reply.body).error
        except ValidationError:
            # Whoever answered this, it proves nothing about the money.
            raise OutcomeUnknownError(
                f"The answer to {asked} ({reply.status}) is not the PSP's. Check SANDBOX_PSP_URL; look up the outcome."
            ) from None
        if error.code == _KEY_REUSED:
            raise KeySpentError(f"The key of {asked} was used for another request. Look up what became of that.")
        if error.payment is not None:
            raise DeclinedError(code=error.code, message=error.message, payment=error.payment)
        raise RefusedError(code=error.code, message=error.message)


def _is_in_progress(reply: HttpReply) -> bool:
    if reply.status != _CONFLICT:
        return False
    try:
        return ErrorJson.model_validate_json(reply.body).error.code == _KEY_IN_PROGRESS
    except ValidationError:
        return False
