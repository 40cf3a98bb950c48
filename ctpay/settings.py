"""The settings: blocks of environment variables, read once at start, frozen, and refused with every fault at once.

Law: no secret and no address has a default, and a fault is told by the variable's name and what to do, never by its
value. Limits have defaults and carry their unit in their name. What belongs to one PSP stands in that PSP's folder.
"""

from __future__ import annotations

import enum
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Final, TypeAlias
from urllib.parse import urlsplit

from pydantic import Field, SecretStr, ValidationError, ValidationInfo, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from psp.on_account import METHODS as ON_ACCOUNT
from psp.port import PspFront, PspSettings
from psp.registry import FRONTS
from psp.registry import SETTINGS as PSPS

Required: TypeAlias = Annotated[str, Field(min_length=1)]
RequiredSecret: TypeAlias = Annotated[SecretStr, Field(min_length=1)]
Seconds: TypeAlias = Annotated[float, Field(gt=0, le=7 * 24 * 3600)]
#: Of what is looked back over, rather than waited for.
LongSeconds: TypeAlias = Annotated[float, Field(gt=0, le=400 * 24 * 3600)]
Rate: TypeAlias = Annotated[float, Field(gt=0, le=1_000_000)]
Burst: TypeAlias = Annotated[int, Field(ge=1, le=1_000_000)]

#: What people leave in a template. Compared in lower case.
_PLACEHOLDERS: Final = frozenset(
    {"xxx", "changeme", "change-me", "change_me", "todo", "secret", "password", "none", "null", "undefined", "..."}
)
_MISSING: Final = "is missing: set it."
#: RFC 6454, section 6.2, as browsers write it: they compare it letter by letter.
_ORIGIN: Final = re.compile(r"https?://(?:[a-z0-9._-]+|\[[0-9a-f:.]+\])(?::[0-9]{1,5})?")
_LOOPBACK: Final = frozenset({"localhost", "127.0.0.1", "::1"})


class SettingsError(Exception):
    """The settings cannot be used. The text lists every fault, one a line."""

    def __init__(self, faults: Mapping[str, str]) -> None:
        lines = "\n".join(f"  {name}: {what}" for name, what in sorted(faults.items()))
        super().__init__(f"ctpay cannot start with these settings:\n{lines}\nREADME.md lists every variable.")
        self.faults = dict(faults)


class LogFormat(enum.StrEnum):
    """How log lines look."""

    #: Pretty on a terminal, JSON elsewhere.
    AUTO = "auto"
    JSON = "json"
    PRETTY = "pretty"


class LogLevel(enum.StrEnum):
    """From which weight on a line is written."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Commercetools(BaseSettings):
    """The merchant's project, and the API client that acts for us in it."""

    model_config = SettingsConfigDict(env_prefix="CTP_", env_ignore_empty=True, frozen=True)

    project_key: Required
    client_id: Required
    client_secret: RequiredSecret
    auth_url: Required
    api_url: Required
    session_url: Required
    #: Where the keys are that sign the Merchant Center's tokens, and who signs. Without them no such token is believed.
    jwks_url: Required | None = None
    jwt_issuer: Annotated[Required | None, Field(validate_default=True)] = None

    @field_validator("jwt_issuer")
    @classmethod
    def _both_or_neither(cls, value: str | None, info: ValidationInfo) -> str | None:
        if "jwks_url" in info.data and (value is None) != (info.data["jwks_url"] is None):
            raise ValueError("set CTP_JWKS_URL and CTP_JWT_ISSUER, or neither")
        return value


