"""Sandbox Pay: a payment service provider that runs on this machine and does to its callers what a real one does.

`bank` is the pure core (time comes in as an argument, ids from a function that the caller passes), `desk` puts
idempotency keys and faults before it, `outbox` holds the webhooks. `wire`, `site` and `control` are thin aiohttp shells
around them, and `server` starts it all.

Law: a card number lives in the fields page and in one call of `Bank.tokenize`, and nowhere else.
"""
