"""Sandbox Pay keeps a card by wish alone, pays with it when nobody is there, and forgets it when told to."""

from __future__ import annotations

import json
from datetime import UTC, datetime

import aiohttp
import pytest
from pydantic import SecretStr
from support.psp_servers import SECRET_KEY, running_psp

from psp.errors import RefusedError
from psp.facts import ActionType, Reference, State
from psp.http import Patience
from psp.money import Money
from psp.port import AuthorizeRequest, ForgetRequest
from psp.sandbox.adapter import SandboxAdapter
from psp.sandbox.api import SandboxApi
from psp.stored import Initiator, TokenKind
from sandbox.psp import views


@pytest.fixture
async def psp():
    async with running_psp(clock=lambda: datetime(2026, 3, 1, tzinfo=UTC)) as server, aiohttp.ClientSession() as http:
        yield (
            server,
            SandboxAdapter(
                SandboxApi(
                    session=http,
                    draw=lambda: 0.0,
                    url=server.url,
                    secret_key=SecretStr(SECRET_KEY),
                    patience=Patience(try_s=2.0, tries=2, total_s=4.0),
                )
            ),
        )


async def _authorize(adapter, token="tok_approved", transaction="t-1", **more):
    return await adapter.authorize(
        AuthorizeRequest(
            reference=Reference(project_key="demo", payment_id="p-1", transaction_id=transaction),
            amount=Money(amount=100, currency="EUR"),
            method="card",
            token=SecretStr(token) if token else None,
            return_url="https://shop.example/return",
            **more,
        )
    )


async def test_a_card_is_kept_by_wish_alone_and_every_telling_of_the_payment_names_it(psp):
    server, adapter = psp
    assert (await _authorize(adapter)).stored is None
    answer = await _authorize(adapter, transaction="t-2", store_for="customer-1")
    (kept,) = server.house.books.stored.values()
    assert (answer.stored.token.get_secret_value(), kept.customer) == (kept.id, "customer-1")
    shown = answer.stored.instrument
    assert (shown.brand, shown.last_four, shown.expiry_month, shown.expiry_year) == ("Visa", "4242", 12, 2029)
    body = views.event(list(server.house.outbox.events.values())[-1])
    (event,) = adapter.parse_webhook(json.dumps(body).encode())
    assert event.stored == answer.stored
    assert kept.id not in adapter.scrub(f"token {kept.id}")


async def test_a_kept_card_pays_again_and_again_until_it_is_forgotten(psp):
    server, adapter = psp
    stored = (await _authorize(adapter, store_for="customer-1")).stored
    for number in (2, 3):
        token = stored.token.get_secret_value()
        answer = await _authorize(adapter, token, f"t-{number}", token_kind=TokenKind.STORED)
        assert (answer.facts[0].state, answer.stored) == (State.SUCCESS, None)
    await adapter.forget(ForgetRequest(token=stored.token))
    assert server.house.books.stored == {}
    # What is not known is forgotten.
    await adapter.forget(ForgetRequest(token=stored.token))
    with pytest.raises(RefusedError) as refused:
        await _authorize(adapter, stored.token.get_secret_value(), "t-4", token_kind=TokenKind.STORED)
    assert refused.value.code == "token_not_found"


async def test_forgetting_that_is_refused_for_another_reason_is_told(psp):
    _, adapter = psp
    with pytest.raises(RefusedError):
        await adapter.forget(ForgetRequest(token=SecretStr("")))


async def test_a_merchant_alone_needs_a_kept_card_and_is_never_challenged(psp):
    _, adapter = psp
    challenged = await _authorize(adapter, "pm_3ds", "t-1", token_kind=TokenKind.STORED)
    assert challenged.action.type is ActionType.CHALLENGE
    alone = {"initiator": Initiator.MERCHANT, "token_kind": TokenKind.STORED}
    assert (await _authorize(adapter, "pm_3ds", "t-2", **alone)).facts[0].state is State.SUCCESS
    assert (await _authorize(adapter, "pm_declined", "t-3", **alone)).facts[0].state is State.FAILURE
    with pytest.raises(RefusedError) as refused:
        await _authorize(adapter, "tok_approved", "t-4", initiator=Initiator.MERCHANT)
    assert refused.value.code == "stored_method_needed"


async def test_without_a_token_nothing_is_asked(psp):
    server, adapter = psp
    with pytest.raises(RefusedError) as refused:
        await _authorize(adapter, None)
    assert (refused.value.code, list(server.house.requests)) == ("token_missing", [])
