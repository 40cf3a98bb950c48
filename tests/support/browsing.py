"""What browser tests wait for, in pages whose policy forbids what Playwright would wait with."""

from __future__ import annotations

from playwright.async_api import Page
from support.polling import eventually

#: Seconds. Far more than anything takes: the machine may be busy with other things.
PATIENCE_S = 30.0


async def true(page: Page, expression: str) -> None:
    """Wait until a JavaScript expression is true. Playwright's own way of waiting needs `unsafe-eval` in the page."""

    async def is_so() -> bool:
        return bool(await page.evaluate(f"!!({expression})"))

    await eventually(is_so, within_s=PATIENCE_S, every_s=0.05)


async def results(page: Page, count: int = 1) -> list[dict]:
    """What `onComplete` was given, once there is so much of it."""
    await true(page, f"window.told?.results.length >= {count}")
    return await page.evaluate("told.results")


async def errors(page: Page, count: int = 1) -> list[dict]:
    """What `onError` was given, once there is so much of it."""
    await true(page, f"window.told?.errors.length >= {count}")
    return await page.evaluate("told.errors")
