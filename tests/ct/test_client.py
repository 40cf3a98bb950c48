from __future__ import annotations

import asyncio
import json as json_text
from collections.abc import Awaitable, Callable

import aiohttp
import pytest
from support.garbage import uncollected
from support.prose import reads_well
from support.scripted_server import Answer, Asked, Scripted, error, hanging, hanging_up, json, text

from ct.client import Commercetools, quoted, segment
from ct.errors import (
    CommercetoolsError,
    ConflictError,
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from ct.token import Tokens
from ct.wire import Limits, Wire, _AgainError

PATH = "/demo/payments/p1"


@pytest.fixture
def client(server: Scripted, wire: Wire, tokens: Tokens) -> Commercetools:
    return Commercetools(wire=wire, tokens=tokens, api_url=server.url, project_key="demo")


# --- what is sent


async def test_a_read_bears_the_token_and_the_query(server: Scripted, client: Commercetools) -> None:
    server.on(PATH, json({"id": "p1", "version": 3}))

    read = await client.get("/payments/p1", params={"where": 'interfaceId = "a&b"', "expand": ["x", "y"]})

    assert read == {"id": "p1", "version": 3}
    (asked,) = server.of(PATH)
    assert asked.method == "GET"
    assert asked.query == [("where", 'interfaceId = "a&b"'), ("expand", "x"), ("expand", "y")]
    assert asked.headers["authorization"] == "Bearer token-1"
    assert "x-correlation-id" not in asked.headers
    assert "content-type" not in asked.headers


@pytest.mark.parametrize("slash", ["", "/"])
async def test_an_address_may_have_a_path_of_its_own_and_end_with_a_slash(
    server: Scripted, wire: Wire, tokens: Tokens, slash: str
) -> None:
    server.on("/X/demo/payments/p1", json({"id": "p1"}))
    behind = Commercetools(wire=wire, tokens=tokens, api_url=f"{server.url}/X{slash}", project_key="demo")
    assert await behind.get("/payments/p1") == {"id": "p1"}
    assert await behind.with_correlation("trace-0001").get("/payments/p1") == {"id": "p1"}


async def test_a_write_is_json(server: Scripted, client: Commercetools) -> None:
    server.on(PATH, json({"version": 4}))
    written = await client.post("/payments/p1", {"version": 3, "actions": []}, params={"expand": "x"})
    assert written == {"version": 4}
    (asked,) = server.of(PATH)
    assert asked.query == [("expand", "x")]
    assert (asked.method, asked.headers["content-type"]) == ("POST", "application/json")
    assert json_text.loads(asked.body) == {"version": 3, "actions": []}


async def test_a_deletion_names_its_version(server: Scripted, client: Commercetools) -> None:
    server.on(PATH, json({"id": "p1"}))
    await client.delete("/payments/p1", params={"version": "3"})
    (asked,) = server.of(PATH)
    assert (asked.method, asked.query) == ("DELETE", [("version", "3")])


async def test_every_call_of_a_bound_copy_names_its_correlation_id_and_the_original_does_not(
    server: Scripted, client: Commercetools
) -> None:
    server.on(PATH, json({}))
    bound = client.with_correlation("trace-0001")
    await bound.get("/payments/p1")
    await bound.post("/payments/p1", {})
    await client.get("/payments/p1")
    assert [one.headers.get("x-correlation-id") for one in server.of(PATH)] == ["trace-0001", "trace-0001", None]
    assert len(server.of("/oauth/token")) == 1


@pytest.mark.parametrize(
    "hostile", ["../carts/c1", "a/b", "a?b=c", "a#b", "a%2Fb", "%2e%2e", "é", "a b", "a;b", "..%2f"]
)
async def test_an_id_stays_one_segment_whatever_is_in_it(server: Scripted, client: Commercetools, hostile: str) -> None:
    with pytest.raises(NotFoundError):
        await client.get(f"/payments/{segment(hostile)}")
    asked = server.asked[-1]
    assert asked.raw_path.startswith("/demo/payments/")
    assert asked.raw_path.count("/") == 3
    assert asked.raw_path.rpartition("/")[2] == segment(hostile)
    assert not asked.query


@pytest.mark.parametrize("nothing", ["", ".", ".."])
def test_an_id_that_can_name_nothing_is_refused(nothing: str) -> None:
    with pytest.raises(ValueError, match="no id or key"):
        segment(nothing)


@pytest.mark.parametrize(
    ("value", "literal"),
    [
        ("pi_1", '"pi_1"'),
        ('x" or "1"="1', r'"x\" or \"1\"=\"1"'),
        ("x\\", r'"x\\"'),
        ('x\\" or true', r'"x\\\" or true"'),
        ("a\nb", r'"a\nb"'),
        ("é", '"é"'),
    ],
)
def test_a_value_cannot_end_its_literal(value: str, literal: str) -> None:
    assert quoted(value) == literal
    assert json_text.loads(quoted(value)) == value


# --- what an answer means


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(404, "ResourceNotFound"), NotFoundError),
        (error(409, "ConcurrentModification"), ConflictError),
        (error(400, "InvalidOperation"), InvalidRequestError),
        (error(400, "SomethingNew"), InvalidRequestError),
        (error(413, "ContentTooLarge"), InvalidRequestError),
        (text("<html>", status=413), InvalidRequestError),
        (text("<html>", status=414), InvalidRequestError),
        (text("<html>", status=431), InvalidRequestError),
        (text("<html>", status=405), UnavailableError),
        (text("<html>default backend - 404</html>", status=404), UnavailableError),
        (text("", status=404), UnavailableError),
        (json({"message": "no Route matched with those values"}, status=404), UnavailableError),
        (json({"statusCode": 404, "message": "Cannot GET /demo", "error": "Not Found"}, status=404), UnavailableError),
        (error(405, "MethodNotAllowed"), InvalidRequestError),
        (error(422, "SomethingNew"), InvalidRequestError),
        (error(403, "insufficient_scope"), ForbiddenError),
        (text("", status=302), UnavailableError),
        (text("", status=501), UnavailableError),
    ],
)
async def test_a_definite_answer_is_not_asked_for_twice(
    server: Scripted, client: Commercetools, answer: Answer, kind: type[CommercetoolsError]
) -> None:
    server.on(PATH, answer)
    with pytest.raises(kind) as caught:
        await client.post("/payments/p1", {"version": 1})
    assert len(server.of(PATH)) == 1
    assert reads_well(caught.value)


