"""Setup, readiness, tokens, sessions and introspection against the strict commercetools stand-in, over real HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import aiohttp
import pytest
from pydantic import SecretStr
from support.commercetools_servers import (
    CLIENT_ID,
    CLIENT_SECRET,
    FOREIGN_ID,
    LIMITED_ID,
    MERCHANT_ID,
    PROJECT_KEY,
    running_commercetools,
)

from ct.callers import Known, NotAllowedError, UnknownCallerError
from ct.client import Commercetools, quoted, segment
from ct.errors import ConflictError, DuplicateError, ForbiddenError, InvalidRequestError, NotFoundError
from ct.fields import INTERACTION_TYPE, TRANSACTION_TYPE
from ct.introspection import Introspection
from ct.readiness import types_missing
from ct.sessions import Sessions
from ct.setup import Destination, Record, Result, set_up
from ct.token import Tokens
from ct.wire import JsonObject, Limits, Wire
from psp.money import Money
from sandbox.commercetools.faults import Fault, FaultKind, FaultPlan
from sandbox.commercetools.server import Running

EUROS = {"centAmount": 4200, "currencyCode": "EUR"}


@pytest.fixture
async def platform() -> AsyncIterator[Running]:
    async with running_commercetools() as running:
        yield running


def tokens_of(platform: Running, wire: Wire, client_id: str, secret: str = CLIENT_SECRET) -> Tokens:
    return Tokens(wire=wire, auth_url=platform.url, client_id=client_id, client_secret=SecretStr(secret))


@pytest.fixture
def ours(platform: Running, wire: Wire) -> Tokens:
    return tokens_of(platform, wire, CLIENT_ID)


@pytest.fixture
def project(platform: Running, wire: Wire, ours: Tokens) -> Commercetools:
    return Commercetools(wire=wire, tokens=ours, api_url=platform.url, project_key=PROJECT_KEY)


def plan(platform: Running, *faults: Fault) -> None:
    platform.house.front.plan = FaultPlan(faults=faults)


def asked(platform: Running, of: str) -> int:
    return sum(1 for entry in platform.house.front.log if f"{entry.method} {entry.path}" == of)


async def created(project: Commercetools, key: str = "k1") -> JsonObject:
    return await project.post("/payments", {"key": key, "amountPlanned": EUROS})


# --- the client


async def test_a_payment_is_made_read_found_and_changed(project: Commercetools) -> None:
    payment = await created(project)
    assert await project.get(f"/payments/key={segment('k1')}") == payment
    hostile = 'pi_1" or key = "k1'
    update = {"version": payment["version"], "actions": [{"action": "setInterfaceId", "interfaceId": hostile}]}
    changed = await project.post(f"/payments/{segment(str(payment['id']))}", update)
    assert changed["interfaceId"] == hostile
    await created(project, "k2")
    found = await project.get("/payments", params={"where": f"interfaceId = {quoted(hostile)}"})
    assert found["count"] == 1


async def test_gap_8_a_hostile_value_finds_nothing_that_it_does_not_name(project: Commercetools) -> None:
    await created(project)
    for hostile in ('x" or key = "k1', 'x\\" or key = "k1', "x\\", '"', 'x") or (key = "k1'):
        found = await project.get("/payments", params={"where": f"interfaceId = {quoted(hostile)}"})
        assert found["count"] == 0


async def test_answers_of_the_platform_have_their_names(project: Commercetools) -> None:
    payment = await created(project)
    path = f"/payments/{payment['id']}"
    with pytest.raises(NotFoundError):
        await project.get("/payments/00000000-0000-4000-8000-999999999999")
    with pytest.raises(DuplicateError) as duplicate:
        await created(project)
    assert duplicate.value.field == "key"
    with pytest.raises(ConflictError):
        await project.post(path, {"version": 99, "actions": [{"action": "setKey", "key": "k2"}]})
    with pytest.raises(InvalidRequestError):
        await project.post(path, {"version": payment["version"], "actions": [{"action": "bogus"}]})


@pytest.mark.parametrize("kind", [FaultKind.ERROR_BEFORE, FaultKind.DROP_BEFORE, FaultKind.RATE_LIMIT])
async def test_a_creation_that_did_not_get_through_is_repeated(
    platform: Running, project: Commercetools, kind: FaultKind
) -> None:
    plan(platform, Fault(kind=kind, on="POST /demo/payments"))
    await created(project)
    assert (await project.get("/payments"))["count"] == 1


@pytest.mark.parametrize("kind", [FaultKind.ERROR_AFTER, FaultKind.DROP_REPLY])
async def test_a_creation_whose_reply_is_lost_is_a_duplicate_of_itself(
    platform: Running, project: Commercetools, kind: FaultKind
) -> None:
    plan(platform, Fault(kind=kind, on="POST /demo/payments"))
    with pytest.raises(DuplicateError):
        await created(project)
    assert (await project.get("/payments"))["count"] == 1


@pytest.mark.parametrize("kind", [FaultKind.ERROR_AFTER, FaultKind.DROP_REPLY])
async def test_an_update_whose_reply_is_lost_has_its_effect_once(
    platform: Running, project: Commercetools, kind: FaultKind
) -> None:
    payment = await created(project)
    path = f"/payments/{payment['id']}"
    transaction = {"type": "Authorization", "amount": EUROS}
    plan(platform, Fault(kind=kind, on=f"POST /demo{path}"))
    with pytest.raises(ConflictError):
        await project.post(
            path, {"version": payment["version"], "actions": [{"action": "addTransaction", "transaction": transaction}]}
        )
    transactions = (await project.get(path))["transactions"]
    assert isinstance(transactions, list)
    assert len(transactions) == 1


async def test_revoked_tokens_cost_one_more_fetch_for_all(platform: Running, project: Commercetools) -> None:
    await created(project)
    platform.house.front.tokens.revoke_all()
    await asyncio.gather(*(project.get("/payments/key=k1") for _ in range(10)))
    assert asked(platform, "POST /oauth/token") == 2


async def test_wrong_credentials_and_missing_scopes_are_told_apart(platform: Running, wire: Wire) -> None:
    with pytest.raises(ForbiddenError, match="CTP_CLIENT_SECRET"):
        await tokens_of(platform, wire, CLIENT_ID, "wrong").get()
    limited = Commercetools(
        wire=wire, tokens=tokens_of(platform, wire, LIMITED_ID), api_url=platform.url, project_key=PROJECT_KEY
    )
    with pytest.raises(ForbiddenError, match="manage_payments"):
        await created(limited)


# --- the callers


@pytest.fixture
def sessions(platform: Running, wire: Wire, ours: Tokens) -> Sessions:
    return Sessions(
        wire=wire,
        tokens=ours,
        session_url=platform.url,
        project_key=PROJECT_KEY,
        clock=lambda: datetime.now(UTC),
        known=Known(for_s=60.0, size=10),
    )


async def checked_out(platform: Running, http: aiohttp.ClientSession, metadata: dict[str, object]) -> tuple[str, str]:
    """Cart id and session id."""
    draft = {"amount": EUROS, "metadata": metadata}
    async with http.post(f"{platform.url}/__control/checkouts", json=draft) as response:
        made = await response.json()
    return made["cart"]["id"], made["session"]["id"]


async def test_a_shoppers_session_is_good_until_it_ends(
    platform: Running, http: aiohttp.ClientSession, sessions: Sessions
) -> None:
    gift_card = {"centAmount": 500, "currencyCode": "EUR"}
    cart_id, session_id = await checked_out(platform, http, {"giftCardPlannedAmount": gift_card})

    session = await sessions.check(session_id)
    assert session.cart_id == cart_id
    assert session.gift_card_planned == Money(amount=500, currency="EUR")

    _, other_id = await checked_out(platform, http, {})
    async with http.post(f"{platform.url}/__control/sessions/{other_id}/end"):
        pass
    with pytest.raises(UnknownCallerError):
        await sessions.check(other_id)
    with pytest.raises(UnknownCallerError):
        await sessions.check("00000000-0000-4000-8000-999999999999")


async def test_our_own_revoked_token_does_not_cost_the_shopper_the_session(
    platform: Running, http: aiohttp.ClientSession, sessions: Sessions, ours: Tokens
) -> None:
    await ours.get()
    platform.house.front.tokens.revoke_all()
    _, session_id = await checked_out(platform, http, {})
    await sessions.check(session_id)


async def test_a_merchants_client_may_and_a_foreign_projects_may_not(platform: Running, wire: Wire) -> None:
    introspection = Introspection(
        wire=wire,
        auth_url=platform.url,
        client_id=CLIENT_ID,
        client_secret=SecretStr(CLIENT_SECRET),
        project_key=PROJECT_KEY,
        clock=lambda: datetime.now(UTC),
        known=Known(for_s=60.0, size=10),
    )
    merchant = await introspection.check(await tokens_of(platform, wire, MERCHANT_ID).get())
    merchant.require("manage_project", "manage_checkout_payment_intents")
    assert merchant.client_id == MERCHANT_ID

    foreign = await introspection.check(await tokens_of(platform, wire, FOREIGN_ID).get())
    with pytest.raises(NotAllowedError):
        foreign.require("manage_project")
    with pytest.raises(UnknownCallerError):
        await introspection.check("made-up")


# --- the set-up


async def run(platform: Running, tokens: Tokens, *, topic: str = "ctpay-commercetools") -> tuple[Record, ...]:
    return await asyncio.to_thread(
        set_up,
        api_url=platform.url,
        project_key=PROJECT_KEY,
        token=SecretStr(await tokens.get()),
        destination=Destination(google_project="gcp", topic=topic),
        limits=Limits(timeout_s=5.0, tries=3, first_wait_s=0.0),
    )


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


async def test_setup_makes_everything_once(platform: Running, ours: Tokens, project: Commercetools) -> None:
    assert await types_missing(project) == (TRANSACTION_TYPE.key, INTERACTION_TYPE.key)
    assert [one.result for one in await run(platform, ours)] == [Result.CREATED] * 3
    assert await types_missing(project) == ()
    assert [one.result for one in await run(platform, ours)] == [Result.UNCHANGED] * 3


async def test_setup_adds_the_fields_that_a_type_of_an_older_release_lacks(
    platform: Running, ours: Tokens, project: Commercetools
) -> None:
    await run(platform, ours)
    older = await project.get(f"/types/key={TRANSACTION_TYPE.key}")
    lacking = list(TRANSACTION_TYPE.fields)[-2:]
    actions = [{"action": "removeFieldDefinition", "fieldName": name} for name in lacking]
    await project.post(f"/types/{older['id']}", {"version": older["version"], "actions": actions})
    assert await types_missing(project) == tuple(f"{TRANSACTION_TYPE.key}.{name}" for name in lacking)

    transaction, interaction, _ = await run(platform, ours)

    assert (transaction.result, transaction.added) == (Result.EXTENDED, tuple(lacking))
    assert interaction.result is Result.UNCHANGED
    assert await types_missing(project) == ()


async def test_setup_moves_the_subscription_to_another_topic(platform: Running, ours: Tokens) -> None:
    await run(platform, ours)
    assert (await run(platform, ours, topic="elsewhere"))[2].added == ("destination",)
    assert (await run(platform, ours, topic="elsewhere"))[2].result is Result.UNCHANGED


@pytest.mark.parametrize("kind", [FaultKind.DROP_REPLY, FaultKind.ERROR_AFTER, FaultKind.ERROR_BEFORE])
@pytest.mark.parametrize("on", ["POST /demo/types", "POST /demo/subscriptions"])
async def test_setup_gets_over_a_lost_reply(
    platform: Running, ours: Tokens, project: Commercetools, kind: FaultKind, on: str
) -> None:
    plan(platform, Fault(kind=kind, on=on))
    await run(platform, ours)
    assert {one.result for one in await run(platform, ours)} == {Result.UNCHANGED}


async def test_two_setups_at_once_both_succeed(platform: Running, ours: Tokens, project: Commercetools) -> None:
    await asyncio.gather(*(run(platform, ours) for _ in range(3)))
    assert await types_missing(project) == ()
    subscriptions = await project.get("/subscriptions")
    assert subscriptions["count"] == 1


async def test_setup_without_the_right_says_which_scope_is_missing(platform: Running, wire: Wire) -> None:
    with pytest.raises(ForbiddenError, match="view_types"):
        await run(platform, tokens_of(platform, wire, LIMITED_ID))
