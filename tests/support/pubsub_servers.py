"""Starts a Pub/Sub server in a process of its own: the stand-in, or Google's emulator. Nothing of pytest in here.

A process of its own, because the official client's synchronous calls would block a server in the same loop for ever.
Both give "127.0.0.1:port": the value of PUBSUB_EMULATOR_HOST.
"""

from __future__ import annotations

import contextlib
import json
import os
import selectors
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

ROOT = Path(__file__).parents[2]
HOST = "127.0.0.1"
START_S = 30.0
STOP_S = 5.0

#: Where the Google Cloud SDK's packages and installer put it.
SDK_HOMES = (
    "/usr/lib/google-cloud-sdk",
    "/usr/share/google-cloud-sdk",
    "/opt/google-cloud-sdk",
    "/opt/homebrew/share/google-cloud-sdk",
    "/snap/google-cloud-sdk/current",
    "~/google-cloud-sdk",
)
EMULATOR_IN_SDK = "platform/pubsub-emulator/bin/cloud-pubsub-emulator"
HOW_TO_GET_IT = (
    "Google's Pub/Sub emulator is not on this machine: install Java and the Google Cloud SDK, then "
    "`gcloud components install pubsub-emulator` (Debian: apt-get install google-cloud-cli-pubsub-emulator), "
    "or set PUBSUB_EMULATOR_COMMAND."
)


class EmulatorMissingError(Exception):
    """Google's emulator cannot be started here; the text says how to have it."""


@contextlib.contextmanager
def stand_in_server(port: int = 0) -> Iterator[str]:
    """The sandbox's own Pub/Sub on any free port."""
    command = [sys.executable, "-m", "sandbox.pubsub", "--port", str(port)]
    with _running(command, stdout=subprocess.PIPE) as process:
        yield f"{HOST}:{_ready_port(process)}"


@contextlib.contextmanager
def emulator_server() -> Iterator[str]:
    """Google's emulator, fresh: it forgets everything at the end. Raises EmulatorMissingError."""
    command = emulator_command()
    port = _free_port()
    with _running([*command, f"--host={HOST}", f"--port={port}"], stdout=subprocess.DEVNULL) as process:
        _wait_until_it_listens(process, port)
        yield f"{HOST}:{port}"


def emulator_command() -> Sequence[str]:
    """How to start it, without its arguments. Raises EmulatorMissingError."""
    chosen = os.environ.get("PUBSUB_EMULATOR_COMMAND")
    if chosen:
        return shlex.split(chosen)
    gcloud = shutil.which("gcloud")
    homes = [Path(home).expanduser() for home in SDK_HOMES]
    if gcloud:
        homes.insert(0, Path(gcloud).resolve().parents[1])
    places = [shutil.which("cloud-pubsub-emulator"), *(str(home / EMULATOR_IN_SDK) for home in homes)]
    found = next((place for place in places if place and os.access(place, os.X_OK)), None)
    if found is None or shutil.which("java") is None:
        raise EmulatorMissingError(HOW_TO_GET_IT)
    return [found]


@contextlib.contextmanager
def _running(command: Sequence[str], *, stdout: int) -> Iterator[subprocess.Popen[bytes]]:
    """The process leads a group of its own, so that what it starts (java) ends with it and nothing else does."""
    with subprocess.Popen(
        command, cwd=ROOT, stdout=stdout, stderr=subprocess.DEVNULL, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            _end_group(process)


def _end_group(process: subprocess.Popen[bytes]) -> None:
    """The group lives as long as any of its processes; its id is the leader's, which is not reaped before this."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(STOP_S)
            return


def _ready_port(process: subprocess.Popen[bytes]) -> int:
    assert process.stdout is not None
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        if not selector.select(START_S):
            raise TimeoutError(f"The stand-in was not ready within {START_S:g} s.")
    line = process.stdout.readline()
    if not line:
        raise RuntimeError(f"The stand-in ended with exit code {process.wait()}: run it by hand to see why.")
    return int(json.loads(line)["port"])


def _wait_until_it_listens(process: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + START_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"The emulator ended with exit code {process.returncode}: run it by hand to see why.")
        with contextlib.suppress(OSError), socket.create_connection((HOST, port), timeout=1):
            return
        time.sleep(0.05)
    raise TimeoutError(f"The emulator did not listen within {START_S:g} s.")


def _free_port() -> int:
    with socket.socket() as one:
        one.bind((HOST, 0))
        return int(one.getsockname()[1])
