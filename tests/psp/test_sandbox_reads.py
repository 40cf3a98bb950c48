"""What the ingress asks of Sandbox Pay: whether it is up, once, with little patience and at its own address."""

from __future__ import annotations

import asyncio

import aiohttp
import pytest
from support.scripted_server import hanging, json, scripted, text

from psp.capabilities import Dropin
from psp.port import PspHealth
from psp.sandbox import reads as module
from psp.sandbox.reads import CAPABILITIES, SandboxReads


@pytest.fixture
async def session():
    async with aiohttp.ClientSession() as made:
        yield made


def reads(session, url, public_url="https://psp.test"):
    return SandboxReads(session=session, url=url, public_url=public_url, publishable_key="pk_1")


@pytest.mark.parametrize(("status", "up"), [(200, True), (204, False), (404, False), (503, False)])
async def test_it_is_up_where_it_says_so_itself(session, status, up):
    async with scripted() as psp:
        psp.on("/v1/health", text("", status=status))
        health = await reads(session, psp.url).health()
    assert health == PspHealth(up=up, details=f"GET /v1/health: {status}")


async def test_whoever_is_somewhere_else_is_not_up(session):
    async with scripted() as psp:
        psp.on("/v1/health", json({}, status=302, headers={"Location": "/elsewhere"}))
        psp.on("/elsewhere", json({}))
        assert await reads(session, psp.url).health() == PspHealth(up=False, details="GET /v1/health: 302")
        assert psp.of("/elsewhere") == []


async def test_it_is_not_waited_for(session, monkeypatch):
    monkeypatch.setattr(module, "_HEALTH_TIMEOUT_S", 0.05)
    async with scripted() as psp:
        psp.on("/v1/health", hanging())
        async with asyncio.timeout(5):
            health = await reads(session, psp.url).health()
    assert health == PspHealth(up=False, details="GET /v1/health: TimeoutError")


async def test_nobody_at_its_address_is_told_by_the_kind_of_error_alone(session, unused_tcp_port):
    health = await reads(session, f"http://127.0.0.1:{unused_tcp_port}").health()
    assert health == PspHealth(up=False, details="GET /v1/health: ClientConnectorError")


@pytest.mark.parametrize("slash", ["", "/"])
async def test_an_address_may_have_a_path_of_its_own_and_end_with_a_slash(session, slash):
    async with scripted() as psp:
        psp.on("/X/v1/health", text(""))
        own = reads(session, f"{psp.url}/X{slash}", f"https://psp.test/X{slash}")
        assert (await own.health()).up
    assert own.client_configuration() == {
        "environment": "sandbox",
        "fieldsUrl": "https://psp.test/X/fields",
        "walletUrl": "https://psp.test/X/wallet",
        "publishableKey": "pk_1",
    }


def test_the_browser_library_offers_what_there_is_for_it():
    assert CAPABILITIES.dropins == {Dropin.EMBEDDED}
    assert CAPABILITIES.express == {"wallet"}
    assert CAPABILITIES.storable == CAPABILITIES.methods == {"card"}
