"""`ctpay setup`: what the product needs outside, made where it is missing, and a table of what was done.

Topics come first, because commercetools tries the Subscription's topic before it accepts it.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from pydantic import SecretStr
from rich.console import Console
from rich.table import Table

from bus.provision import Found, ProvisionError, ensure
from bus.topics import Topic
from ct.errors import CommercetoolsError
from ct.extras import set_up_extras
from ct.setup import Destination, SetupError, set_up
from ct.wire import Limits
from ctpay.settings import Settings
from ctpay.wiring import names_of, open_outside


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """What was done about one thing."""

    resource: str
    name: str
    result: str
    added: tuple[str, ...] = ()


async def set_up_everything(settings: Settings, *, as_json: bool) -> int:
    """Make what is missing and tell about everything; 1 where something is not as it must be."""
    try:
        rows = [*await _bus_rows(settings), *await _commercetools_rows(settings)]
    except (ProvisionError, CommercetoolsError, SetupError) as error:
        sys.stderr.write(f"Setup stopped: {error}\n")
        return 1
    if as_json:
        for row in rows:
            sys.stdout.write(json.dumps(asdict(row)) + "\n")
    else:
        Console().print(_table(rows))
    differing = [row.name for row in rows if row.result == Found.DIFFERS]
    if differing:
        sys.stderr.write(
            f"These exist and deliver otherwise than ctpay wants: {', '.join(differing)}. Change them by hand, or "
            "delete them and run `ctpay setup` again.\n"
        )
    return 1 if differing else 0


async def _bus_rows(settings: Settings) -> list[Row]:
    made = await asyncio.to_thread(ensure, names_of(settings))
    return [Row(resource=one.name.split("/")[2].rstrip("s"), name=one.name, result=one.found) for one in made]


async def _commercetools_rows(settings: Settings) -> list[Row]:
    ct, limits = settings.commercetools, settings.limits
    async with open_outside(settings) as outside:
        token = SecretStr(await outside.tokens.get())
    if urlsplit(ct.api_url).scheme == "http":
        # The settings allow this for stand-ins on this machine alone; the SDK wants to be told too.
        os.environ["OAUTHLIB_INSECURE_TRANSPORT"] = "1"
    records = await asyncio.to_thread(
        set_up,
        api_url=ct.api_url,
        project_key=ct.project_key,
        token=token,
        destination=Destination(
            google_project=settings.bus.google_cloud_project,
            topic=f"{settings.bus.pubsub_prefix}-{Topic.COMMERCETOOLS}",
        ),
        limits=Limits(timeout_s=limits.commercetools_s, tries=limits.commercetools_tries),
    )
    async with open_outside(settings) as outside:
        extras = await set_up_extras(outside.client)
    return [Row(resource=one.resource, name=one.key, result=one.result, added=one.added) for one in (*records, *extras)]


def _table(rows: list[Row]) -> Table:
    table = Table("resource", "name", "result", "added")
    colours = {"created": "green", "extended": "green", "differs": "red"}
    for row in rows:
        colour = colours.get(row.result, "dim")
        table.add_row(row.resource, row.name, f"[{colour}]{row.result}[/{colour}]", ", ".join(row.added))
    return table
