"""Sandbox Pay's block of settings, and what is made from it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, SecretStr, field_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

from psp.port import PspSeams
from psp.sandbox.adapter import SandboxAdapter
from psp.sandbox.api import SandboxApi
from psp.sandbox.reads import SandboxReads
from psp.signature import StandardWebhookVerifier, key_of


class SandboxFront(BaseSettings):
    """The environment variables `SANDBOX_PSP_*` of the ingress. Nothing has a default but what can be derived."""

    model_config = SettingsConfigDict(
        env_prefix="SANDBOX_PSP_", env_ignore_empty=True, frozen=True, hide_input_in_errors=True
    )

    #: Where its API is.
    url: Annotated[str, Field(pattern=r"^https?://")]
    #: Where browsers find it, if elsewhere.
    public_url: Annotated[str, Field(pattern=r"^https?://")] | None = None
    #: For browsers; not a secret.
    publishable_key: Annotated[str, Field(min_length=1)]
    #: All active ones, separated by blanks or commas; during a rotation there are two.
    webhook_secrets: Annotated[tuple[SecretStr, ...], NoDecode, Field(min_length=1)]

    @field_validator("webhook_secrets", mode="before")
    @classmethod
    def _split(cls, value: object) -> object:
        return tuple(value.replace(",", " ").split()) if isinstance(value, str) else value

    @field_validator("webhook_secrets")
    @classmethod
    def _usable(cls, value: tuple[SecretStr, ...]) -> tuple[SecretStr, ...]:
        for secret in value:
            key_of(secret)
        return value

    def reads(self, seams: PspSeams) -> SandboxReads:
        """Where browsers find it, and whether it is up."""
        return SandboxReads(
            session=seams.session,
            url=self.url,
            public_url=self.public_url or self.url,
            publishable_key=self.publishable_key,
        )

    def verifier(self, seams: PspSeams) -> StandardWebhookVerifier:
        """Its webhooks are signed as the standard says."""
        return StandardWebhookVerifier(secrets=self.webhook_secrets, clock=seams.clock)


class SandboxSettings(SandboxFront):
    """The environment variables `SANDBOX_PSP_*` of workers: also the key that moves money."""

    secret_key: Annotated[SecretStr, Field(min_length=1)]

    def adapter(self, seams: PspSeams) -> SandboxAdapter:
        """Asks the PSP for everything."""
        api = SandboxApi(
            session=seams.session,
            draw=seams.draw,
            url=self.url,
            secret_key=self.secret_key,
            patience=seams.patience,
        )
        return SandboxAdapter(api)
