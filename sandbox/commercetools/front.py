"""What stands before the core: authentication, the request log, faults on order. Pure, like the core.

A request goes through it in three steps, so that a shell can wait between them: `arrive`, `answer`, `leave`.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from http import HTTPStatus
from typing import Final
from urllib.parse import parse_qs

from sandbox.commercetools.calls import Call, Probe, Reply
from sandbox.commercetools.core import Core
from sandbox.commercetools.documents import Document, timestamp
from sandbox.commercetools.errors import RefusedError
from sandbox.commercetools.faults import Fault, FaultKind, FaultPlan
from sandbox.commercetools.tokens import LIFETIME_S, Client, Tokens

#: Older requests are forgotten.
LOG_MAX: Final = 100_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """One HTTP request, as far as it matters."""

    method: str
    #: Percent-encoded.
    path: str
    #: Without the question mark.
    query: str = ""
    body: bytes = b""
    authorization: str | None = None
    correlation_id: str | None = None


@dataclass(kw_only=True, slots=True)
class Entry:
    """One line of the request log. It is written to while the request is under way."""

    at: str
    method: str
    path: str
    query: str
    correlation_id: str | None
    client_id: str | None = None
    fault: str | None = None
    #: None: not answered yet, or never.
    status: int | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Visit:
    """A request on its way."""

    request: Request
    entry: Entry
    fault: Fault | None

    def suffers(self, *kinds: FaultKind) -> Fault | None:
        """Its fault, if it is of one of these kinds."""
        return self.fault if self.fault is not None and self.fault.kind in kinds else None


class Front:
    """A project's front door."""

    def __init__(
        self, core: Core, clients: Iterable[Client], *, new_id: Callable[[], str], token_lifetime_s: int = LIFETIME_S
    ) -> None:
        self.core = core
        self.tokens = Tokens(clients, new_id=new_id, lifetime_s=token_lifetime_s)
        self.plan = FaultPlan()
        self.log: deque[Entry] = deque(maxlen=LOG_MAX)

    def arrive(self, request: Request, now: datetime) -> Visit:
        """Log it, and see what is to go wrong with it."""
        fault, self.plan = self.plan.take(request.method, request.path, request.body)
        entry = Entry(
            at=timestamp(now),
            method=request.method,
            path=request.path,
            query=request.query,
            correlation_id=request.correlation_id,
            fault=fault.kind if fault is not None else None,
        )
        self.log.append(entry)
        return Visit(request=request, entry=entry, fault=fault)

    def answer(self, visit: Visit, now: datetime) -> Reply | Probe:
        """The effect and the reply, but for what the fault forbids."""
        if fault := visit.suffers(FaultKind.RATE_LIMIT):
            retry_after = {"Retry-After": str(max(1, round(fault.delay_s)))}
            return _failure(HTTPStatus.TOO_MANY_REQUESTS, "OverCapacity", headers=retry_after)
        if fault := visit.suffers(FaultKind.ERROR_BEFORE):
            return _failure(fault.status, "General")
        if visit.suffers(FaultKind.CONFLICT):
            self._conflict(visit.request, now)
        try:
            return self._answer(visit, now)
        except RefusedError as error:
            return Reply(status=error.status, body=error.body)

    def leave(self, visit: Visit, reply: Reply) -> Reply:
        """The reply as it goes out."""
        fault = visit.suffers(FaultKind.ERROR_AFTER)
        if fault is not None:
            failure = _failure(fault.status, "General")
            # The caller does not hear of the effect; the subscriptions do.
            reply = Reply(status=failure.status, body=failure.body, deliveries=reply.deliveries)
        visit.entry.status = reply.status
        return reply

    def _answer(self, visit: Visit, now: datetime) -> Reply | Probe:
        request = visit.request
        if request.path == "/oauth/token" and request.method == "POST":
            body = self.tokens.issue(request.authorization, request.body, request.query, now)
            return Reply(status=HTTPStatus.OK, body=body)
        if request.path == "/oauth/introspect" and request.method == "POST":
            body = self.tokens.introspect(request.authorization, request.body, now)
            return Reply(status=HTTPStatus.OK, body=body)
        parts = request.path.split("/")
        client_id = None
        if not (parts[2:3] == ["subscriptions"] and parts[4:] == ["health"]):
            grant = self.tokens.admit(
                request.authorization,
                method=request.method,
                resource=parts[2] if len(parts) > 2 else "",  # noqa: PLR2004 # `/{project}/{resource}`
                project_key=parts[1],
                now=now,
            )
            client_id = visit.entry.client_id = grant.client_id
        call = Call(
            method=request.method,
            path=request.path,
            query=parse_qs(request.query, keep_blank_values=True) if request.query else {},
            body=request.body,
            client_id=client_id,
        )
        return self.core.handle(call, now)

    def _conflict(self, request: Request, now: datetime) -> None:
        try:
            self.core.touch(request.path, now)
        except RefusedError:
            # The path means no resource: there is nothing to have a conflict about.
            return


def _failure(status: int, code: str, *, headers: dict[str, str] | None = None) -> Reply:
    message = HTTPStatus(status).phrase
    body: Document = {"statusCode": status, "message": message, "errors": [{"code": code, "message": message}]}
    return Reply(status=status, body=body, headers=headers or {})