class Bus(BaseSettings):
    """Where messages travel."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    google_cloud_project: Required
    #: Before the name of every topic and subscription, so that several environments can share a project.
    pubsub_prefix: Annotated[str, Field(pattern=r"^[a-z][a-z0-9-]{0,30}$")] = "ctpay"
    #: `host:port` of an emulator; absent: Google Cloud Pub/Sub. The client reads this variable by itself.
    pubsub_emulator_host: Required | None = None


class Web(BaseSettings):
    """How the ingress is reached. Only the ingress reads this block."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    bind_address: Required = "0.0.0.0"  # noqa: S104 - in a container, the address that the platform's proxy reaches
    port: Annotated[int, Field(ge=0, le=65535)] = 8080
    #: Of `/metrics`, which are nobody's business at the public port. 0 is any free port; absent: none.
    metrics_port: Annotated[int, Field(ge=0, le=65535)] | None = None
    #: Where browsers reach the ingress: the start of the return URLs that PSPs send shoppers to.
    public_url: Required
    #: Where shoppers go after a redirect when their session does not say; absent: they see a page of ours.
    merchant_return_url: Required | None = None
    #: Whether customers may store payment methods. The API client needs the scope `manage_payment_methods` then.
    stored_payment_methods_enabled: bool = False
    #: Methods without a PSP that the merchant offers, separated by commas: `invoice`, `purchaseorder`. Whoever pays so
    #: pays nothing yet.
    on_account_methods: Annotated[frozenset[str], NoDecode] = frozenset()
    #: Origins of shops that may call us from a browser, separated by commas, or `*`. Empty: none.
    allowed_origins: Annotated[tuple[str, ...], NoDecode] = ()

    @field_validator("metrics_port")
    @classmethod
    def _not_the_public_one(cls, value: int | None, info: ValidationInfo) -> int | None:
        if value and value == info.data.get("port"):
            raise ValueError("it is PORT, which is public: give the metrics a port of their own")
        return value

    @field_validator("on_account_methods")
    @classmethod
    def _methods(cls, value: frozenset[str]) -> frozenset[str]:
        if unknown := sorted(value - ON_ACCOUNT):
            raise ValueError(f"there is no {unknown[0]!r} on account, there are: {', '.join(sorted(ON_ACCOUNT))}")
        return value

    @field_validator("allowed_origins", "on_account_methods", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(filter(None, map(str.strip, value.split(",")))) if isinstance(value, str) else value

    @field_validator("allowed_origins")
    @classmethod
    def _origins(cls, value: tuple[str, ...]) -> tuple[str, ...]:
        for one in value:
            if one != "*" and not _ORIGIN.fullmatch(one):
                raise ValueError("an origin is https://host or https://host:port, in lower case, and nothing after it")
        return value


class Limits(BaseSettings):
    """A limit on everything that takes time or space."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    #: How long after its acceptance an authorization may first be sent to the PSP: after that the shopper has gone.
    authorization_send_by_s: Seconds = 900
    #: Taken off the lifetime of the PSP's idempotency keys, so that no request races a key's end.
    key_margin_s: Seconds = 3600
    #: How long an event waits for the Payment that it is about: less than all its deliveries together take, or it would
    #: be a dead letter before.
    event_patience_s: Seconds = 12 * 3600
    #: The longest that one request can be under way in some process.
    lease_s: Seconds = 600
    #: How often the reconcile worker looks for what nobody works on any more, and how long that must have been so.
    reconcile_every_s: Seconds = 300
    reconcile_rested_s: Seconds = 300
    #: How often it compares the PSP's list with commercetools, and over how long: longer than anything that was decided
    #: is known to change late, and than a letter about it may wait.
    reconcile_compare_every_s: Seconds = 24 * 3600
    reconcile_compared_s: LongSeconds = 35 * 24 * 3600
    #: How long a change is tried again after conflicts. Below the lease.
    conflicts_s: Seconds = 60
    #: How long a request waits for its result where the caller does not say so by `Prefer: wait`, and at the most.
    payments_wait_s: Seconds = 10
    intents_wait_s: Seconds = 5
    return_wait_s: Seconds = 5
    wait_s_max: Annotated[int, Field(gt=0, le=300)] = 30
    #: How long a publish may take.
    publish_s: Seconds = 5
    #: How long one try of a call to commercetools may take, and how often it is tried.
    commercetools_s: Seconds = 10
    commercetools_tries: Annotated[int, Field(ge=1, le=10)] = 4
    #: How long all tries of a call together may take, in a worker and while a caller of the ingress waits for it.
    commercetools_total_s: Seconds = 60
    commercetools_waited_s: Seconds = 12
    #: How long one try of a call to the PSP may take, how often it is tried, and how long all tries together may take.
    psp_timeout_s: Seconds = 10
    psp_tries: Annotated[int, Field(ge=1, le=10)] = 3
    psp_total_s: Seconds = 25
    #: Messages that each worker of a process handles at the same time.
    in_flight_max: Annotated[int, Field(ge=1, le=10_000)] = 50
    #: The most seconds that a message of a killed process waits for another; the table of topics may say less. Pub/Sub
    #: takes 10 at the least.
    ack_deadline_s_max: Annotated[int, Field(ge=10, le=600)] = 600
    #: Connections of a process to each host outside.
    connections_max: Annotated[int, Field(ge=1, le=10_000)] = 100
    #: How long a checked session or token counts as checked.
    caller_known_s: Seconds = 60
    #: How long the keys that sign the Merchant Center's tokens are believed.
    signing_keys_known_s: Seconds = 300
    #: How often one session may call an ingress in the long run and at once; how often one program or person may.
    session_rate_per_s: Rate = 10
    session_burst_max: Burst = 60
    caller_rate_per_s: Rate = 200
    caller_burst_max: Burst = 1000
    #: Of how many sessions, and of how many others, an ingress remembers that.
    callers_max: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    #: How long a process may take to finish what it has in hand when it is told to stop. Closing may take five more.
    drain_s: Seconds = 25

    @field_validator("reconcile_compared_s")
    @classmethod
    def _no_gap(cls, value: float, info: ValidationInfo) -> float:
        if value < info.data.get("reconcile_compare_every_s", 0):
            raise ValueError("it is below RECONCILE_COMPARE_EVERY_S: what lies between would be compared by nobody")
        return value


class Logs(BaseSettings):
    """What is logged, and how."""

    model_config = SettingsConfigDict(env_prefix="LOG_", env_ignore_empty=True, frozen=True)

    level: LogLevel = LogLevel.INFO
    format: LogFormat = LogFormat.AUTO


class Health(BaseSettings):
    """Where a worker tells whether it is alive."""

    model_config = SettingsConfigDict(env_prefix="WORKER_", env_ignore_empty=True, frozen=True)

    #: 0 is any free port; absent: no health routes.
    port: Annotated[int, Field(ge=0, le=65535)] | None = None


class Psp(BaseSettings):
    """Which PSP; its own block is read by the class that the registry names."""

    model_config = SettingsConfigDict(env_ignore_empty=True, frozen=True)

    psp: Required

    @field_validator("psp")
    @classmethod
    def _known(cls, value: str) -> str:
        if value not in PSPS:
            raise ValueError(f"there is no such PSP, there are: {', '.join(sorted(PSPS))}")
        return value


@dataclass(frozen=True, kw_only=True, slots=True)
class Common:
    """What every process of the product needs."""

    commercetools: Commercetools
    bus: Bus
    psp_name: str
    psp: PspFront
    limits: Limits
    logs: Logs
    health: Health

    def secrets(self) -> tuple[SecretStr, ...]:
        """Every secret in the blocks, so that the logs can mask them wherever they turn up."""
        return tuple(
            value
            for block in (self.commercetools, self.psp)
            if isinstance(block, BaseSettings)
            for values in block.__dict__.values()
            for value in (values if isinstance(values, tuple) else (values,))
            if isinstance(value, SecretStr)
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Settings(Common):
    """What a worker needs: the same, and what moves money."""

    psp: PspSettings


@dataclass(frozen=True, kw_only=True, slots=True)
class IngressSettings:
    """What the ingress needs: the same without what moves money, and how it is reached."""

    common: Common
    web: Web


_COMMON: Final[tuple[type[BaseSettings], ...]] = (Commercetools, Bus, Psp, Limits, Logs, Health)


def load() -> Settings:
    """The settings of a worker, from the environment. Raises SettingsError with every fault."""
    _refuse_faults(PSPS, *_COMMON)
    name = Psp().psp
    return Settings(
        commercetools=Commercetools(),
        bus=Bus(),
        psp_name=name,
        psp=PSPS[name](),
        limits=Limits(),
        logs=Logs(),
        health=Health(),
    )


def load_ingress() -> IngressSettings:
    """The settings of the ingress, from the environment. Raises SettingsError with every fault."""
    _refuse_faults(FRONTS, *_COMMON, Web)
    name = Psp().psp
    common = Common(
        commercetools=Commercetools(),
        bus=Bus(),
        psp_name=name,
        psp=FRONTS[name](),
        limits=Limits(),
        logs=Logs(),
        health=Health(),
    )
    return IngressSettings(common=common, web=Web())


def _refuse_faults(psps: Mapping[str, Callable[[], object]], *blocks: type[BaseSettings]) -> None:
    chosen = psps.get(os.environ.get("PSP", ""))
    reads: tuple[Callable[[], object], ...] = (*blocks, chosen) if chosen else blocks
    faults: dict[str, str] = {}
    for read in reads:
        faults |= _faults(read)
    if faults:
        raise SettingsError(faults)


def _faults(read: Callable[[], object]) -> dict[str, str]:
    """Variable -> what is wrong with it. What we have to say of a value is plainer than what pydantic says."""
    fields = _fields(read)
    faults: dict[str, str] = {}
    try:
        read()
    except ValidationError as error:
        for found in error.errors(include_input=False, include_url=False, include_context=False):
            where = str(found["loc"][0]) if found["loc"] else "?"
            name = next((name for name, field in fields.items() if field.name == where), where)
            missing = found["type"] == "missing"
            faults[name] = _MISSING if missing else f"cannot be used: {found['msg'].rstrip('.')}."
    for name, field in fields.items():
        fault = _fault_of_value(name, os.environ.get(name), field)
        if fault:
            faults[name] = fault
    return faults


@dataclass(frozen=True, kw_only=True, slots=True)
class _Field:
    name: str
    required: bool


def _fields(read: Callable[[], object]) -> dict[str, _Field]:
    """Environment variable -> field, for a block that is a settings class."""
    if not (isinstance(read, type) and issubclass(read, BaseSettings)):
        return {}
    prefix = read.model_config.get("env_prefix", "")
    return {
        f"{prefix}{name}".upper(): _Field(name=name, required=info.is_required())
        for name, info in read.model_fields.items()
    }


def _fault_of_value(name: str, value: str | None, field: _Field) -> str | None:
    """What no block accepts in any variable, whatever its type."""
    if value is None:
        return None
    if not value.strip():
        return _MISSING if field.required else None
    if value.strip().lower() in _PLACEHOLDERS:
        return "still has a placeholder: set the real value."
    for part in value.split(","):
        url = urlsplit(part.strip())
        if url.scheme == "http" and url.hostname not in _LOOPBACK:
            return "is not encrypted: use https:// (http:// is for this machine alone)."
        if name.endswith("_URL") and (url.scheme not in {"http", "https"} or not url.hostname):
            return "is no address: it starts with https:// and names a host."
    return None
