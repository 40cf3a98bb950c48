"""`ctpay run` and `ctpay demo` as a person starts them: real processes, real HTTP, real gRPC."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import pytest
from support.polling import eventually

from ctpay.ports import VARIABLES, Ports, free

CTPAY = (sys.executable, "-m", "ctpay")
#: Seconds. Far more than a start takes on a busy machine.
PATIENCE_S = 60

#: What `ctpay demo` tells, in this order: the plain ones first.
STORIES = [
    "authorize",
    "a 3-D Secure challenge",
    "a challenge that comes after the answer",
    "a decline, then another card",
    "two partial captures, and one too many",
    "two partial refunds",
    "cancel",
    "reverse: cancel the rest, refund the captured",
    "a capture that a merchant starts in commercetools",
    "a refund that fails three days later",
    "a dispute won and one lost",
    "a double click",
    "a card that is kept, paid with again, and deleted",
    "a challenge left open, another card, and back",
]

pytestmark = pytest.mark.timeout(150)


def surroundings(ports: Ports) -> dict[str, str]:
    return {**os.environ, **{VARIABLES[name]: str(port) for name, port in asdict(ports).items()}}


def ctpay(*arguments: str, env: dict[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [*CTPAY, *arguments], env=env, capture_output=True, text=True, timeout=PATIENCE_S * 2, check=False
    )


@contextmanager
def running(ports: Ports) -> Iterator[subprocess.Popen[str]]:
    """`ctpay run` whose shop is open; killed at the end if it still runs."""
    process = subprocess.Popen(
        [*CTPAY, "run"], env=surroundings(ports), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    with process:
        try:
            assert process.stdout is not None
            said: list[str] = []
            for line in process.stdout:
                said.append(line)
                if f"http://127.0.0.1:{ports.shop}" in line:
                    break
            else:
                pytest.fail("".join(said))
            yield process
        finally:
            process.kill()


@contextmanager
def started(*arguments: str, env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    """A command that runs until it is stopped; killed at the end if it still runs."""
    process = subprocess.Popen(
        [*CTPAY, *arguments], env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def children_of(pid: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


async def are_gone(pids: list[int]) -> bool:
    """A dead one that nobody has waited for yet counts as gone: a container's first process may never wait."""
    return not any(is_alive(pid) for pid in pids)


def is_alive(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def get(url: str) -> int:
    with urllib.request.urlopen(url, timeout=10) as response:
        status: int = response.status
        return status


def test_the_demo_plays_every_story_as_it_must_end():
    done = ctpay("demo", "--json")
    assert done.returncode == 0, done.stdout + done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert lines[-1]["failed"] == 0
    stories = [line["story"] for line in lines if line["event"] == "story"]
    assert stories == STORIES
    assert lines[-1]["stories"] == len(STORIES)


async def test_the_shop_opens_and_ctrl_c_closes_everything():
    ports = free()
    with running(ports) as process:
        assert get(f"http://127.0.0.1:{ports.shop}/") == 200
        assert get(f"http://127.0.0.1:{ports.ingress}/health/ready") == 200
        second = ctpay("run", env=surroundings(ports))
        assert second.returncode == 2
        assert all(variable in second.stderr for variable in VARIABLES.values())
        children = children_of(process.pid)
        assert len(children) == 3
        process.send_signal(signal.SIGINT)
        assert process.wait(PATIENCE_S) == 0
        assert await are_gone(children)
    for port in asdict(ports).values():
        with socket.socket() as one:
            one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            one.bind(("127.0.0.1", port))


async def test_nothing_is_left_even_when_the_supervisor_is_killed():
    with running(free()) as process:
        children = children_of(process.pid)
        assert len(children) == 3
        process.kill()
        await eventually(lambda: are_gone(children), within_s=30)


def test_a_connector_is_set_up_and_started_by_hand_against_the_stand_ins():
    ports, health = free(), free().shop
    with started("sandbox", env=surroundings(ports)) as stand_ins:
        assert stand_ins.stdout is not None
        given = {}
        while "ALLOWED_ORIGINS" not in given:
            name, _, value = stand_ins.stdout.readline().rstrip().partition("=")
            given[name] = value
        env = {"PATH": os.environ["PATH"], **given, "WORKER_PORT": str(health)}
        results = []
        for _ in range(2):
            done = ctpay("setup", "--json", env=env)
            assert done.returncode == 0, done.stderr
            results.append({json.loads(line)["result"] for line in done.stdout.splitlines()})
        assert results == [{"created"}, {"unchanged"}]
        with started("worker", "capture", env=env) as worker:
            assert worker.stdout is not None
            assert json.loads(worker.stdout.readline()) == {"ready": "workers", "names": ["capture"]}
            assert get(f"http://127.0.0.1:{health}/health/live") == 200
            assert get(f"http://127.0.0.1:{health}/health/ready") == 200
            worker.terminate()
            assert worker.wait(PATIENCE_S) == 0
        stand_ins.terminate()
        assert stand_ins.wait(PATIENCE_S) == 0


def test_a_setup_that_cannot_reach_anything_says_what_to_check():
    given = {
        **dict.fromkeys(("CTP_AUTH_URL", "CTP_API_URL", "CTP_SESSION_URL"), f"http://127.0.0.1:{free().shop}"),
        "CTP_PROJECT_KEY": "shop", "CTP_CLIENT_ID": "id", "CTP_CLIENT_SECRET": "canary-5f1d2c", "PSP": "sandbox",
        "GOOGLE_CLOUD_PROJECT": "p", "PUBSUB_EMULATOR_HOST": f"127.0.0.1:{free().shop}",
        "SANDBOX_PSP_URL": "http://127.0.0.1:1", "SANDBOX_PSP_SECRET_KEY": "sk_1", "SANDBOX_PSP_PUBLISHABLE_KEY": "pk_1",
        "SANDBOX_PSP_WEBHOOK_SECRETS": "whsec_dGVzdC13ZWJob29rLXNlY3JldC0wMDAx",
    }  # fmt: skip
    done = ctpay("setup", env={"PATH": os.environ["PATH"], **given})
    assert done.returncode == 1
    assert "PUBSUB_EMULATOR_HOST" in done.stderr
    assert "Traceback" not in done.stderr
    assert "canary-5f1d2c" not in done.stderr


def test_a_connector_without_settings_says_everything_that_is_missing_at_once():
    bare = {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"}}
    done = ctpay("ingress", env=bare)
    assert done.returncode == 2
    for name in ("CTP_PROJECT_KEY", "CTP_CLIENT_SECRET", "GOOGLE_CLOUD_PROJECT", "PSP", "PUBLIC_URL"):
        assert f"  {name}: is missing" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_worker_that_there_is_not_is_refused_with_those_there_are():
    done = ctpay("worker", "nobody")
    assert done.returncode == 2
    assert "capture" in done.stderr


@pytest.mark.parametrize("command", ["run", "demo", "ingress", "worker", "sandbox", "setup"])
def test_every_command_explains_itself_by_an_example(command):
    done = ctpay(command, "--help")
    assert done.returncode == 0
    assert "Example" in done.stdout
