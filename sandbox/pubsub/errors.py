"""The one way in which the core says no."""

from __future__ import annotations

import enum


class Status(enum.StrEnum):
    """Why. The names are those of the gRPC status codes."""

    #: Wrong in itself: sending it again will not help.
    INVALID_ARGUMENT = "invalid argument"
    #: The same, for the one bound where the service says it so: max_delivery_attempts.
    OUT_OF_RANGE = "out of range"
    #: The topic or subscription is not there.
    NOT_FOUND = "not found"
    #: The name is taken.
    ALREADY_EXISTS = "already exists"
    #: The service has it, this stand-in has not.
    UNIMPLEMENTED = "unimplemented"
    #: Not now: try again. Only faults on order and the end of the server give this.
    UNAVAILABLE = "unavailable"


class RefusedError(Exception):
    """A request that is not carried out, or whose answer is lost on order; the text says what to change."""

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(text)
        self.status = status


def invalid(text: str) -> RefusedError:
    """For a request that is wrong in itself."""
    return RefusedError(Status.INVALID_ARGUMENT, text)


def not_found(name: str) -> RefusedError:
    """For a resource that is not there."""
    return RefusedError(Status.NOT_FOUND, f"Resource not found (resource={name}). Create it first.")
