"""Starts commercetools for a test: the stand-in in the test's own loop or in a process, or the npm mock.

Plain context managers; nothing here knows pytest. What is missing on this machine raises MissingToolError.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime
from pathlib import Path

from sandbox.commercetools.courier import Bus
from sandbox.commercetools.deliveries import PAYLOAD_BYTES_MAX
from sandbox.commercetools.server import Running, serve
from sandbox.commercetools.tokens import LIFETIME_S, demo_clients

PROJECT_KEY = "demo"
CLIENT_ID = "demo-client"
CLIENT_SECRET = "demo-secret"
#: Besides the connector's own: a merchant's, one that may only look at payments, one of another project.
MERCHANT_ID, LIMITED_ID, FOREIGN_ID = "merchant", "limited", "foreign"

_ROOT = Path(__file__).parent.parent.parent
_MOCK = Path(__file__).parent / "commercetools-mock"
_MOCK_FILES = ("package.json", "package-lock.json", "server.mjs", ".npmrc")


class MissingToolError(Exception):
    """Something is not on this machine. The message says how to have it."""


def ids() -> Callable[[], str]:
    """Ids in order, in the shape of the platform's, so that a failing test reads the same every time."""
    numbers = itertools.count(1)
    return lambda: f"00000000-0000-4000-8000-{next(numbers):012d}"


def wall_clock() -> datetime:
    return datetime.now(UTC)


@asynccontextmanager
async def running_commercetools(
    *,
    port: int = 0,
    pubsub_host: str | None = None,
    bus: Bus | None = None,
    clock: Callable[[], datetime] = wall_clock,
    new_id: Callable[[], str] | None = None,
    token_lifetime_s: int = LIFETIME_S,
    payload_bytes_max: int = PAYLOAD_BYTES_MAX,
) -> AsyncIterator[Running]:
    """The stand-in over real HTTP on loopback, in this loop."""
    running = await serve(
        host="127.0.0.1",
        port=port,
        project_key=PROJECT_KEY,
        clients=demo_clients(PROJECT_KEY),
        pubsub_host=pubsub_host,
        bus=bus,
        clock=clock,
        new_id=new_id or ids(),
        token_lifetime_s=token_lifetime_s,
        payload_bytes_max=payload_bytes_max,
    )
    try:
        yield running
    finally:
        await running.close()


@contextmanager
def commercetools_process(*, pubsub_host: str | None = None) -> Iterator[str]:
    """The stand-in in a process of its own; gives its URL."""
    command = [sys.executable, "-m", "sandbox.commercetools", "--port", "0"]
    if pubsub_host is not None:
        command += ["--pubsub-host", pubsub_host]
    environment = {name: value for name, value in os.environ.items() if name != "PUBSUB_EMULATOR_HOST"}
    with _started(command, cwd=_ROOT, environment=environment) as url:
        yield url


@contextmanager
def commercetools_mock() -> Iterator[str]:
    """The npm mock in a process of its own; gives its URL. The first time it is installed into `build/`."""
    node = shutil.which("node")
    if node is None:
        raise MissingToolError("commercetools-mock needs Node.js 20 or newer; on Debian: apt-get install nodejs npm")
    with _started([node, "server.mjs"], cwd=_installed_mock(), environment=dict(os.environ)) as url:
        yield url


def _installed_mock() -> Path:
    """The folder with the mock of the committed lock file and its packages."""
    content = b"".join((_MOCK / name).read_bytes() for name in _MOCK_FILES)
    folder = _ROOT / "build" / f"commercetools-mock-{hashlib.sha256(content).hexdigest()[:12]}"
    if folder.exists():
        return folder
    npm = shutil.which("npm")
    if npm is None:
        raise MissingToolError("commercetools-mock needs npm; on Debian: apt-get install npm")
    folder.parent.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder.parent) as made:
        for name in _MOCK_FILES:
            shutil.copy(_MOCK / name, made)
        done = subprocess.run(
            [npm, "ci", "--ignore-scripts", "--silent"], cwd=made, capture_output=True, text=True, check=False
        )
        if done.returncode != 0:
            raise MissingToolError(f"npm could not install commercetools-mock: {done.stderr.strip()[-300:]}")
        try:
            # In one step, since several test processes may come here at once: the first one wins.
            Path(made).rename(folder)
        except OSError:
            if not folder.exists():
                raise
        Path(made).mkdir(exist_ok=True)
    return folder


@contextmanager
def _started(command: list[str], *, cwd: Path, environment: dict[str, str]) -> Iterator[str]:
    """A server process that prints one line of JSON with its `url` when it is ready."""
    with subprocess.Popen(
        command, cwd=cwd, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        try:
            assert process.stdout is not None
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"{command} ended before it was ready, with {process.wait()}.")
            yield json.loads(line)["url"]
        finally:
            process.terminate()
            process.wait(timeout=10)
