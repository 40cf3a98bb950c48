"""The port: what every payment service provider must be able to do for us, and what it declares about itself.

An adapter translates. It holds no state, decides nothing about commercetools, and answers in facts. A definite no with
nothing to show for it is `RefusedError`; a decline that the PSP keeps as an object of its own is a fact.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol

import aiohttp
from pydantic import SecretStr

from psp.capabilities import Capabilities
from psp.facts import Action, Fact, Instrument, Reference
from psp.http import Patience
from psp.money import Money
from psp.seams import Clock, Draw
from psp.stored import Initiator, Stored, TokenKind


@dataclass(frozen=True, kw_only=True, slots=True)
class AuthorizeRequest:
    """Hold `amount` on what `token` stands for."""

    #: Names the Authorization; its transaction id is the idempotency key.
    reference: Reference
    amount: Money
    #: The payment method type, for example `card`.
    method: str
    #: What stands for the money; None for methods that need nothing, such as an invoice.
    token: SecretStr | None
    #: Where the PSP sends the shopper back to after a redirect.
    return_url: str
    #: The merchant's own name for it, shown in the PSP's dashboard; None: the PSP gets our reference alone.
    merchant_reference: str | None = None
    token_kind: TokenKind = TokenKind.FRESH
    initiator: Initiator = Initiator.SHOPPER
    #: The commercetools customer for whom the PSP is to keep the method, who has consented to it; None: nobody.
    store_for: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CompleteRequest:
    """Finish an authorization after the shopper's action."""

    reference: Reference
    #: The PSP's id of the payment.
    payment_reference: str
    #: What the browser brought back from the action, as the PSP named it.
    parameters: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True, slots=True)
class CaptureRequest:
    """Take `amount` of the authorization."""

    reference: Reference
    payment_reference: str
    amount: Money
    merchant_reference: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class CancelRequest:
    """Release what is left of the authorization."""

    reference: Reference
    #: The Authorization's own reference, for a payment whose PSP id never reached us.
    authorization: Reference
    #: The PSP's id of the payment; None: cancel by our reference.
    payment_reference: str | None
    #: What is left, as far as we know; the PSP releases what it still holds.
    amount: Money
    merchant_reference: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class RefundRequest:
    """Give `amount` of the captured money back."""

    reference: Reference
    payment_reference: str
    amount: Money
    #: The PSP's id of the capture to take it from; None: from the payment as a whole.
    capture_reference: str | None = None
    merchant_reference: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class LookupRequest:
    """Ask what became of a payment and everything done to it."""

    #: Names the operation whose outcome is unknown.
    reference: Reference
    #: Names the Authorization, by which the PSP can find the payment where it gave no id.
    authorization: Reference
    payment_reference: str | None


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgetRequest:
    """Drop what is stored."""

    #: Of a stored method.
    token: SecretStr


@dataclass(frozen=True, kw_only=True, slots=True)
class ListRequest:
    """Ask for a page of everything that was made at the PSP in a span of time."""

    #: Made at this moment or later, by the PSP's clock.
    since: datetime
    #: Made before this moment.
    until: datetime
    #: Where the page before ended; None: the first page.
    cursor: str | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """A page of what the PSP has: payments, captures, cancels, refunds and rounds of disputes, each as it is now."""

    facts: tuple[Fact, ...]
    #: For the next page, also in another process and hours later; None: this was the last one.
    cursor: str | None
    #: What could not be read, each with its id and why, in words that may be shown.
    unreadable: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What the PSP answered: facts, and for an authorization what the shopper must do and what they paid with."""

    facts: tuple[Fact, ...]
    action: Action | None = None
    instrument: Instrument | None = None
    #: What was stored in the course of it, told as often as the payment is.
    stored: Stored | None = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Event:
    """One event out of a verified webhook."""

    #: The PSP's id of the event: the same event sent again has the same id. At most 128 of visible ASCII: it is the
    #: correlation id of what follows from it.
    id: str
    #: The PSP's name for it.
    type: str
    #: Empty for an event that is known and concerns nothing we keep.
    facts: tuple[Fact, ...]
    #: As in `Answer`.
    stored: Stored | None = None


class PspAdapter(Protocol):
    """One payment service provider. Every call may raise the three kinds of `PspError`, and nothing else."""

    #: The registry's name for it, also the last part of its webhook URL.
    name: str
    capabilities: Capabilities

    async def authorize(self, request: AuthorizeRequest) -> Answer: ...

    async def complete(self, request: CompleteRequest) -> Answer: ...

    async def capture(self, request: CaptureRequest) -> Answer: ...

    async def cancel(self, request: CancelRequest) -> Answer: ...

    async def refund(self, request: RefundRequest) -> Answer: ...

    async def forget(self, request: ForgetRequest) -> None:
        """Have the PSP drop a stored method. What it does not know (any more) is forgotten."""
        ...

    async def lookup(self, request: LookupRequest) -> Answer:
        """Everything the PSP knows of the payment, as facts; no facts: it has never heard of it."""
        ...

    async def page(self, request: ListRequest) -> Page:
        """One page of the PSP's list. Raises UnsupportedError where `Capabilities.listing` says that there is none."""
        ...

    def parse_webhook(self, body: bytes) -> tuple[Event, ...]:
        """The events in a body that `WebhookVerifier.verify` has accepted.

        Raises UnknownVocabularyError for an event type or status without a row, ValueError for a body that is not
        the PSP's format.
        """
        ...

    def scrub(self, text: str) -> str:
        """The text with everything secret of this PSP masked, for logs and interactions."""
        ...


class WebhookVerifier(Protocol):
    """Tells whether a webhook is the PSP's. The ingress holds this and not the adapter."""

    #: Names of the headers that travel with the body to the worker, in lower case.
    headers: frozenset[str]

    def verify(self, headers: Mapping[str, str], body: bytes) -> None:
        """Raise UnverifiedWebhookError unless the raw body is signed by the PSP. `headers` has lower-case names."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PspHealth:
    """Whether the PSP answers."""

    up: bool
    #: For a person: what was asked and what came back. Nothing secret.
    details: str


class PspReads(Protocol):
    """What the ingress may ask of a PSP: nothing that moves money."""

    name: str
    capabilities: Capabilities

    def client_configuration(self) -> Mapping[str, str]:
        """What the browser needs for the PSP's fields: public keys and addresses."""
        ...

    async def health(self) -> PspHealth:
        """Never raises."""
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class PspSeams:
    """What an adapter is built with. All of it is made, and closed, by the composition root."""

    #: Pooled; an adapter sets a time limit on every call.
    session: aiohttp.ClientSession
    clock: Clock
    draw: Draw
    #: The commercetools project, which every reference carries.
    project_key: str
    #: How long and how often a call is tried.
    patience: Patience = field(default_factory=Patience)


class PspFront(Protocol):
    """What the ingress reads of a PSP's settings, and what is made from it: nothing that moves money."""

    def reads(self, seams: PspSeams) -> PspReads: ...

    def verifier(self, seams: PspSeams) -> WebhookVerifier: ...


class PspSettings(PspFront, Protocol):
    """A PSP's whole settings block, for workers."""

    def adapter(self, seams: PspSeams) -> PspAdapter: ...
