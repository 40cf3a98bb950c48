"""The adapter for Sandbox Pay: our requests in its words, its answers as facts. It holds and decides nothing."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Final
from urllib.parse import urlencode

from psp.errors import OutcomeUnknownError, RefusedError, UnknownVocabularyError
from psp.facts import Fact, Reference
from psp.port import (
    Answer,
    AuthorizeRequest,
    CancelRequest,
    CaptureRequest,
    CompleteRequest,
    Event,
    ForgetRequest,
    ListRequest,
    LookupRequest,
    Page,
    RefundRequest,
)
from psp.sandbox import table
from psp.sandbox.api import DeclinedError, KeySpentError, SandboxApi
from psp.sandbox.facts import answer_of, authorization_fact, metadata_of, operation_facts, stored_of
from psp.sandbox.reads import CAPABILITIES, NAME
from psp.sandbox.scrub import scrub
from psp.sandbox.wire import EventJson, ForgottenJson, LedgerJson, OperationJson, PaymentJson, PaymentListJson
from psp.stored import Initiator

#: The code of a stored method that it does not know.
_NOT_STORED: Final = "stored_method_not_found"
_ID: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")
#: Entries of one page of the list: with all that is nested in them well below what one answer may weigh.
_PAGE_SIZE: Final = 100


class SandboxAdapter:
    """Implements `PspAdapter`."""

    name = NAME
    capabilities = CAPABILITIES

    def __init__(self, api: SandboxApi) -> None:
        self._api = api

    async def authorize(self, request: AuthorizeRequest) -> Answer:
        if request.method not in self.capabilities.methods:
            raise RefusedError(code="unsupported_method", message=f"There is no {request.method[:40]!r} at this PSP.")
        if request.token is None:
            raise RefusedError(code="token_missing", message="There is no token to pay with.")
        body: dict[str, object] = {
            "amount": request.amount.amount,
            "currency": request.amount.currency,
            "token": request.token.get_secret_value(),
            "merchant_reference": _name(request.reference),
            "metadata": metadata_of(request.reference),
            "return_url": request.return_url,
            "capture_method": "manual",
        }
        if request.initiator is Initiator.MERCHANT:
            body["initiator"] = "merchant"
        if request.store_for is not None:
            body["store_for"] = request.store_for
        if request.merchant_reference is not None:
            body["description"] = request.merchant_reference
        key = _key(request.reference)
        return await _payment(self._api.post("/v1/payments", body, PaymentJson, asked="/v1/payments", key=key))

    async def complete(self, request: CompleteRequest) -> Answer:
        """Without a key: completing twice gives the same payment, and a kept error must not outlive its cause."""
        result = request.parameters.get("result")
        if not result:
            raise RefusedError(code="result_missing", message="The browser brought no result back from the challenge.")
        path = f"{_path(request.payment_reference)}/complete"
        asked = "/v1/payments/{id}/complete"
        return await _payment(self._api.post(path, {"result": result}, PaymentJson, asked=asked, key=None))

    async def capture(self, request: CaptureRequest) -> Answer:
        body = {
            "amount": request.amount.amount,
            "currency": request.amount.currency,
            **_names(request.reference, request.merchant_reference),
        }
        return await self._operate(request.payment_reference, "captures", body, request.reference)

    async def cancel(self, request: CancelRequest) -> Answer:
        """The PSP releases what it still holds, which is why no amount is sent.

        A cancel that went out by our reference before the PSP's id had reached us is asked for again in that form, the
        one that its key stands for: in any other its outcome would never be told.
        """
        body = _names(request.reference, request.merchant_reference)
        if request.payment_reference is not None:
            with suppress(KeySpentError):
                return await self._operate(request.payment_reference, "cancel", body, request.reference)
        named = {**body, "payment_merchant_reference": _name(request.authorization)}
        key = _key(request.reference)
        return await _operation(self._api.post("/v1/cancels", named, OperationJson, asked="/v1/cancels", key=key))

    async def refund(self, request: RefundRequest) -> Answer:
        body = {
            "amount": request.amount.amount,
            "currency": request.amount.currency,
            **_names(request.reference, request.merchant_reference),
        }
        if request.capture_reference is not None:
            body["capture"] = request.capture_reference
        return await self._operate(request.payment_reference, "refunds", body, request.reference)

    async def forget(self, request: ForgetRequest) -> None:
        """Without a key, and with the token in the body, since paths are logged."""
        body, path = {"id": request.token.get_secret_value()}, "/v1/stored_methods/forget"
        try:
            await self._api.post(path, body, ForgottenJson, asked=path, key=None)
        except RefusedError as refused:
            if refused.code != _NOT_STORED:
                raise

    async def lookup(self, request: LookupRequest) -> Answer:
        """By the PSP's id where we have it, else by our reference; the newest of several is the one that counts."""
        if request.payment_reference is not None:
            if not _ID.fullmatch(request.payment_reference):
                return Answer(facts=())
            found = await self._api.find(_path(request.payment_reference), PaymentJson, asked="/v1/payments/{id}")
        else:
            query = urlencode({"merchant_reference": _name(request.authorization)})
            asked = "/v1/payments?merchant_reference="
            several = await self._api.get(f"/v1/payments?{query}", PaymentListJson, asked=asked)
            found = several.data[-1] if several.data else None
        return Answer(facts=()) if found is None else _readable(found)

    async def page(self, request: ListRequest) -> Page:
        """Of its ledger, which has everything in the order in which it was made."""
        span = {"from": request.since.isoformat(), "to": request.until.isoformat(), "limit": str(_PAGE_SIZE)}
        query = urlencode(span if request.cursor is None else {**span, "cursor": request.cursor})
        found = await self._api.get(f"/v1/ledger?{query}", LedgerJson, asked="/v1/ledger")
        facts: list[Fact] = []
        unreadable: list[str] = []
        for entry in found.data:
            try:
                facts += _entry_facts(entry)
            except (UnknownVocabularyError, ValueError) as error:
                unreadable.append(scrub(f"{str(entry.get('id'))[:64]}: {error}"))
        return Page(facts=tuple(facts), cursor=found.next_cursor, unreadable=tuple(unreadable))

    def parse_webhook(self, body: bytes) -> tuple[Event, ...]:
        """One event per body. Raises UnknownVocabularyError or ValueError, as the port says."""
        event = EventJson.model_validate_json(body)
        subject = table.meaning(table.EVENTS, event.type, what="event type")
        if subject is table.Subject.PAYMENT:
            payment = PaymentJson.model_validate(event.data)
            return (replace(_event(event, authorization_fact(payment)), stored=stored_of(payment)),)
        return (_event(event, *operation_facts(OperationJson.model_validate(event.data))),)

    def scrub(self, text: str) -> str:
        return scrub(text)

    async def _operate(
        self, payment_reference: str, what: str, body: Mapping[str, object], reference: Reference
    ) -> Answer:
        path, asked = f"{_path(payment_reference)}/{what}", f"/v1/payments/{{id}}/{what}"
        return await _operation(self._api.post(path, body, OperationJson, asked=asked, key=_key(reference)))


