"""The document of our routes: whole, true to what is validated and answered, and held against the running ingress.

`schemathesis` makes requests of the document, good and bad ones, and holds the replies against it. The seed is fixed.
"""

from __future__ import annotations

import asyncio
import json
import warnings
from dataclasses import replace

import pytest
from aiohttp import web
from hypothesis import HealthCheck, Phase, given, settings
from jsonschema import Draft202012Validator
from support.stored_methods import METHOD, StoredMethods

from handlers import openapi
from handlers.app import ROUTES, create_app
from handlers.routes import Access
from psp.errors import UnverifiedWebhookError
from psp.facts import Action, ActionType
from psp.outcome import Outcome, Reason, Standing

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import schemathesis
    from schemathesis import GenerationMode, checks
    from schemathesis.core.failures import FailureGroup
    from schemathesis.core.parameters import ParameterLocation

#: Requests made of each operation, good and bad ones each.
EXAMPLES = 15
CREDENTIALS = {
    Access.SESSION: {"X-Session-Id": "session-1"},
    Access.PROGRAM: {"Authorization": "Bearer token-1"},
    Access.MERCHANT: {"Authorization": "Bearer jwt-1"},
}
TOLD = Standing(
    outcome=Outcome.APPROVED,
    payment_reference="11111111-2222-4333-8444-555555555555",
    reason=Reason(code="why", message="Because."),
    action=Action(type=ActionType.CHALLENGE, url="https://psp.example/challenge"),
)


def document():
    return openapi.document(ROUTES, server_url="https://pay.example", version="1.2.3")


@pytest.fixture
async def served(ingress):
    response, body = await ingress.ask("GET", openapi.PATH)
    assert response.status == 200
    return body


def test_every_route_that_is_registered_is_in_the_document_and_nothing_else_is(dependencies):
    app = create_app(dependencies)
    registered = {
        (route.method.lower(), route.resource.canonical)
        for route in app.router.routes()
        if isinstance(route, web.ResourceRoute) and route.method != "HEAD"
    }
    every = openapi.with_document(ROUTES, server_url="https://pay.example", version="1")
    told = openapi.document(every, server_url="https://pay.example", version="1")
    documented = {(method, path) for path, found in told["paths"].items() for method in found}
    assert documented == registered


async def test_the_document_is_served_whole_and_may_be_kept(ingress, served):
    every = openapi.with_document(ROUTES, server_url="https://pay.example", version="1.2.3")
    assert served == json.loads(json.dumps(openapi.document(every, server_url="https://pay.example", version="1.2.3")))
    response, _ = await ingress.ask("GET", openapi.PATH)
    assert "max-age" in response.headers["Cache-Control"]


def test_the_document_is_the_same_every_time():
    assert json.dumps(document()) == json.dumps(document())


def test_every_schema_is_one_and_every_reference_leads_somewhere():
    told = document()
    schemas = told["components"]["schemas"]
    for schema in schemas.values():
        Draft202012Validator.check_schema(schema)
    references = set(_references(told))
    assert references
    assert references == {f"#/components/schemas/{name}" for name in schemas}


def _references(value):
    if isinstance(value, dict):
        yield from ([value["$ref"]] if "$ref" in value else [])
        for item in value.values():
            yield from _references(item)
    elif isinstance(value, list):
        for item in value:
            yield from _references(item)


def test_every_operation_has_a_name_of_its_own_and_says_how_it_fails():
    operations = [found for path in document()["paths"].values() for found in path.values()]
    assert len({one["operationId"] for one in operations}) == len(operations)
    assert all("500" in one["responses"] and one["summary"].endswith(".") for one in operations)


def test_whoever_must_prove_something_is_told_how():
    told = document()
    for (method, path), route in ROUTES.items():
        security = told["paths"][path][method.lower()]["security"]
        assert bool(security) == (route.access in CREDENTIALS), path
        if route.access is Access.PROGRAM:
            assert security == [{"program": list(route.authorities)}]
            assert route.authorities


def test_no_reply_says_null_where_it_can_leave_a_field_out():
    schemas = document()["components"]["schemas"]
    assert schemas["IntentReply"]["properties"]["reason"] == {"$ref": "#/components/schemas/Why"}
    assert schemas["PaymentReply"]["required"] == ["paymentReference", "outcome", "operation"]


