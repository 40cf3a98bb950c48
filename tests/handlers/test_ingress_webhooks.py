"""POST /webhooks/{psp} over HTTP: believed by its signature alone, taken in word for word, confirmed once the bus has it."""

from __future__ import annotations

import os

import pytest

from bus.messages import PspNotification
from bus.topics import Topic

#: Raw bodies: what they say is no business of the ingress.
BODIES = {
    "JSON": b'{"type":"payment.captured", "n": 1e999}',
    "not JSON": b"{]",
    "not UTF-8": b"\xff\x00\xfe",
    "empty": b"",
    "a card number": b'{"pan":"4111111111111111"}',
    "the largest": os.urandom(256 * 1024),
}


async def _send(ingress, body, *, psp="sandbox", query="", **headers):
    sent = {"X-Signature": f"signed {len(body)}", **headers}
    return await ingress.ask("POST", f"/webhooks/{psp}{query}", data=body, headers=sent)


@pytest.mark.parametrize("name", BODIES)
async def test_a_verified_webhook_is_published_word_for_word(ingress, world, name):
    response, body = await _send(ingress, BODIES[name], Authorization="Bearer canary", Cookie="canary=1")
    assert (response.status, body) == (200, {"status": "accepted"})
    topic, message, _ = world.published[0]
    assert topic is Topic.WEBHOOK
    assert isinstance(message, PspNotification)
    assert message.body == BODIES[name]
    assert (message.psp, message.event_id) == ("sandbox", "id-2")
    # Only the headers that the verifier names, in lower case; an optional one that was not sent is not there.
    assert message.headers == {"x-signature": f"signed {len(BODIES[name])}"}


@pytest.mark.parametrize("signature", ["", "signed 1", "SIGNED 3"])
async def test_a_webhook_without_its_signature_is_a_401_that_gives_no_reason(ingress, world, logs, signature):
    response, body = await _send(ingress, b"abc", **{"X-Signature": signature})
    assert response.status == 401
    assert body == {
        "message": "Unauthorized.",
        "statusCode": 401,
        "errors": [{"code": "access_denied", "message": "Unauthorized."}],
        "error": "access_denied",
        "error_description": "Unauthorized.",
    }
    assert world.published == []
    assert "deadbeef" not in str(logs) + str(body)


async def test_a_webhook_of_a_psp_that_is_not_configured_is_a_404(ingress, world):
    for psp in ("stripe", "Sandbox", "%2e%2e"):
        response, body = await _send(ingress, b"abc", psp=psp)
        assert (response.status, body["errors"][0]["code"]) == (404, "ResourceNotFound")
    assert world.published == []


async def test_a_webhook_that_the_bus_did_not_confirm_is_a_503_so_that_the_psp_sends_it_again(ingress, world):
    world.publishing_fails = True
    response, _ = await _send(ingress, b"abc")
    assert response.status == 503


async def test_a_repeated_webhook_is_published_again_as_an_event_of_its_own(ingress, world):
    await _send(ingress, b"abc")
    await _send(ingress, b"abc")
    assert len({message.event_id for message in world.messages}) == 2


async def test_no_digit_in_a_webhooks_address_can_lose_the_event(ingress, world):
    response, _ = await _send(ingress, b"abc", query="?account=4111111111111111")
    assert response.status == 200
    assert len(world.published) == 1


async def test_a_webhook_needs_nobody_in_commercetools(ingress, world):
    world.callers_fault = RuntimeError("commercetools is down")
    response, _ = await _send(ingress, b"abc")
    assert response.status == 200
    assert world.asked_of == []