@pytest.mark.parametrize(
    "body",
    [
        r'{"name": "\ud800"}',
        '{"a":' * 300 + "7" + "}" * 300,
        '{"n": 123456789012345678901234567890, "x": 0.1}',
    ],
    ids=["half a surrogate", "nested deeply", "a long number"],
)
async def test_an_odd_document_is_read_as_python_reads_it(server: Scripted, client: Commercetools, body: str) -> None:
    server.on(PATH, text(body))
    assert await client.get("/payments/p1") == json_text.loads(body)


async def test_a_document_that_is_nested_without_end_is_no_answer(server: Scripted, client: Commercetools) -> None:
    server.on(PATH, text('{"a":' * 100_000 + "7" + "}" * 100_000))
    with pytest.raises(UnavailableError, match="without a JSON object"):
        await client.get("/payments/p1")


async def test_a_redirect_is_not_followed_with_our_token(server: Scripted, client: Commercetools) -> None:
    server.on(PATH, json({}, status=307, headers={"Location": "/elsewhere"}))
    with pytest.raises(UnavailableError):
        await client.get("/payments/p1")
    assert server.of("/elsewhere") == []


@pytest.mark.parametrize("code", ["DuplicateField", "DuplicateFieldWithConflictingResource"])
async def test_a_taken_value_tells_its_field(server: Scripted, client: Commercetools, code: str) -> None:
    server.on("/demo/payments", error(400, code, field="key", duplicateValue="k"))
    with pytest.raises(DuplicateError) as caught:
        await client.post("/payments", {"key": "k"})
    assert caught.value.field == "key"


async def test_an_invalid_request_tells_its_code(server: Scripted, client: Commercetools) -> None:
    server.on(PATH, error(400, "InvalidOperation", message="no such transaction"))
    with pytest.raises(InvalidRequestError, match="400 InvalidOperation: no such transaction to POST") as caught:
        await client.post("/payments/p1", {})
    assert caught.value.code == "InvalidOperation"


async def test_an_error_is_cut_and_holds_neither_token_nor_body_nor_query(
    server: Scripted, client: Commercetools
) -> None:
    server.on(PATH, error(400, "InvalidInput", message="m" * 5000))
    with pytest.raises(InvalidRequestError) as caught:
        await client.post("/payments/p1", {"token": "canary-body"}, params={"where": "canary-query"})
    told = f"{caught.value} {caught.value.__cause__} {caught.value.__context__}"
    assert len(told) < 600
    assert "canary" not in told
    assert "token-1" not in told


