"""What the Merchant Center asks: how the connector is, and what it can show."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from ct.errors import UnavailableError
from handlers.dependencies import Limits
from handlers.status import health_of
from psp.port import PspHealth

JWT = {"Authorization": "Bearer jwt-1"}
ROUTES = ["/operations/status", "/operations/payment-components"]


async def _fine():
    return None


async def _down():
    return "canary: scope manage_payments is missing"


async def _raises():
    raise KeyError("canary")


async def _never():
    await asyncio.Event().wait()


async def _status(serve, psp="fine", **checks):
    ingress = await serve(status_checks=checks, limits=Limits(check_s_max=0.02))
    ingress.world.health = PspHealth(up=psp == "fine", details=psp)
    return await ingress.ask("GET", "/operations/status", headers=JWT)


async def test_all_is_well_and_says_so(serve):
    response, body = await _status(serve, permissions=_fine)
    assert response.status == 200
    assert body == {
        "status": "OK",
        "timestamp": "2026-11-22T12:00:00Z",
        "version": "1.2.3",
        "metadata": {
            "name": "ctpay",
            "description": "Payment connector between commercetools and payment service providers.",
        },
        "checks": [{"name": "permissions", "status": "UP"}, {"name": "sandbox API", "status": "UP"}],
    }


@pytest.mark.parametrize("fault", [_down, _raises, _never])
async def test_a_part_that_is_down_is_named_and_its_reason_is_in_the_log_alone(serve, logs, fault):
    response, body = await _status(serve, permissions=fault)
    assert (response.status, body["status"]) == (200, "Partially Available")
    assert [(one["name"], one["status"]) for one in body["checks"]] == [("permissions", "DOWN"), ("sandbox API", "UP")]
    assert "canary" not in str(body)
    assert "manage_" not in str(body)
    (line,) = [one for one in logs if one["event"] == "status.check_failed"]
    assert line["name"] == "permissions"
    assert line["reason"]


async def test_a_psp_that_does_not_answer_is_down(serve, logs):
    _, body = await _status(serve, psp="GET /v1/health: 503 canary", permissions=_fine)
    assert body["checks"][1]["status"] == "DOWN"
    assert "canary" not in str(body)
    assert "canary" in str(logs)


async def test_a_connector_of_which_nothing_works_is_a_503(serve):
    response, body = await _status(serve, psp="gone", permissions=_down)
    assert (response.status, body["status"]) == (503, "Unavailable")
    assert response.headers["X-Correlation-ID"]


@pytest.mark.parametrize(
    ("ups", "health"), [([True, True], "OK"), ([True, False], "Partially Available"), ([False], "Unavailable")]
)
def test_the_word_follows_from_the_checks(ups, health):
    assert health_of(ups) == health


async def test_the_components_are_those_of_the_active_psp(serve, dependencies):
    response, body = await (await serve()).ask("GET", "/operations/payment-components", headers=JWT)
    assert response.status == 200
    assert body == {"dropins": [], "components": [{"type": "card"}, {"type": "invoice"}], "express": []}


@pytest.mark.parametrize("path", ROUTES)
async def test_nobody_but_a_person_of_the_merchants_is_answered(ingress, world, path):
    for headers in ({}, {"Authorization": "Basic jwt-1"}, {"Authorization": "Bearer "}, {"X-Session-Id": "session-1"}):
        response, body = await ingress.ask("GET", path, headers=headers)
        assert (response.status, body["error"]) == (401, "access_denied")
    assert world.asked_of == []
    # A program's token is no person's.
    response, body = await ingress.ask("GET", path, headers={"Authorization": "Bearer token-1"})
    assert (response.status, body["error"]) == (401, "invalid_token")


@pytest.mark.parametrize("path", ROUTES)
async def test_keys_that_cannot_be_read_are_not_blamed_on_the_caller(ingress, world, path):
    world.callers_fault = UnavailableError("down")
    response, _ = await ingress.ask("GET", path, headers=JWT)
    assert (response.status, response.headers["Retry-After"]) == (503, "1")


@pytest.mark.parametrize("path", ROUTES)
async def test_card_data_in_the_query_is_refused(ingress, path):
    response, _ = await ingress.ask("GET", f"{path}?q=4111111111111111", headers=JWT)
    assert response.status == 400


async def test_a_signed_token_opens_no_other_route(ingress, world):
    world.caller = replace(world.caller, authorities=frozenset())
    for method, path in (("POST", "/operations/payment-intents/p-1"), ("GET", "/operations/config")):
        response, _ = await ingress.ask(method, path, headers=JWT)
        assert response.status == 401
