"""`python -m sandbox.psp` as a process of its own: ready line, clean stop, a clear word when the port is taken."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path

import aiohttp
import pytest
from support.psp_servers import running_psp

ROOT = Path(__file__).parents[3]


async def start(*arguments: str) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        "sandbox.psp",
        *arguments,
        cwd=ROOT,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
async def test_it_says_where_it_is_and_stops_when_told_even_with_a_reply_held_back(number):
    process = await start("--port", "0")
    assert process.stdout is not None
    async with asyncio.timeout(20):
        ready = json.loads(await process.stdout.readline())
    async with aiohttp.ClientSession() as session:
        async with session.get(f"{ready['url']}/v1/health") as response:
            assert response.status == 200
        body = {
            "amount": 1,
            "currency": "EUR",
            "token": "tok_timeout",
            "merchant_reference": "m",
            "return_url": "http://localhost/",
        }
        held = asyncio.create_task(
            session.post(f"{ready['url']}/v1/payments", json=body, headers={"Authorization": "Bearer sk_sandbox"})
        )
        async with asyncio.timeout(10):
            effects: list = []
            while not effects:
                async with session.get(f"{ready['url']}/__control/effects") as response:
                    effects = (await response.json())["data"]
        process.send_signal(number)
        async with asyncio.timeout(10):
            _, errors = await process.communicate()
        assert (process.returncode, errors) == (0, b"")
        with pytest.raises(aiohttp.ClientError):
            await held


async def test_a_taken_port_is_said_in_one_line():
    async with running_psp() as psp:
        process = await start("--port", str(psp.port))
        async with asyncio.timeout(20):
            _, errors = await process.communicate()
    assert process.returncode == 1
    assert b"--port" in errors
    assert errors.count(b"\n") == 1
