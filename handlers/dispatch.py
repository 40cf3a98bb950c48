"""Messages out, and the results that come back in time."""

from __future__ import annotations

from bus.messages import TOPICS, Command, Message, attributes, encode, request_hash_of
from handlers.dependencies import Dependencies
from psp.outcome import Standing


async def publish(dependencies: Dependencies, message: Message) -> None:
    """Return once the bus has confirmed the message. Raises PublishError."""
    await dependencies.publisher.publish(TOPICS[type(message)], encode(message), attributes(message))


async def carry_out(dependencies: Dependencies, command: Command, *, wait_s: float) -> Standing | None:
    """Publish the command and wait for its result; None: no result in time. Raises PublishError."""
    with dependencies.replies.expect(command.command_id, request_hash=request_hash_of(command)) as expectation:
        await publish(dependencies, command)
        return await expectation.within(wait_s)
