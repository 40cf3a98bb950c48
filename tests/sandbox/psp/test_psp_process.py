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


async def test_after_a_restart_it_knows_its_ledger_its_keys_and_the_events_it_still_has_to_send(tmp_path):
    memory = ("--port", "0", "--memory", str(tmp_path / "books"))
    body = {
        "amount": 4200,
        "currency": "EUR",
        "token": "tok_approved",
        "merchant_reference": "m",
        "return_url": "http://localhost/",
    }
    headers = {"Authorization": "Bearer sk_sandbox", "Idempotency-Key": "once"}
    found = []
    async with aiohttp.ClientSession() as session:
        for _ in range(2):
            process = await start(*memory)
            async with asyncio.timeout(25):
                ready = json.loads(await process.stdout.readline())
            async with session.post(f"{ready['url']}/v1/payments", json=body, headers=headers) as response:
                payment = await response.json()
                replayed = response.headers.get("Idempotency-Replayed")
            told = []
            for what in ("effects", "requests", "events"):
                async with session.get(f"{ready['url']}/__control/{what}") as response:
                    told.append(await response.json())
            process.send_signal(signal.SIGTERM)
            async with asyncio.timeout(25):
                _, errors = await process.communicate()
            assert (process.returncode, errors) == (0, b"")
            found.append((payment, replayed, *told))
    (first, fresh, *before), (again, replayed, *after) = found
    assert (first["id"], fresh, replayed) == (again["id"], None, "true")
    assert before[0] == after[0]
    assert (len(before[1]["data"]), len(after[1]["data"])) == (1, 2)
    assert before[2]["waiting"] == after[2]["waiting"] == 1