@pytest.mark.parametrize("errors", [[], "none", [None], ["text"]])
async def test_a_misshapen_error_is_still_an_error(server: Scripted, client: Commercetools, errors: object) -> None:
    server.on(PATH, json({"message": "odd", "errors": errors}, status=400))
    with pytest.raises(InvalidRequestError, match="400: odd"):
        await client.get("/payments/p1")


# --- our token


async def test_a_refused_token_is_replaced_and_the_call_repeated(server: Scripted, client: Commercetools) -> None:
    server.on("/oauth/token", *(json({"access_token": f"token-{n}", "expires_in": 1000}) for n in (1, 2)))
    server.on(PATH, error(401, "invalid_token"), json({"id": "p1"}))
    assert await client.get("/payments/p1") == {"id": "p1"}
    assert [one.headers["authorization"] for one in server.of(PATH)] == ["Bearer token-1", "Bearer token-2"]


async def test_twenty_calls_refused_at_once_fetch_one_new_token(server: Scripted, client: Commercetools) -> None:
    server.on("/oauth/token", *(json({"access_token": f"token-{n}", "expires_in": 1000}) for n in (1, 2, 3)))

    async def only_the_second(asked: Asked):
        good = asked.headers["authorization"] == "Bearer token-2"
        return await (json({"id": "p1"}) if good else error(401, "invalid_token"))(asked)

    server.on(PATH, only_the_second)
    await asyncio.gather(*(client.get("/payments/p1") for _ in range(20)))
    assert len(server.of("/oauth/token")) == 2


async def test_a_fresh_token_that_is_refused_too_means_that_we_may_not(server: Scripted, client: Commercetools) -> None:
    server.on(PATH, error(401, "invalid_token"))
    with pytest.raises(ForbiddenError, match="scope"):
        await client.get("/payments/p1")
    assert len(server.of(PATH)) == 2
    assert len(server.of("/oauth/token")) == 2


# --- trying again


@pytest.mark.parametrize(
    "fault",
    [
        *(text("", status=status) for status in (408, 425, 429, 500, 502, 503, 504)),
        error(400, "PendingOperation"),
        error(400, "OverCapacity"),
        error(400, "ExtensionNoResponse"),
        error(400, "ExtensionBadResponse"),
        error(400, "QueryTimedOut"),
        error(503, "OverCapacity"),
        hanging_up(),
        text("not json"),
        text("[]"),
    ],
)
@pytest.mark.parametrize("method", ["get", "post"])
async def test_a_passing_fault_is_got_over_by_reads_and_writes_alike(
    server: Scripted, client: Commercetools, fault: Answer, method: str
) -> None:
    server.on(PATH, fault, fault, json({"id": "p1"}))
    call = client.get("/payments/p1") if method == "get" else client.post("/payments/p1", {"version": 1})
    assert await call == {"id": "p1"}
    # aiohttp itself opens a new connection for a GET whose kept-alive one was closed.
    assert len(server.of(PATH)) >= 3


@pytest.mark.parametrize(
    ("fault", "last"),
    [
        (error(503, "OverCapacity"), "status 503"),
        (hanging_up(), "ServerDisconnectedError"),
        (text("[]"), "200 without a JSON object"),
    ],
)
async def test_a_lasting_fault_ends_after_the_tries_and_says_that_a_write_may_have_happened(
    server: Scripted, client: Commercetools, caplog: pytest.LogCaptureFixture, *, fault: Answer, last: str
) -> None:
    server.on(PATH, fault)
    caplog.set_level("DEBUG", logger="backoff")
    with pytest.raises(UnavailableError, match=r"to POST /demo/payments/p1 in 3 tries; .*had its effect") as caught:
        await client.post("/payments/p1", {"version": 1, "x": "canary"})
    assert f"the last one: {last}." in str(caught.value)
    assert reads_well(caught.value)
    assert len(server.of(PATH)) == 3
    # Only its caller knows what may be told of it.
    assert [one for one in caplog.records if one.name == "backoff"] == []


async def test_a_try_that_failed_is_not_left_to_the_garbage_collector(server: Scripted, client: Commercetools) -> None:
    server.on(PATH, text("not json"), json({"id": "p1"}), error(503, "OverCapacity"))
    with uncollected() as left:
        await client.get("/payments/p1")
        with pytest.raises(UnavailableError):
            await client.get("/payments/p1")
        assert left(_AgainError) == []


