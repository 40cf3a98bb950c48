"""The servers under test, and the official client pointed at them by PUBSUB_EMULATOR_HOST as a user would."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from google.cloud import pubsub_v1
from support.pubsub_servers import EmulatorMissingError, emulator_server, stand_in_server
from support.pubsub_wire import Wire

SERVERS = {"stand-in": stand_in_server, "emulator": emulator_server}


@pytest.fixture(scope="session", params=["stand-in", pytest.param("emulator", marks=pytest.mark.emulator)])
def wire(request: pytest.FixtureRequest) -> Iterator[Wire]:
    """Each behaviour is shown on both servers; every test makes topics of its own."""
    try:
        with SERVERS[request.param]() as address, _clients(request.param, address) as found:
            yield found
    except EmulatorMissingError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def stand_in() -> Iterator[Wire]:
    """The stand-in alone, for what is its own."""
    with stand_in_server() as address, _clients("stand-in", address) as found:
        yield found


@contextmanager
def _clients(server: str, address: str) -> Iterator[Wire]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PUBSUB_EMULATOR_HOST", address)
        publisher, subscriber = pubsub_v1.PublisherClient(), pubsub_v1.SubscriberClient()
    with subscriber:
        yield Wire(server=server, publisher=publisher, subscriber=subscriber)
    publisher.stop()
    publisher.transport.close()
