from __future__ import annotations

import asyncio
import base64
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from support.prose import reads_well
from support.scripted_server import Scripted, after, error, hanging_up, json, text

from ct.errors import ForbiddenError, UnavailableError
from ct.token import Tokens

TOKEN_PATH = "/oauth/token"


def token(value: str, *, life_s: float = 1000) -> dict[str, object]:
    return {"access_token": value, "expires_in": life_s}


async def test_the_token_is_asked_for_by_client_credentials_with_the_secret_in_the_basic_header_alone(
    server: Scripted, tokens: Tokens
) -> None:
    assert await tokens.get() == "token-1"

    (asked,) = server.of(TOKEN_PATH)
    assert asked.method == "POST"
    assert asked.body == "grant_type=client_credentials"
    assert asked.headers["content-type"] == "application/x-www-form-urlencoded"
    assert base64.b64decode(asked.headers["authorization"].removeprefix("Basic ")) == b"client:canary-secret"


@pytest.mark.parametrize(
    ("said", "scopes"),
    [
        ({"scope": "view_types:demo manage_payments:demo"}, {"view_types:demo", "manage_payments:demo"}),
        ({"scope": ""}, set()),
        ({}, set()),
    ],
)
async def test_the_token_says_what_it_is_good_for(
    server: Scripted, tokens: Tokens, said: dict[str, str], scopes: set[str]
) -> None:
    server.on(TOKEN_PATH, json(token("token-1") | said))
    assert await tokens.scopes() == scopes


async def test_forty_that_want_the_first_token_at_once_share_one_fetch(server: Scripted, tokens: Tokens) -> None:
    assert set(await asyncio.gather(*(tokens.get() for _ in range(40)))) == {"token-1"}
    assert len(server.of(TOKEN_PATH)) == 1


async def test_one_that_gives_up_waiting_does_not_take_the_fetch_from_the_others(
    server: Scripted, tokens: Tokens, until: Callable[[Callable[[], object]], Awaitable[None]]
) -> None:
    gate = asyncio.Event()
    server.on(TOKEN_PATH, after(gate, json(token("late"))))
    first, second = asyncio.create_task(tokens.get()), asyncio.create_task(tokens.get())
    await until(lambda: server.of(TOKEN_PATH))

    first.cancel()
    gate.set()

    assert await second == "late"
    assert len(server.of(TOKEN_PATH)) == 1


async def test_a_token_that_nears_its_end_is_renewed_while_the_old_one_still_serves(
    server: Scripted,
    tokens: Tokens,
    pass_time: Callable[[float], None],
    until: Callable[[Callable[[], object]], Awaitable[None]],
) -> None:
    gate = asyncio.Event()
    server.on(TOKEN_PATH, json(token("old")), after(gate, json(token("new"))))
    await tokens.get()

    pass_time(850)
    assert [await tokens.get() for _ in range(3)] == ["old"] * 3
    gate.set()
    await until(lambda: len(server.of(TOKEN_PATH)) == 2)
    pass_time(130)

    assert await tokens.get() == "new"
    assert len(server.of(TOKEN_PATH)) == 2


async def test_a_token_is_never_used_to_its_last_second(
    server: Scripted, tokens: Tokens, pass_time: Callable[[float], None]
) -> None:
    server.on(TOKEN_PATH, json(token("old")), json(token("new")))
    await tokens.get()
    pass_time(960)
    assert await tokens.get() == "new"


async def test_a_renewal_that_fails_leaves_the_token_that_still_works(
    server: Scripted,
    tokens: Tokens,
    pass_time: Callable[[float], None],
    until: Callable[[Callable[[], object]], Awaitable[None]],
) -> None:
    server.on(TOKEN_PATH, json(token("old")), text("down", status=503))
    await tokens.get()
    pass_time(850)
    await tokens.get()
    await until(lambda: len(server.of(TOKEN_PATH)) == 4)
    assert await tokens.get() == "old"


async def test_a_refused_token_is_replaced_once_however_many_had_it(server: Scripted, tokens: Tokens) -> None:
    server.on(TOKEN_PATH, json(token("old")), json(token("new")))
    old = await tokens.get()

    tokens.invalidate(old)
    assert await tokens.get() == "new"
    tokens.invalidate(old)

    assert await tokens.get() == "new"
    assert len(server.of(TOKEN_PATH)) == 2


@pytest.mark.parametrize(
    "answer",
    [
        json({"error": "invalid_client", "error_description": "Please provide valid client credentials"}, status=401),
        error(400, "invalid_scope"),
        json({"token_type": "Bearer", "expires_in": 5}),
        json({"access_token": "x", "expires_in": "soon"}),
    ],
)
async def test_wrong_credentials_name_the_settings_and_not_the_secret(
    server: Scripted, tokens: Tokens, answer: object
) -> None:
    server.on(TOKEN_PATH, answer)
    with pytest.raises(ForbiddenError, match="CTP_CLIENT_SECRET") as caught:
        await tokens.get()
    assert "canary" not in str(caught.value)
    assert reads_well(caught.value)


async def test_a_failed_fetch_fails_all_who_waited_and_the_next_one_tries_again(
    server: Scripted, tokens: Tokens
) -> None:
    server.on(TOKEN_PATH, hanging_up(), text("", status=502), error(500, "General"), json(token("back")))
    failed = await asyncio.gather(*(tokens.get() for _ in range(5)), return_exceptions=True)
    assert {type(one) for one in failed} == {UnavailableError}
    assert all("to POST /oauth/token in 3 tries" in str(one) for one in failed)
    assert len(server.of(TOKEN_PATH)) == 3
    assert await tokens.get() == "back"


async def test_nothing_that_is_printed_of_the_tokens_holds_the_secret(
    http: aiohttp.ClientSession, tokens: Tokens
) -> None:
    assert "canary" not in repr(vars(tokens))