async def test_an_update_whose_reply_was_lost_comes_back_as_a_conflict(server: Scripted, client: Commercetools) -> None:
    server.on(PATH, hanging_up(), error(409, "ConcurrentModification"))
    with pytest.raises(ConflictError):
        await client.post("/payments/p1", {"version": 1})


async def test_a_creation_whose_reply_was_lost_comes_back_as_a_duplicate(
    server: Scripted, client: Commercetools
) -> None:
    server.on("/demo/payments", hanging_up(), error(400, "DuplicateField", field="key"))
    with pytest.raises(DuplicateError):
        await client.post("/payments", {"key": "k"})


def client_with(server: Scripted, http: aiohttp.ClientSession, tokens: Tokens, **limits: float) -> Commercetools:
    wire = Wire(http=http, draw=lambda: 0.5, limits=Limits(**{"tries": 2, **limits}))
    return Commercetools(wire=wire, tokens=tokens, api_url=server.url, project_key="demo")


async def test_a_try_that_takes_too_long_is_given_up(
    server: Scripted, http: aiohttp.ClientSession, tokens: Tokens
) -> None:
    client = client_with(server, http, tokens, timeout_s=0.05, first_wait_s=0.0)
    server.on(PATH, hanging())
    with pytest.raises(UnavailableError, match="TimeoutError"):
        await client.get("/payments/p1")
    assert len(server.of(PATH)) == 2


async def test_all_tries_together_end_in_time_however_many_are_left(
    server: Scripted, http: aiohttp.ClientSession, tokens: Tokens
) -> None:
    client = client_with(server, http, tokens, tries=9, timeout_s=30.0, total_s=0.05)
    server.on(PATH, hanging())
    with pytest.raises(UnavailableError, match=r"GET /demo/payments/p1 in 0\.05 seconds.*may have had its effect"):
        await client.get("/payments/p1")
    assert len(server.of(PATH)) == 1


async def test_an_address_where_nobody_listens_is_unavailable(
    http: aiohttp.ClientSession, tokens: Tokens, unused_tcp_port: int
) -> None:
    wire = Wire(http=http, draw=lambda: 0.0, limits=Limits(tries=2))
    nowhere = Commercetools(wire=wire, tokens=tokens, api_url=f"http://127.0.0.1:{unused_tcp_port}", project_key="demo")
    with pytest.raises(UnavailableError, match="ClientConnectorError"):
        await nowhere.get("/payments/p1")


@pytest.fixture
def waits(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """How long the retry loop would have slept."""
    slept: list[float] = []

    async def note(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("backoff._async.asyncio", _AsyncioWithoutSleep(note))
    return slept


class _AsyncioWithoutSleep:
    def __init__(self, sleep: Callable[[float], Awaitable[None]]) -> None:
        self.sleep = sleep

    def __getattr__(self, name: str) -> object:
        return getattr(asyncio, name)


async def test_waits_double_to_their_end_and_the_draw_spreads_them(
    server: Scripted, http: aiohttp.ClientSession, tokens: Tokens, waits: list[float]
) -> None:
    client = client_with(server, http, tokens, tries=5, first_wait_s=1.0, longest_wait_s=3.0)
    server.on(PATH, error(503, "OverCapacity"))
    with pytest.raises(UnavailableError):
        await client.get("/payments/p1")
    assert waits == [0.5, 1.0, 2.0, 3.0]


@pytest.fixture
def patient(server: Scripted, http: aiohttp.ClientSession, tokens: Tokens) -> Commercetools:
    return client_with(server, http, tokens, first_wait_s=1.0, longest_wait_s=3.0)


@pytest.mark.parametrize(
    ("asked_for", "waited"),
    [("2", 2.0), ("3600", 3.0), ("0", 0.5), ("Wed, 21 Oct 2026 07:28:00 GMT", 0.5), ("-1", 0.5)],
)
async def test_commercetools_may_ask_for_a_longer_wait_within_the_limit(
    server: Scripted, patient: Commercetools, waits: list[float], asked_for: str, waited: float
) -> None:
    server.on(PATH, json({}, status=429, headers={"Retry-After": asked_for}), json({}))
    await patient.get("/payments/p1")
    assert waits == [waited]
