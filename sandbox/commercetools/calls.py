"""What goes into the core and what comes out of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from sandbox.commercetools.deliveries import Delivery, Notice
from sandbox.commercetools.documents import Document
from sandbox.commercetools.query import Parameters


@dataclass(frozen=True, kw_only=True, slots=True)
class Call:
    """One request, after authentication."""

    method: str
    #: Percent-encoded, beginning with `/{project_key}/`.
    path: str
    query: Parameters = field(default_factory=dict)
    body: bytes = b""
    #: Who calls, for `lastModifiedBy`.
    client_id: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Reply:
    """What the caller gets, and what is to be published after it."""

    status: int
    body: Document
    headers: Mapping[str, str] = field(default_factory=dict)
    #: Everything that happened, whether somebody subscribes or not.
    notices: tuple[Notice, ...] = ()
    #: The same, for those who do.
    deliveries: tuple[Delivery, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Probe:
    """A subscription is made only where its test notification can be delivered: try, then `settle`."""

    delivery: Delivery
    #: None: delivered; else why not. Gives the reply to the call.
    settle: Callable[[str | None], Reply]
