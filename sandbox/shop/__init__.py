"""A tiny merchant: a shop to pay in, and an order desk that watches and changes the payment in commercetools.

It uses the connector as any merchant would: the browser library, the public routes, and commercetools' own API.
`merchant` asks others, `history` is pure, `desk` and `site` are thin aiohttp shells, `server` puts them together.
"""
