"""SIGTERM for a process that cannot finish within DRAIN_S: it ends all the same, in a bounded time, and loses nothing."""

from __future__ import annotations

import asyncio
import os
import signal
import sys

import pytest
from support.audit import audit
from support.polling import eventually
from support.stack import ACK_DEADLINE_S, PATIENCE_S

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(300),
    pytest.mark.parametrize("running", ["stand-in"], indirect=True),
]

#: Seconds in which a process is to finish what it has in hand, and those in which it then closes.
DRAIN_S, CLOSING_S = 1, 5
#: Seconds that a busy machine may take to notice.
SLACK_S = 3
FOR_EVER_S = 600
#: The product, but for an end that holds its only loop for ever.
BLOCKED = f"""
import time
from ctpay import cli, wiring
from handlers.draining import Draining
wiring.Workers.drain = Draining.begin = lambda _: time.sleep({FOR_EVER_S})
cli.main()
"""
#: The product, but the official client never says that it has flushed.
HUNG = f"""
import time
from google.cloud.pubsub_v1.subscriber._protocol.heartbeater import Heartbeater
from ctpay import cli
Heartbeater.stop = lambda _: time.sleep({FOR_EVER_S})
cli.main()
"""
#: The product, but grpc's thread never gets to the end of a stream that was cancelled here: grpc/grpc#20562.
UNHEARD = f"""
import time
from grpc import _channel
from ctpay import cli
heard = _channel._event_handler
def unheard(state, deserializer):
    hear = heard(state, deserializer)
    def handle(event):
        if state.cancelled:
            time.sleep({FOR_EVER_S})
        return hear(event)
    return handle
_channel._event_handler = unheard
cli.main()
"""


def now():
    return asyncio.get_running_loop().time()


async def test_what_outlasts_the_time_to_drain_is_given_back_and_the_process_ends_well(stack):
    checkout = await stack.fill_cart()
    await stack.stop("authorize")
    await stack.start("authorize", DRAIN_S=str(DRAIN_S))
    since = len(stack.lines)
    await stack.psp_control("PUT", "/faults", [{"kind": "delay_reply", "on": "*", "delay_s": FOR_EVER_S}])
    _, accepted = await stack.pay(checkout, wait_s=0)
    await stack.held_at_the_psp("/v1/payments")
    await stack.start("authorize.2")

    begun = now()
    # Whose exit code is 0.
    await stack.stop("authorize")
    ended = now()

    async def met_twice():
        return len(stack.finished("authorize", since=since)) > 1

    # The PSP's webhook may have settled it long before.
    await eventually(met_twice, within_s=ACK_DEADLINE_S)
    again_s = now() - ended
    payment = await stack.until_paid(checkout, accepted["operation"])
    await stack.stop("authorize.2")
    await stack.start("authorize")

    assert DRAIN_S <= ended - begun < DRAIN_S + SLACK_S
    first, *_, last = stack.finished("authorize", since=since)
    assert (first["event"], first["reason"]) == ("message.again", "cancelled: the process stops")
    assert (last["event"], last["message_id"]) == ("message.done", first["message_id"])
    # It did not have to wait for the end of its lease.
    assert again_s < ACK_DEADLINE_S / 2
    effects = [one for one in await stack.effects() if one["metadata"].get("payment_id") == payment]
    assert audit([await stack.payment(payment)], effects) == []


@pytest.mark.parametrize("name", ["ingress", "authorize"])
async def test_where_the_end_itself_does_not_come_the_system_ends_the_process_five_seconds_after_the_time_to_drain(
    stack, monkeypatch, name
):
    await stack.stop(name)
    with monkeypatch.context() as planted:
        planted.setattr(stack, "product", (sys.executable, "-c", BLOCKED))
        await stack.start(name, DRAIN_S=str(DRAIN_S))
    child = stack.children.pop(name)

    begun = now()
    os.kill(child.pid, signal.SIGTERM)
    code = await asyncio.wait_for(child.result(), PATIENCE_S)
    took_s = now() - begun
    await stack.start(name)

    assert code == -signal.SIGALRM
    assert DRAIN_S + CLOSING_S <= took_s < DRAIN_S + CLOSING_S + SLACK_S


@pytest.mark.parametrize("product", [HUNG, UNHEARD], ids=["hung", "unheard"])
@pytest.mark.parametrize(("name", "last"), [("ingress", "ingress.stopped"), ("authorize", "workers.stopped")])
async def test_where_the_bus_s_client_does_not_come_to_its_end_the_process_ends_well_by_itself(
    stack, monkeypatch, name, last, product
):
    await stack.stop(name)
    with monkeypatch.context() as planted:
        planted.setattr(stack, "product", (sys.executable, "-c", product))
        await stack.start(name, DRAIN_S=str(DRAIN_S))
    since = len(stack.lines)

    # Whose exit code is 0.
    await stack.stop(name)
    said = [one["event"] for one in stack.lines[since:] if one["process"] == name]
    await stack.start(name)

    assert said[-1] == last
