"""What every request goes through: correlation, errors, headers, CORS, one log line; and health and draining."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from functools import partial

import aiohttp
import pytest
from aiohttp import web
from multidict import CIMultiDict
from support.polling import eventually

from handlers.app import create_app
from handlers.dependencies import Limits
from handlers.serving import make_runner
from psp.outcome import Outcome, Standing
from psp.trace import parse

SESSION = {"X-Session-Id": "session-1"}
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def test_the_callers_correlation_id_goes_everywhere(ingress, world, logs):
    response, _ = await ingress.pay(headers={"X-Correlation-ID": "shop/42:a.b_c-d"})
    assert response.headers["X-Correlation-ID"] == world.message.correlation_id == "shop/42:a.b_c-d"
    assert logs[-1]["correlation_id"] == "shop/42:a.b_c-d"


@pytest.mark.parametrize(
    "given", ["", "two words", "x" * 129, "<script>", "4111 1111 1111 1111", "pan4111111111111111"]
)
async def test_a_correlation_id_that_is_none_is_replaced(ingress, world, given):
    response, _ = await ingress.pay(headers={"X-Correlation-ID": given})
    assert response.headers["X-Correlation-ID"] == world.message.correlation_id == "id-1"


@pytest.mark.parametrize(("sessions", "found"), [("checkout-7", "checkout-7"), ("not fit\nfor logs", "browser-1")])
async def test_the_sessions_correlation_id_wins_where_it_is_one(ingress, world, logs, sessions, found):
    world.session = replace(world.session, correlation_id=sessions)
    response, _ = await ingress.pay(headers={"X-Correlation-ID": "browser-1"})
    assert response.headers["X-Correlation-ID"] == world.message.correlation_id == found
    assert logs[-1]["correlation_id"] == found


async def test_one_requests_correlation_id_does_not_leak_into_the_next_on_the_same_connection(ingress, logs):
    await ingress.ask("GET", "/health/live", headers={"X-Correlation-ID": "first"})
    await ingress.ask("GET", "/health/live")
    assert [entry["correlation_id"] for entry in logs] == ["first", "id-2"]


async def test_a_trace_that_is_told_once_is_taken_up_by_a_span_of_the_request(ingress, world):
    await ingress.pay(headers={"traceparent": TRACEPARENT})
    found = world.published[0][2]["traceparent"]
    assert (found[:36], found[-3:]) == (TRACEPARENT[:36], "-01")
    assert found != TRACEPARENT


@pytest.mark.parametrize(
    "given",
    [
        [],
        ["garbage"],
        [TRACEPARENT, TRACEPARENT],
        # A card number is nobody's span.
        [TRACEPARENT.replace("00f067aa0ba902b7", "4242424242424242")],
    ],
)
async def test_what_is_no_trace_or_may_not_be_kept_begins_one(ingress, world, given):
    body = {"paymentMethod": {"type": "card", "token": "tok_1"}}
    headers = CIMultiDict([*SESSION.items(), *(("traceparent", one) for one in given)])
    await ingress.ask("POST", "/payments", json=body, headers=headers)
    found = world.published[0][2]["traceparent"]
    assert parse(found)
    assert TRACEPARENT[3:35] not in found
    assert "42424242" not in found


async def test_one_requests_trace_does_not_leak_into_the_next_on_the_same_connection(ingress, world):
    await ingress.pay(headers={"traceparent": TRACEPARENT})
    await ingress.pay()
    first, second = (attributes["traceparent"][3:35] for _, _, attributes in world.published)
    assert (first == TRACEPARENT[3:35], first == second) == (True, False)


async def test_every_request_leaves_one_line_that_names_the_route_and_nothing_of_the_request(ingress, logs):
    await ingress.ask("GET", "/payments/op-canary?q=canary", headers=SESSION | {"X-Canary": "canary"})
    await ingress.ask("GET", "/canary/canary")
    await ingress.ask("DELETE", "/payments/canary")
    lines = [{name: entry[name] for name in ("event", "method", "route", "status")} for entry in logs]
    assert lines == [
        {"event": "request.done", "method": "GET", "route": "/payments/{operation}", "status": 200},
        {"event": "request.done", "method": "GET", "route": "unmatched", "status": 404},
        {"event": "request.done", "method": "DELETE", "route": "unmatched", "status": 405},
    ]
    assert all(entry["duration_ms"] >= 0 and entry["correlation_id"] for entry in logs)
    assert "canary" not in str(logs)


async def test_what_has_no_route_is_answered_in_the_contracts_shape(ingress):
    response, body = await ingress.ask("GET", "/nowhere")
    assert (response.status, body["statusCode"], body["errors"][0]["code"]) == (404, 404, "ResourceNotFound")
    assert body["message"] == "There is nothing at this address."
    response, body = await ingress.ask("PUT", "/payments")
    assert (response.status, body["statusCode"], body["errors"][0]["code"]) == (405, 405, "MethodNotAllowed")
    assert body["message"].startswith("This address does not take this method.")
    assert response.headers["Allow"] == "GET,HEAD,POST"


async def test_every_reply_has_the_security_headers(ingress, world):
    world.publishing_fails = True
    replies = [
        await ingress.pay(),
        await ingress.ask("GET", "/health/live"),
        await ingress.ask("GET", "/nowhere"),
        await ingress.ask("POST", "/webhooks/sandbox", data=b""),
    ]
    for response, _ in replies:
        assert response.headers["Cache-Control"] == "no-store"
        assert response.headers["Referrer-Policy"] == "no-referrer"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["Server"] == "ctpay"
        assert "Access-Control-Allow-Origin" not in response.headers


async def test_an_unexpected_fault_is_a_500_that_tells_nothing_and_a_log_line_that_tells_where(serve, world, logs):
    async def broken(**_asked: str) -> None:
        raise KeyError("canary")

    world.read = broken
    ingress = await serve()
    response, body = await ingress.ask("GET", "/payments/op-1", headers=SESSION)
    assert response.status == body["statusCode"] == 500
    assert body["errors"][0]["code"] == "General"
    failed, done = logs
    assert (failed["event"], failed["type"], done["status"]) == ("request.failed", "KeyError", 500)
    assert "broken at" in failed["exception"]
    assert "canary" not in str(logs) + str(body)


PREFLIGHT = {
    "Origin": "https://shop.example",
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "x-session-id,content-type",
}


async def test_a_page_of_an_allowed_origin_may_call(serve):
    ingress = await serve(allowed_origins=frozenset({"https://shop.example"}))
    response, _ = await ingress.ask("OPTIONS", "/payments", headers=PREFLIGHT)
    assert response.status == 204
    assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert response.headers["Access-Control-Allow-Methods"] == "GET, HEAD, POST"
    allowed = response.headers["Access-Control-Allow-Headers"].lower().split(", ")
    contract = {"content-type", "authorization", "x-correlation-id", "x-request-id", "x-session-id"}
    assert contract | {"idempotency-key", "prefer", "traceparent"} <= set(allowed)
    response, _ = await ingress.pay(headers={"Origin": "https://shop.example"})
    assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert {"X-Correlation-ID", "Location"} <= set(response.headers["Access-Control-Expose-Headers"].split(", "))
    assert response.headers["Vary"] == "Origin"
    # Errors too, or the page could not read what is wrong.
    response, _ = await ingress.ask("POST", "/payments", headers={"Origin": "https://shop.example"})
    assert response.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    assert "Access-Control-Allow-Credentials" not in response.headers


@pytest.mark.parametrize("origin", ["https://evil.example", "https://shop.example.evil.example", "null"])
async def test_a_page_of_another_origin_may_not(serve, origin):
    ingress = await serve(allowed_origins=frozenset({"https://shop.example"}))
    for method in ("OPTIONS", "POST"):
        response, _ = await ingress.ask(method, "/payments", headers=PREFLIGHT | {"Origin": origin})
        assert "Access-Control-Allow-Origin" not in response.headers
        assert response.headers["Vary"] == "Origin"


async def test_every_origin_can_be_allowed(serve):
    ingress = await serve(allowed_origins=frozenset({"*"}))
    response, _ = await ingress.ask("OPTIONS", "/payments/op-1", headers=PREFLIGHT)
    assert (response.status, response.headers["Access-Control-Allow-Origin"]) == (204, "*")
    assert response.headers["Access-Control-Allow-Methods"] == "GET, HEAD"


@pytest.mark.parametrize("path", ["/health/live", "/health/ready", "/openapi.json", "/payments/op-1"])
async def test_the_head_of_what_can_be_read_can_be_asked_for_alone(ingress, path):
    headers = {"X-Session-Id": "session-1"}
    whole, _ = await ingress.ask("GET", path, headers=headers)
    head, body = await ingress.ask("HEAD", path, headers=headers)
    assert head.status == whole.status
    assert not body
    assert head.headers["Content-Type"] == whole.headers["Content-Type"]
    assert head.headers["Content-Length"] == whole.headers["Content-Length"]


async def test_options_that_is_no_preflight_is_a_405_and_a_preflight_of_nothing_a_404(ingress):
    response, _ = await ingress.ask("OPTIONS", "/payments")
    assert response.status == 405
    response, _ = await ingress.ask("OPTIONS", "/nowhere", headers=PREFLIGHT)
    assert response.status == 404


async def _fine() -> None:
    return None


async def _wrong() -> str:
    return "the subscription is gone"


async def _raising() -> None:
    raise ConnectionError("canary")


async def _hanging() -> None:
    await asyncio.Event().wait()


async def test_ready_names_what_is_not_fine_and_live_does_not_care(serve, logs):
    checks = {"fine": _fine, "wrong": _wrong, "raising": _raising, "hanging": _hanging}
    ingress = await serve(checks=checks, limits=Limits(check_s_max=0.05))
    response, body = await ingress.ask("GET", "/health/ready")
    assert (response.status, body) == (503, {"status": "not ready", "failed": ["wrong", "raising", "hanging"]})
    reasons = {entry["name"]: entry["reason"] for entry in logs if entry["event"] == "ready.check_failed"}
    assert reasons == {
        "wrong": "the subscription is gone",
        "raising": "ConnectionError was raised",
        "hanging": "no answer within 0.05 s",
    }
    response, body = await ingress.ask("GET", "/health/live")
    assert (response.status, body) == (200, {"status": "live"})


async def test_ready_is_ready_when_all_is_fine(serve):
    ingress = await serve(checks={"fine": _fine})
    response, body = await ingress.ask("GET", "/health/ready")
    assert (response.status, body) == (200, {"status": "ready"})


async def test_a_draining_ingress_is_not_ready_and_still_answers_what_comes(serve, world):
    ingress = await serve(checks={"fine": _fine})
    ingress.dependencies.draining.begin()
    response, body = await ingress.ask("GET", "/health/ready")
    assert (response.status, body["status"]) == (503, "draining")
    response, _ = await ingress.ask("GET", "/health/live")
    assert response.status == 200
    response, _ = await ingress.pay()
    assert response.status == 202
    assert response.headers["Connection"] == "close"
    assert len(world.published) == 1


async def _refuses(ingress) -> bool:
    """Whether the port is closed."""
    host, port = ingress.url.removeprefix("http://").split(":")
    try:
        _, writer = await asyncio.open_connection(host, int(port))
    except ConnectionError:
        return True
    writer.close()
    return False


async def test_a_request_in_hand_when_the_process_stops_is_answered(serve, world):
    ingress = await serve(limits=Limits(payments_wait_s=30))
    paying = asyncio.create_task(ingress.pay())
    await world.happened.wait()
    ingress.dependencies.draining.begin()
    stopping = asyncio.create_task(serve.runner.cleanup())
    await eventually(partial(_refuses, ingress))
    assert not paying.done()
    await world.deliver(world.message.command_id, Standing(outcome=Outcome.APPROVED, payment_reference="p-1"))
    response, body = await paying
    assert (response.status, body["outcome"]) == (200, "approved")
    await stopping


async def test_who_still_waits_when_the_room_closes_is_told_where_to_look(serve, world):
    ingress = await serve(limits=Limits(payments_wait_s=30))
    paying = asyncio.create_task(ingress.pay())
    await world.happened.wait()
    world.replies.close()
    response, _ = await paying
    assert response.status == 202
    response, _ = await ingress.pay()
    assert response.status == 202


async def test_routes_that_others_add_keep_their_own_headers(dependencies):
    app = create_app(replace(dependencies, allowed_origins=frozenset({"https://shop.example"})))

    async def library(_request: web.Request) -> web.Response:
        return web.Response(text="x", headers={"Cache-Control": "public, no-cache", "Vary": "Accept-Encoding, Origin"})

    app.router.add_get("/library.js", library)
    runner = make_runner(app, shutdown_s=1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    host, port = runner.addresses[0][:2]
    async with aiohttp.ClientSession() as client, client.get(f"http://{host}:{port}/library.js") as response:
        assert response.headers["Cache-Control"] == "public, no-cache"
        assert response.headers.getall("Vary") == ["Accept-Encoding, Origin"]
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["X-Correlation-ID"]
    await runner.cleanup()


async def test_whoever_is_asked_about_the_caller_is_told_the_correlation_id(ingress, world):
    await ingress.pay(headers={"X-Correlation-ID": "shop-1"})
    await ingress.modify({"action": "cancelPayment"}, headers={"X-Correlation-ID": "oms-1"})
    assert world.correlated == ["shop-1", "oms-1"]