def _entry_facts(entry: Mapping[str, object]) -> tuple[Fact, ...]:
    """What one entry of the ledger says. Raises UnknownVocabularyError or ValueError."""
    if entry.get("object") == "payment":
        return (authorization_fact(PaymentJson.model_validate(entry)),)
    return operation_facts(OperationJson.model_validate(entry))


def _event(event: EventJson, *facts: Fact) -> Event:
    return Event(id=event.id, type=event.type, facts=facts)


async def _payment(call: Awaitable[PaymentJson]) -> Answer:
    """The facts of a payment, also of one that was declined."""
    try:
        return _readable(await call)
    except DeclinedError as declined:
        return _readable(declined.payment)


async def _operation(call: Awaitable[OperationJson]) -> Answer:
    operation = await call
    try:
        return Answer(facts=operation_facts(operation))
    except (UnknownVocabularyError, ValueError) as error:
        raise OutcomeUnknownError(f"The PSP's answer cannot be read: {error}") from error


def _readable(payment: PaymentJson) -> Answer:
    """The answer; what cannot be read leaves the outcome open, and says why."""
    try:
        return answer_of(payment)
    except (UnknownVocabularyError, ValueError) as error:
        raise OutcomeUnknownError(f"The PSP's answer cannot be read: {error}") from error


def _key(reference: Reference) -> str:
    """The idempotency key: the id of the transaction that was reserved for this."""
    assert reference.transaction_id is not None, "what moves money has a transaction reserved for it"
    return reference.transaction_id


def _name(reference: Reference) -> str:
    """Our name for an operation, by which the PSP finds it again."""
    return f"{reference.payment_id}.{_key(reference)}"


def _names(reference: Reference, merchant_reference: str | None) -> dict[str, object]:
    return {"merchant_reference": merchant_reference or _name(reference), "metadata": metadata_of(reference)}


def _path(payment_reference: str) -> str:
    """Raises RefusedError for what is no id of this PSP: it must not lead to another path."""
    if not _ID.fullmatch(payment_reference):
        raise RefusedError(code="payment_not_found", message="This is no payment id of Sandbox Pay.")
    return f"/v1/payments/{payment_reference}"
