"""A card number in every place of every request that is fine without it: refused where it is read, and nowhere a trace.

The requests are those of the errands, by callers who are known. So what is refused is refused for the number, or for
what it stands in the place of, and not because something else is missing or because there were too many.
"""

from __future__ import annotations

import enum
import json
from collections import Counter

from aiohttp import hdrs
from security.errands import CALLS, HEADERS, Secrets, acquainted, arriving
from security.product import PAN, open_product

from handlers import app
from handlers.routes import Access, Option

SECRETS = Secrets(token="tok_other", session="session-1", bearer="bearer-1", key="key-1", card="none")
REFUSAL = "The request holds what looks like card data. Send the token of the PSP's hosted fields instead."

#: How a request is answered with which nothing is wrong.
DONE = {200, 201, 202}


class Answer(enum.Enum):
    """What becomes of the number."""

    #: It is seen, and the request is refused for it.
    REFUSED = enum.auto()
    #: It stands where something else has to, and the request is refused for want of that.
    IN_THE_WAY = enum.auto()
    #: Nobody looks at it, and the request is answered as it is without it.
    UNREAD = enum.auto()


RETURNS, WEBHOOKS = "/payments/{operation}/return", "/webhooks/{psp}"
#: Nothing of their queries is read.
BARE = {WEBHOOKS, "/health/live", "/health/ready"}
FORM = (hdrs.METH_POST, RETURNS)


def of_a_header(name, key, route):
    if name == "X-Session-Id" and route.access is Access.SESSION:
        return Answer.REFUSED
    if name == "Authorization" and route.access in {Access.MERCHANT, Access.PROGRAM}:
        return Answer.IN_THE_WAY
    if name == "Idempotency-Key" and Option.IDEMPOTENCY_KEY in route.options:
        return Answer.REFUSED
    return Answer.IN_THE_WAY if name == "Content-Type" and (route.body or key == FORM) else Answer.UNREAD


def of_the_query(_name, key, _route):
    return Answer.UNREAD if key[1] in BARE else Answer.REFUSED


def of_the_state(_name, key, route):
    return Answer.IN_THE_WAY if key[1] == RETURNS else of_the_query(_name, key, route)


def of_the_path(_name, key, _route):
    return Answer.IN_THE_WAY if key[1] in {RETURNS, WEBHOOKS} else Answer.REFUSED


def of_a_longer_path(_name, key, _route):
    # It is the place of an operation.
    return Answer.REFUSED if key == (hdrs.METH_GET, "/payments") else Answer.IN_THE_WAY


def of_a_field(_name, _key, _route):
    return Answer.REFUSED


def of_the_body(_name, key, route):
    return Answer.IN_THE_WAY if route.body or key[0] == hdrs.METH_POST else Answer.UNREAD


def placed(path, asked):
    """The request with the number in each place: (place, what becomes of it, path, options)."""
    for name in HEADERS:
        yield name, of_a_header, path, asked | {"headers": asked.get("headers", {}) | {name: PAN}}
    for name, more in {"name of a query's": {PAN: ""}, "query": {"a": PAN}}.items():
        yield name, of_the_query, path, asked | {"params": asked.get("params", {}) | more}
    yield "state", of_the_state, path, asked | {"params": asked.get("params", {}) | {"state": PAN}}
    yield "longer path", of_a_longer_path, f"{path}/{PAN}", asked
    if "{" in path:
        yield "path", of_the_path, path[: path.index("{")] + PAN + path[path.index("}") + 1 :], asked
    for kind in {"json", "data"} & asked.keys():
        if isinstance(asked[kind], dict):
            for name, more in {"name of a field's": {PAN: "1"}, "field": {"more": PAN}}.items():
                yield name, of_a_field, path, asked | {kind: asked[kind] | more}
    if "json" in asked:
        yield "deep field", of_a_field, path, asked | {"json": asked["json"] | {"more": [{"deep": [PAN]}]}}
    bare = {name: value for name, value in asked.items() if name not in {"json", "data"}}
    yield "body", of_the_body, path, bare | {"data": PAN}
    yield "list", of_the_body, path, bare | {"json": [PAN]}


async def test_a_card_number_of_a_known_caller_is_refused_where_it_is_read_and_leaves_no_trace_anywhere(monkeypatch):
    async with open_product(monkeypatch) as product:
        visit = await arriving(product, await acquainted(product), SECRETS, token="tok_approved")
        product.wait_s = 0
        wrong, met = [], Counter()
        for key, route in app.ROUTES.items():
            call = CALLS[key][0]
            value, asked = call(visit)
            assert await visit.call(*key, value, asked) in DONE, key
            answers = []
            for place, of, path, options in placed(key[1], asked):
                expected = of(place, key, route)
                status, text = await product.ask(key[0], path.format(operation=value, id=value, psp=value), **options)
                answers.append((place, expected, status, text))
                met[expected] += 1
            # What was asked for to be deleted is not there any more.
            fine = DONE | {await visit.call(*key, *call(visit))}
            wrong += [(key, *answer) for answer in answers if not is_as_expected(*answer[1:], fine=fine)]
        await product.handled()
        assert wrong == []
        assert met.keys() == {*Answer}
        assert product.found({"card": PAN}) == {}
        assert not any(PAN in sent for sent in [*product.to_commercetools.carried, *product.to_psp.carried])


def is_as_expected(expected, status, text, *, fine):
    is_for_the_number = status == 400 and json.loads(text)["message"] == REFUSAL
    match expected:
        case Answer.REFUSED:
            return is_for_the_number
        case Answer.IN_THE_WAY:
            return status in {400, 401, 404, 405} and not is_for_the_number
        case Answer.UNREAD:
            return status in fine
