"""Defects planted in what the PSP is asked: its keys, its amounts, its time, and how its answers are read."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from simulation.planting import Change

from bus.port import DONE
from ct import cart, ledger
from ct.admission import Admitted
from ct.payment import parse_payment
from psp.errors import OutcomeUnknownError
from psp.facts import Reference
from psp.port import Answer, CaptureRequest
from psp.sandbox.adapter import SandboxAdapter
from psp.sandbox.api import SandboxApi
from workers import authorize, capture, modify, perform, reconcile


def _posting(change: Callable[[dict[str, Any], str | None], tuple[dict[str, Any], str | None]]) -> list[Change]:
    original = SandboxApi.post

    async def post(self: SandboxApi, path: str, body: Any, model: Any, *, asked: str, key: str | None) -> Any:
        body, key = change(dict(body), key)
        return await original(self, path, body, model, asked=asked, key=key)

    return [(SandboxApi, "post", post)]


def no_key() -> list[Change]:
    return _posting(lambda body, _: (body, None))


def random_key() -> list[Change]:
    numbers = itertools.count()
    return _posting(lambda body, key: (body, key and f"try-{next(numbers)}"))


def wrong_exponent() -> list[Change]:
    def hundredfold(body: dict[str, Any], key: str | None) -> tuple[dict[str, Any], str | None]:
        return (body | {"amount": body["amount"] * 100} if body.get("currency") == "JPY" else body), key

    return _posting(hundredfold)


def check_then_call() -> list[Change]:
    original = modify.modify

    async def check_then_call(work: Any, command: Any, kind: Any) -> Any:
        payment = await work.ledger.load(command.payment_id)
        request = modify._request(work, command, kind)
        judged = modify.admit(payment, request, work.psp.capabilities)
        if not isinstance(judged, Admitted) or not judged.actions or request.claiming is not None:
            return await original(work, command, kind)
        name = Reference(project_key=work.project_key, payment_id=payment.id, transaction_id=command.command_id[:36])
        asked = CaptureRequest(reference=name, payment_reference=payment.interface_id or "", amount=request.amount)
        await perform.settle(work, payment, await work.psp.capture(asked), cause=command.command_id)
        return DONE

    return [(capture, "modify", check_then_call)]


def no_send_by() -> list[Change]:
    def never(work: Any, _payment: Any, _transaction: Any) -> Any:
        return work.clock() + timedelta(days=1)

    original = authorize._begin

    async def begin(work: Any, *arguments: Any) -> Any:
        patient = replace(work.limits, authorization_send_by=timedelta(days=1))
        return await original(replace(work, limits=patient), *arguments)

    return [(perform, "send_by", never), (authorize, "send_by", never), (authorize, "_begin", begin)]


def others_payment_taken() -> list[Change]:
    def taken_for_ours(document: Any) -> Any:
        return replace(parse_payment(document), interface="ctpay-sandbox")

    return [(ledger, "parse_payment", taken_for_ours), (cart, "parse_payment", taken_for_ours)]


def resumed_under_another_id() -> list[Change]:
    original = reconcile.command_for

    def command_for(*arguments: Any, **named: Any) -> Any:
        command = original(*arguments, **named)
        return command and command.model_copy(update={"command_id": f"again-{command.command_id}"})

    return [(reconcile, "command_for", command_for)]


def key_honoured_for_ever() -> list[Change]:
    original = modify._request

    def request(*arguments: Any) -> Any:
        found = original(*arguments)
        return replace(found, send_by=found.send_by + timedelta(days=9))

    return [(modify, "_request", request)]


def timeout_is_failure() -> list[Change]:
    async def failed(work: Any, payment: Any, transaction: Any) -> Answer:
        return Answer(facts=(perform._failure(work, payment, transaction, "timeout", "No answer came."),))

    return [(perform, "what_became_of", failed)]


def nothing_found_is_failure() -> list[Change]:
    original = perform.what_became_of

    async def looked_up(work: Any, payment: Any, transaction: Any) -> Answer:
        found = await original(work, payment, transaction)
        return found or Answer(facts=(perform._failure(work, payment, transaction, "not_found", "Unknown there."),))

    return [(perform, "what_became_of", looked_up)]


def gateway_believed() -> list[Change]:
    original = SandboxAdapter.lookup

    async def lookup(self: SandboxAdapter, request: Any) -> Answer:
        try:
            return await original(self, request)
        except OutcomeUnknownError as unknown:
            if "(404)" in str(unknown):
                return Answer(facts=())
            raise

    return [(SandboxAdapter, "lookup", lookup)]
