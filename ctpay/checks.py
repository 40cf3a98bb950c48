"""What is looked at to tell whether a process should get requests, and how the connector is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ct.errors import CommercetoolsError, UnavailableError
from ct.fields import CARD_TYPE
from ct.permissions import STORING, scopes_missing
from ct.readiness import types_missing

if TYPE_CHECKING:
    from bus.port import Consumption
    from ct.client import Commercetools
    from ct.fields import CustomType
    from ct.token import Tokens
    from handlers.dependencies import Check


class TypesCheck:
    """Whether `ctpay setup` has been run. Once it has, commercetools is not asked again."""

    def __init__(self, client: Commercetools, also: Sequence[CustomType] = ()) -> None:
        """`also`: types beyond those of every payment."""
        self._client = client
        self._also = also
        self._complete = False

    async def check(self) -> str | None:
        """What is missing, for the log; None where nothing is, or where commercetools is down and cannot tell."""
        if self._complete:
            return None
        try:
            missing = await types_missing(self._client, self._also)
        except UnavailableError:
            # Its outage is no reason to refuse webhooks and payments, which wait on the bus.
            return None
        self._complete = not missing
        return _set_up(missing)


def results_check(results: Consumption) -> Check:
    """Whether this instance still hears what became of its commands."""

    async def check() -> str | None:
        return None if results.healthy else "results are not read any more"

    return check


def status_checks(
    client: Commercetools, tokens: Tokens, project_key: str, also: Sequence[CustomType] = ()
) -> Mapping[str, Check]:
    """What the connector's status looks at in commercetools, anew each time; an outage is told as one.

    `also`: types beyond those of every payment, with the scopes that they stand for.
    """
    scopes = (STORING,) if CARD_TYPE in also else ()

    async def permissions() -> str | None:
        try:
            missing = await scopes_missing(tokens, project_key, scopes)
        except CommercetoolsError as error:
            return str(error)
        if missing:
            return f"give the API client {', '.join(missing)}"
        try:
            # The scopes were read off a token that may be older than an outage: nothing is permitted by who is away.
            await client.get("/types", params={"limit": "0", "withTotal": "false"})
        except CommercetoolsError as error:
            return str(error)
        return None

    async def types() -> str | None:
        try:
            return _set_up(await types_missing(client, also))
        except CommercetoolsError as error:
            return str(error)

    return {"commercetools permissions": permissions, "commercetools types": types}


def _set_up(missing: tuple[str, ...]) -> str | None:
    return f"run `ctpay setup`, the project lacks {', '.join(missing)}" if missing else None