def test_the_token_is_marked_as_what_must_not_be_shown():
    token = document()["components"]["schemas"]["PaymentMethod"]["properties"]["token"]
    assert token["writeOnly"] is True
    assert token["format"] == "password"


class Everything(frozenset):
    """Methods of a PSP that has whatever is asked for."""

    def __contains__(self, _name):
        return True


class AnyMethod(StoredMethods):
    """Every customer has every method."""

    async def find(self, method_id, *, correlation_id):
        return replace(METHOD, id=method_id)


def _paying(body):
    """A token alone: a stored method besides it is one too many, and so is one of another type."""
    if isinstance(body, dict) and isinstance(body.get("paymentMethod"), dict):
        body["paymentMethod"] = {"type": "card", "token": "tok_1"}
    return body


def _digits(body):
    """Without an amount, whose fraction digits must be the currency's."""
    if isinstance(body, dict):
        body.pop("amount", None)
    return body


#: What a schema cannot say of a good body, put right.
PLAUSIBLE = {("POST", "/payments"): _paying, ("POST", "/operations/transactions"): _digits}


class Unverified:
    headers = frozenset()

    def verify(self, headers, body):
        raise UnverifiedWebhookError("no")


def _hold(operation, url, credentials, mode, put_right):
    """Make requests of one operation, hold every reply against the document, and give the statuses that were seen."""
    # The law refuses more than a schema can say: card numbers, another currency's fraction digits.
    excluded = [checks.CHECKS.get_one("positive_data_acceptance")]
    seen = set()

    @settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(case=operation.as_strategy(generation_mode=mode))
    def run(case):
        case.body = put_right(case.body)
        status = case.call_and_validate(base_url=url, headers=credentials, excluded_checks=excluded).status_code
        # A bad request may be bad in a header that is not read, or that our credentials replace.
        body = case.meta.components.get(ParameterLocation.BODY)
        if mode is GenerationMode.POSITIVE or (body is not None and body.mode is mode):
            seen.add(status)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        run()
    return seen


async def _held(serve, world, route, mode, told):
    world.standing = world.stored = TOLD
    world.customer = "customer-1"
    ingress = await serve(verifiers={"sandbox": Unverified()}, stored=AnyMethod(world))
    reads = ingress.dependencies.reads
    reads.capabilities = replace(reads.capabilities, methods=Everything({"card"}), storable=Everything())
    method, path = route
    schema = schemathesis.openapi.from_dict(json.loads(json.dumps(told)))
    credentials = CREDENTIALS.get(ROUTES[route].access)
    put_right = PLAUSIBLE.get(route) if mode is GenerationMode.POSITIVE else None
    return await asyncio.to_thread(
        _hold, schema[path][method], ingress.url, credentials, mode, put_right or (lambda body: body)
    )


@pytest.mark.parametrize("route", ROUTES, ids=" ".join)
async def test_good_requests_are_answered_as_the_document_says(serve, world, route):
    seen = await _held(serve, world, route, GenerationMode.POSITIVE, document())
    # Nobody but us makes what is signed.
    assert {200, 201} & seen or ROUTES[route].access is Access.SIGNED


@pytest.mark.parametrize(
    "route", [one for one, found in ROUTES.items() if found.access is not Access.OPEN], ids=" ".join
)
async def test_bad_requests_are_answered_as_the_document_says(serve, world, route):
    seen = await _held(serve, world, route, GenerationMode.NEGATIVE, document())
    assert not {200, 201, 202} & seen
    assert seen or not ROUTES[route].body


def _without_status(told):
    del told["paths"]["/payments/{operation}"]["get"]["responses"]["200"]


def _another_outcome(told):
    told["components"]["schemas"]["PaymentReply"]["properties"]["outcome"] = {"const": "denied"}


def _another_header(told):
    told["paths"]["/payments/{operation}"]["get"]["responses"]["200"]["headers"]["X-Canary"] = {
        "required": True,
        "schema": {"type": "string"},
    }


@pytest.mark.parametrize("lie", [_without_status, _another_outcome, _another_header])
async def test_a_document_that_lies_is_noticed(serve, world, lie):
    told = json.loads(json.dumps(document()))
    lie(told)
    with pytest.raises(FailureGroup):
        await _held(serve, world, ("GET", "/payments/{operation}"), GenerationMode.POSITIVE, told)
