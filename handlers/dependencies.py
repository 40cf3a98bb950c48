"""What the ingress is built with, all of it made by the composition root, and its limits."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol, TypeAlias

from pydantic import SecretStr

from bus.port import Publisher
from handlers.allowance import Allowance
from handlers.body import BodyLimits
from handlers.draining import Draining
from handlers.replies import Replies
from psp.money import Money
from psp.outcome import Standing
from psp.port import PspReads, WebhookVerifier
from psp.seams import Clock, NewId


class Session(Protocol):
    """What is read of a checkout session."""

    @property
    def cart_id(self) -> str: ...

    @property
    def owner(self) -> str:
        """A hash of the session, worth nothing to a thief."""
        ...

    @property
    def allowed_payment_methods(self) -> Collection[str] | None:
        """None: all."""
        ...

    @property
    def merchant_return_url(self) -> str | None:
        """Where the shopper goes after a redirect."""
        ...

    @property
    def future_order_number(self) -> str | None: ...

    @property
    def gift_card_planned(self) -> Money | None:
        """What gift cards are to pay of the cart."""
        ...

    @property
    def correlation_id(self) -> str | None: ...


class SessionCheck(Protocol):
    """Knows the shoppers."""

    async def check(self, session_id: str, *, correlation_id: str) -> Session:
        """Raises UnknownCallerError, UnavailableError."""
        ...


class Caller(Protocol):
    """A program that calls us with an access token of this project."""

    @property
    def client_id(self) -> str: ...

    def require(self, *authorities: str) -> None:
        """Raise NotAllowedError unless the caller has one of them."""
        ...


class CallerCheck(Protocol):
    """Knows the programs."""

    async def check(self, bearer: str, *, correlation_id: str) -> Caller:
        """Raises UnknownCallerError, UnavailableError."""
        ...


class Merchant(Protocol):
    """A person in the Merchant Center."""

    @property
    def subject(self) -> str: ...


class MerchantCheck(Protocol):
    """Knows the people in the Merchant Center."""

    async def check(self, bearer: str, *, correlation_id: str) -> Merchant:
        """Raises UnknownCallerError, UnavailableError."""
        ...


#: What is wrong, in words that may be logged; None: nothing. Raising means wrong too.
Check: TypeAlias = Callable[[], Awaitable[str | None]]


class StatusReader(Protocol):
    """Knows where operations stand."""

    async def read(self, *, cart_id: str, owner: str, operation: str, correlation_id: str) -> Standing | None:
        """By one read; None: not there (yet), or another owner's. Raises UnavailableError."""
        ...


class StoredMethod(Protocol):
    """What may be shown of a stored payment method."""

    @property
    def id(self) -> str: ...

    @property
    def customer_id(self) -> str: ...

    @property
    def method(self) -> str: ...

    @property
    def is_default(self) -> bool: ...

    @property
    def created_at(self) -> datetime: ...

    @property
    def brand(self) -> str | None: ...

    @property
    def last_four(self) -> str | None: ...

    @property
    def expiry_month(self) -> int | None: ...

    @property
    def expiry_year(self) -> int | None: ...


class StoredMethods(Protocol):
    """Knows what customers have stored. Every method raises UnavailableError."""

    async def customer(self, *, cart_id: str, correlation_id: str) -> str | None:
        """Whose the cart is; None: a guest's."""
        ...

    async def of_customer(self, customer_id: str, *, correlation_id: str) -> Sequence[StoredMethod]:
        """All of the customer's, however many."""
        ...

    async def find(self, method_id: str, *, correlation_id: str) -> StoredMethod | None:
        """One, whosever it is."""
        ...


_BODY: Final = BodyLimits(size_max=64 * 1024, time_s_max=10)
_WEBHOOK: Final = BodyLimits(size_max=256 * 1024, time_s_max=10)


@dataclass(frozen=True, kw_only=True, slots=True)
class Limits:
    """Sizes and times. Times are in seconds."""

    body: BodyLimits = _BODY
    webhook: BodyLimits = _WEBHOOK
    #: How long an answer waits for the result, unless the caller says `Prefer: wait=N`.
    payments_wait_s: float = 10
    intents_wait_s: float = 5
    return_wait_s: float = 5
    #: The most that a caller gets with `Prefer: wait=N`.
    wait_s_max: int = 30
    #: For each check of /health/ready and /operations/status.
    check_s_max: float = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Dependencies:
    """Everything outside the ingress."""

    publisher: Publisher
    sessions: SessionCheck
    callers: CallerCheck
    merchants: MerchantCheck
    #: How often one session may call, and one program or person.
    session_allowance: Allowance
    caller_allowance: Allowance
    #: PSP name, as in its webhook's address -> its verifier.
    verifiers: Mapping[str, WebhookVerifier]
    reads: PspReads
    replies: Replies
    status: StatusReader
    clock: Clock
    new_id: NewId
    #: This process's name on the results topic.
    instance: str
    #: Where browsers and PSPs reach us, without a slash at the end.
    public_url: str
    #: Signs the state in return URLs. The same for all instances.
    return_secret: SecretStr
    project_key: str
    #: None: the merchant does not offer stored payment methods.
    stored: StoredMethods | None = None
    #: Methods without a PSP that the merchant offers, such as `invoice`.
    on_account: frozenset[str] = frozenset()
    #: Where shoppers go after a redirect when their session does not say; None: they see a page of ours.
    merchant_return_url: str | None = None
    #: Origins of storefronts whose pages may call us, or `*`.
    allowed_origins: frozenset[str] = frozenset()
    #: Of the product, for whoever asks how it is.
    version: str = "0"
    #: What /operations/status looks at besides the PSP, by name.
    status_checks: Mapping[str, Check] = field(default_factory=dict)
    #: What must be fine for this instance to get requests, by name.
    checks: Mapping[str, Check] = field(default_factory=dict)
    draining: Draining = field(default_factory=Draining)
    limits: Limits = field(default_factory=Limits)

    def status_url(self, operation: str) -> str:
        """Where an operation's status is read."""
        return f"{self.public_url}/payments/{operation}"
