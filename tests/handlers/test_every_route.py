"""What holds for every route there is: taken from the table, so that a new route is held to it by being in it."""

from __future__ import annotations

import re

import pytest

from ct.callers import UnknownCallerError
from ct.errors import UnavailableError
from handlers.allowance import Allowance, Rate
from handlers.app import ROUTES
from handlers.routes import Access

PAN = "4111111111111111"
CREDENTIALS = {
    Access.SESSION: {"X-Session-Id": "session-1"},
    Access.PROGRAM: {"Authorization": "Bearer token-1"},
    Access.MERCHANT: {"Authorization": "Bearer jwt-1"},
    Access.SIGNED: {},
}
KNOWN = [route for route, found in ROUTES.items() if found.access not in {Access.OPEN, Access.SIGNED}]
#: A verified webhook is the PSP's own, whose references can look like anything.
GUARDED = [route for route, found in ROUTES.items() if found.access is not Access.OPEN and "webhooks" not in route[1]]
WITH_VARIABLE = [(method, path) for method, path in KNOWN if "{" in path]
WITH_BODY = [route for route in KNOWN if ROUTES[route].body is not None]


def _path(path, value="op-1"):
    return re.sub(r"\{\w+\}", value, path)


def _credentials(route):
    return CREDENTIALS[ROUTES[route].access]


async def _refused(ingress, world, logs, response, body):
    assert response.status == 400, body
    assert world.published == []
    assert PAN not in str(body) + str(logs) + str(response.headers)


@pytest.mark.parametrize("route", GUARDED, ids=" ".join)
async def test_a_card_number_in_the_query_is_refused_without_a_trace(ingress, world, logs, route):
    method, path = route
    for query in (f"q={PAN}", f"{PAN}=q", "q=4111+1111+1111+1111"):
        found = await ingress.ask(method, f"{_path(path)}?{query}", headers=_credentials(route))
        await _refused(ingress, world, logs, *found)


@pytest.mark.parametrize("route", WITH_VARIABLE, ids=" ".join)
async def test_a_card_number_in_the_path_is_refused_without_a_trace(ingress, world, logs, route):
    method, path = route
    found = await ingress.ask(method, _path(path, PAN), headers=_credentials(route))
    await _refused(ingress, world, logs, *found)
    assert world.status_asked == []


@pytest.mark.parametrize("route", WITH_BODY, ids=" ".join)
async def test_a_card_number_in_the_body_is_refused_without_a_trace(ingress, world, logs, route):
    method, path = route
    for body in ({"note": PAN}, {PAN: 1}, {"a": [{"b": int(PAN)}]}, {"cvc": "123"}):
        found = await ingress.ask(method, _path(path), headers=_credentials(route), json=body)
        await _refused(ingress, world, logs, *found)


def _places(schema, definitions):
    """Something to put the canary in for every field of the schema, at any depth."""
    name = schema.get("$ref", "").rpartition("/")[2]
    for one in schema.get("anyOf", schema.get("oneOf", [definitions[name]] if name else [])):
        yield from _places(one, definitions)
    for field, inner in schema.get("properties", {}).items():
        yield lambda canary, field=field: {field: canary}
        for place in _places(inner, definitions):
            yield lambda canary, field=field, place=place: {field: place(canary)}
    if "items" in schema:
        for place in _places(schema["items"], definitions):
            yield lambda canary, place=place: [place(canary)]


@pytest.mark.parametrize("route", WITH_BODY, ids=" ".join)
async def test_a_card_number_in_any_field_is_refused_without_a_trace(ingress, world, logs, route):
    method, path = route
    schema = ROUTES[route].body.model_json_schema()
    places = list(_places(schema, schema.get("$defs", {})))
    for place in places:
        for canary in (PAN, f"no. {PAN}", [PAN], {"a": PAN}, {PAN: "a"}, int(PAN)):
            found = await ingress.ask(method, _path(path), headers=_credentials(route), json=place(canary))
            await _refused(ingress, world, logs, *found)
    assert len(places) >= len(schema["properties"])


@pytest.mark.parametrize("route", KNOWN, ids=" ".join)
async def test_a_card_number_in_a_header_is_refused_without_a_trace(ingress, world, logs, route):
    method, path = route
    name, value = next(iter(_credentials(route).items()))
    credential = value.rpartition(" ")[2]
    found = await ingress.ask(method, _path(path), headers={name: value.replace(credential, PAN)})
    await _refused(ingress, world, logs, *found)
    assert PAN not in world.asked_of
    response, _ = await ingress.ask(method, _path(path), headers=_credentials(route) | {"X-Correlation-ID": PAN})
    assert response.headers["X-Correlation-ID"] != PAN
    assert PAN not in str(logs)


@pytest.mark.parametrize("route", KNOWN, ids=" ".join)
async def test_without_a_credential_nobody_is_answered_or_asked_after(ingress, world, route):
    method, path = route
    response, body = await ingress.ask(method, _path(path))
    assert (response.status, body["error"]) == (401, "access_denied")
    assert world.asked_of == []


@pytest.mark.parametrize("route", KNOWN, ids=" ".join)
@pytest.mark.parametrize(("fault", "status"), [(UnknownCallerError("no"), 401), (UnavailableError("down"), 503)])
async def test_an_unknown_caller_and_an_outage_are_told_apart(ingress, world, route, fault, status):
    method, path = route
    world.callers_fault = fault
    response, body = await ingress.ask(method, _path(path), headers=_credentials(route))
    assert response.status == body["statusCode"] == status
    assert world.published == []


@pytest.mark.parametrize("route", KNOWN, ids=" ".join)
async def test_whoever_calls_too_often_is_told_when_to_come_again(serve, world, dependencies, route):
    def spent():
        return Allowance(rate=Rate(per_s=0.01, burst=1), clock=dependencies.clock, size=10)

    method, path = route
    ingress = await serve(session_allowance=spent(), caller_allowance=spent())
    responses = [(await ingress.ask(method, _path(path), headers=_credentials(route)))[0] for _ in range(2)]
    assert responses[0].status != 429
    assert (responses[1].status, responses[1].headers["Retry-After"]) == (429, "100")


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_every_reply_has_a_correlation_id_and_a_preflight_knows_the_method(serve, route):
    method, path = route
    ingress = await serve(allowed_origins=frozenset({"https://shop.example"}))
    response, _ = await ingress.ask(method, _path(path), headers={"X-Correlation-ID": "shop-1"})
    assert response.headers["X-Correlation-ID"] == "shop-1"
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": method}
    response, _ = await ingress.ask("OPTIONS", _path(path), headers=asked)
    assert response.status == 204
    assert method in response.headers["Access-Control-Allow-Methods"].split(", ")


@pytest.mark.parametrize("route", WITH_BODY, ids=" ".join)
@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"{}{}", b'{"a":NaN}', b"\xff"])
async def test_what_is_no_json_object_is_a_400_in_the_contracts_shape(ingress, world, route, raw):
    method, path = route
    headers = _credentials(route) | {"Content-Type": "application/json"}
    response, body = await ingress.ask(method, _path(path), data=raw, headers=headers)
    assert (response.status, body["errors"][0]["code"]) == (400, "InvalidJsonInput")
    assert world.published == []
