from __future__ import annotations

import asyncio
import json as json_text
from collections.abc import Awaitable, Callable

import pytest
from pydantic import SecretStr
from support.scripted_server import Answer, Asked, Scripted, error, hanging, hanging_up, json, text

from ct.client import Commercetools
from ct.errors import (
    CommercetoolsError,
    ConflictError,
    DuplicateError,
    ForbiddenError,
    InvalidRequestError,
    NotFoundError,
    UnavailableError,
)
from ct.fields import INTERACTION_TYPE, TRANSACTION_TYPE, CustomType
from ct.readiness import types_missing
from ct.setup import Destination, Record, Result, SetupError, set_up
from ct.token import Tokens
from ct.wire import Limits, Wire

TYPES, SUBSCRIPTIONS = "/demo/types", "/demo/subscriptions"
TRANSACTION, INTERACTION = (f"{TYPES}/key={one.key}" for one in (TRANSACTION_TYPE, INTERACTION_TYPE))
SUBSCRIPTION = f"{SUBSCRIPTIONS}/key=ctpay"
STAMPS = {"version": 3, "createdAt": "2026-01-01T10:00:00.000Z", "lastModifiedAt": "2026-01-01T10:00:00.000Z"}
MESSAGES = ["PaymentCreated", "PaymentTransactionAdded"]

SetUp = Callable[[], Awaitable[tuple[Record, ...]]]


@pytest.fixture(autouse=True)
def _plain_http(monkeypatch: pytest.MonkeyPatch) -> None:
    """What whoever points setup at a stand-in has to do."""
    monkeypatch.setenv("OAUTHLIB_INSECURE_TRANSPORT", "1")


def set_up_within(server: Scripted, limits: Limits) -> SetUp:
    def blocking() -> tuple[Record, ...]:
        return set_up(
            api_url=server.url,
            project_key="demo",
            token=SecretStr("canary-token"),
            destination=Destination(google_project="gcp", topic="ctpay-commercetools"),
            limits=limits,
        )

    return lambda: asyncio.to_thread(blocking)


@pytest.fixture
def run(server: Scripted) -> SetUp:
    return set_up_within(server, Limits(timeout_s=5.0, tries=3, first_wait_s=0.0))


def type_document(of: CustomType, **more: object) -> dict[str, object]:
    fields = [
        {"name": name, "type": {"name": kind}, "label": {"en": name}, "required": False, "inputHint": "SingleLine"}
        for name, kind in of.fields.items()
    ]
    return {
        "id": f"id-{of.key}",
        "key": of.key,
        "name": {"en": of.name},
        "resourceTypeIds": [of.resource],
        "fieldDefinitions": fields,
        **STAMPS,
        **more,
    }


def subscription_document(**more: object) -> dict[str, object]:
    return {
        "id": "s1",
        "key": "ctpay",
        "destination": {"type": "GoogleCloudPubSub", "projectId": "gcp", "topic": "ctpay-commercetools"},
        "messages": [{"resourceTypeId": "payment", "types": MESSAGES}],
        "changes": [],
        "events": [],
        "format": {"type": "Platform"},
        "status": "Healthy",
        **STAMPS,
        **more,
    }


@pytest.fixture
def all_there(server: Scripted) -> Scripted:
    server.on(TRANSACTION, json(type_document(TRANSACTION_TYPE)))
    server.on(INTERACTION, json(type_document(INTERACTION_TYPE)))
    server.on(SUBSCRIPTION, json(subscription_document()))
    return server


def written(server: Scripted) -> list[tuple[str, dict[str, object]]]:
    return [(one.raw_path, json_text.loads(one.body)) for one in server.asked if one.method == "POST"]


async def test_an_empty_project_gets_both_types_and_the_subscription(server: Scripted, run: SetUp) -> None:
    server.on(TYPES, json(type_document(TRANSACTION_TYPE), status=201))
    server.on(SUBSCRIPTIONS, json(subscription_document(), status=201))

    records = await run()

    assert [(one.resource, one.key, one.result) for one in records] == [
        ("type", "ctpay-transaction", Result.CREATED),
        ("type", "ctpay-interaction", Result.CREATED),
        ("subscription", "ctpay", Result.CREATED),
    ]
    (_, transaction), (_, interaction), (_, subscription) = written(server)
    for draft, wanted in ((transaction, TRANSACTION_TYPE), (interaction, INTERACTION_TYPE)):
        assert draft["key"] == wanted.key
        assert draft["name"] == {"en": wanted.name}
        assert draft["resourceTypeIds"] == [wanted.resource]
        fields = draft["fieldDefinitions"]
        assert isinstance(fields, list)
        assert {field["name"]: field["type"]["name"] for field in fields} == dict(wanted.fields)
        assert [field["label"] for field in fields] == [{"en": name} for name in wanted.fields]
        assert {field["required"] for field in fields} == {False}
    assert subscription == {
        "key": "ctpay",
        "destination": {"type": "GoogleCloudPubSub", "projectId": "gcp", "topic": "ctpay-commercetools"},
        "messages": [{"resourceTypeId": "payment", "types": MESSAGES}],
    }
    assert {one.headers["authorization"] for one in server.asked} == {"Bearer canary-token"}


async def test_a_project_that_is_set_up_is_only_read(all_there: Scripted, run: SetUp) -> None:
    assert {(one.result, one.added) for one in await run()} == {(Result.UNCHANGED, ())}
    assert written(all_there) == []


async def test_a_type_gets_the_fields_it_lacks_and_keeps_the_merchants(all_there: Scripted, run: SetUp) -> None:
    document = type_document(TRANSACTION_TYPE)
    fields = document["fieldDefinitions"]
    assert isinstance(fields, list)
    theirs = {"name": "shopField", "type": {"name": "Money"}, "label": {"en": "x"}, "required": True}
    all_there.on(TRANSACTION, json({**document, "fieldDefinitions": [theirs, *fields[2:]]}), json(document))

    record = (await run())[0]

    lacking = tuple(list(TRANSACTION_TYPE.fields)[:2])
    assert (record.result, record.added) == (Result.EXTENDED, lacking)
    ((path, update),) = written(all_there)
    assert path == TRANSACTION
    assert update["version"] == 3
    actions = update["actions"]
    assert isinstance(actions, list)
    assert [(one["action"], one["fieldDefinition"]["name"]) for one in actions] == [
        ("addFieldDefinition", name) for name in lacking
    ]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"type": {"name": "Number"}}, "is a Number; ctpay needs an optional String"),
        ({"type": {"name": "Set", "elementType": {"name": "String"}}}, "is a Set"),
        ({"required": True}, "is a required String"),
    ],
)
async def test_a_field_of_another_form_stops_setup_with_what_to_do_and_nothing_is_written(
    all_there: Scripted, run: SetUp, change: dict[str, object], told: str
) -> None:
    document = type_document(TRANSACTION_TYPE)
    fields = document["fieldDefinitions"]
    assert isinstance(fields, list)
    all_there.on(TRANSACTION, json({**document, "fieldDefinitions": [{**fields[0], **change}]}))
    with pytest.raises(SetupError, match=rf"ctpayCommandId .*{told}.*Remove the field"):
        await run()
    assert written(all_there) == []


async def test_a_type_of_the_same_key_for_something_else_stops_setup(all_there: Scripted, run: SetUp) -> None:
    all_there.on(TRANSACTION, json(type_document(TRANSACTION_TYPE, resourceTypeIds=["payment"])))
    with pytest.raises(SetupError, match=r"is not for transaction\..*rename its key, then run `ctpay setup` again\.$"):
        await run()


@pytest.mark.filterwarnings("ignore:`Field.fail` is deprecated")  # the SDK's own use of marshmallow
@pytest.mark.parametrize(
    ("path", "document"),
    [
        (TRANSACTION, type_document(TRANSACTION_TYPE, resourceTypeIds=["from-the-future"])),
        (SUBSCRIPTION, subscription_document(destination={"type": "FutureQueue", "name": "x"})),
    ],
)
async def test_what_the_sdk_cannot_read_stops_setup_with_what_to_look_at(
    all_there: Scripted, run: SetUp, path: str, document: dict[str, object]
) -> None:
    all_there.on(path, json(document))
    with pytest.raises(SetupError, match="Look at the types ctpay-transaction"):
        await run()


async def test_a_type_made_meanwhile_by_another_setup_is_taken_as_it_is(all_there: Scripted, run: SetUp) -> None:
    all_there.on(TRANSACTION, error(404, "ResourceNotFound"), json(type_document(TRANSACTION_TYPE)))
    all_there.on(TYPES, error(400, "DuplicateField", field="key", duplicateValue="ctpay-transaction"))
    assert (await run())[0].result is Result.UNCHANGED


async def test_a_duplicate_that_cannot_be_found_is_an_error(all_there: Scripted, run: SetUp) -> None:
    all_there.on(TRANSACTION, error(404, "ResourceNotFound"))
    all_there.on(TYPES, error(400, "DuplicateField", field="fieldDefinitions"))
    with pytest.raises(DuplicateError):
        await run()


async def test_a_type_that_is_changed_all_the_time_is_an_error(all_there: Scripted, run: SetUp) -> None:
    all_there.on(TRANSACTION, json(type_document(TRANSACTION_TYPE, fieldDefinitions=[])))
    server_side = all_there.script[TRANSACTION][0]

    async def read_or_refuse(asked: Asked):
        return await (server_side if asked.method == "GET" else error(409, "ConcurrentModification"))(asked)

    all_there.on(TRANSACTION, read_or_refuse)
    with pytest.raises(ConflictError):
        await run()
    assert len(written(all_there)) == 2


@pytest.mark.parametrize(
    ("found", "added", "actions"),
    [
        (
            {"destination": {"type": "GoogleCloudPubSub", "projectId": "gcp", "topic": "old"}},
            ("destination",),
            [
                {
                    "action": "changeDestination",
                    "destination": {"type": "GoogleCloudPubSub", "projectId": "gcp", "topic": "ctpay-commercetools"},
                }
            ],
        ),
        (
            {
                "messages": [
                    {"resourceTypeId": "order", "types": ["OrderCreated"]},
                    {"resourceTypeId": "payment", "types": ["PaymentCreated", "PaymentInteractionAdded"]},
                ]
            },
            ("messages",),
            [
                {
                    "action": "setMessages",
                    "messages": [
                        {"resourceTypeId": "order", "types": ["OrderCreated"]},
                        {
                            "resourceTypeId": "payment",
                            "types": ["PaymentCreated", "PaymentInteractionAdded", "PaymentTransactionAdded"],
                        },
                    ],
                }
            ],
        ),
        (
            {"messages": []},
            ("messages",),
            [{"action": "setMessages", "messages": [{"resourceTypeId": "payment", "types": MESSAGES}]}],
        ),
        ({"messages": [{"resourceTypeId": "payment", "types": []}]}, (), None),
        ({"messages": [{"resourceTypeId": "payment"}]}, (), None),
    ],
)
async def test_the_subscription_gets_what_it_lacks_and_keeps_what_others_added(
    all_there: Scripted,
    run: SetUp,
    found: dict[str, object],
    added: tuple[str, ...],
    actions: list[object] | None,
) -> None:
    all_there.on(SUBSCRIPTION, json(subscription_document(**found)), json(subscription_document()))
    record = (await run())[2]
    assert record.added == added
    assert record.result is (Result.UNCHANGED if actions is None else Result.EXTENDED)
    assert written(all_there) == ([] if actions is None else [(SUBSCRIPTION, {"version": 3, "actions": actions})])


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (error(409, "ConcurrentModification"), ConflictError),
        (error(404, "ResourceNotFound"), NotFoundError),
        (error(413, "ContentTooLarge"), InvalidRequestError),
        (error(400, "InvalidOperation"), InvalidRequestError),
        (error(400, "SomethingTheSdkDoesNotKnow"), InvalidRequestError),
        (error(401, "invalid_token"), ForbiddenError),
        (error(403, "insufficient_scope"), ForbiddenError),
        (error(429, "OverCapacity"), UnavailableError),
        (text("", status=504), UnavailableError),
        (text("not json"), UnavailableError),
        (hanging_up(), UnavailableError),
    ],
)
async def test_no_answer_to_a_write_other_than_yes_is_taken_for_one(
    all_there: Scripted, run: SetUp, answer: Answer, kind: type[CommercetoolsError]
) -> None:
    all_there.on(TRANSACTION, error(404, "ResourceNotFound"))
    all_there.on(TYPES, answer)
    with pytest.raises(kind) as caught:
        await run()
    assert "canary" not in f"{caught.value}"


@pytest.mark.parametrize(
    ("answer", "kind"),
    [(error(403, "insufficient_scope"), ForbiddenError), (error(429, "OverCapacity"), UnavailableError)],
)
async def test_a_type_is_not_absent_because_it_could_not_be_read(
    all_there: Scripted, run: SetUp, answer: Answer, kind: type[CommercetoolsError]
) -> None:
    all_there.on(TRANSACTION, answer)
    with pytest.raises(kind):
        await run()
    assert written(all_there) == []


async def test_setup_does_not_wait_for_ever(server: Scripted) -> None:
    server.on(TRANSACTION, hanging())
    with pytest.raises(UnavailableError, match="cannot be reached"):
        await set_up_within(server, Limits(timeout_s=0.05, tries=1))()


async def test_a_passing_outage_is_got_over(all_there: Scripted, run: SetUp) -> None:
    all_there.on(TRANSACTION, text("", status=503), error(429, "OverCapacity"), json(type_document(TRANSACTION_TYPE)))
    assert {one.result for one in await run()} == {Result.UNCHANGED}


# --- readiness


@pytest.fixture
def client(server: Scripted, wire: Wire, tokens: Tokens) -> Commercetools:
    return Commercetools(wire=wire, tokens=tokens, api_url=server.url, project_key="demo")


async def test_a_project_that_is_set_up_lacks_nothing(all_there: Scripted, client: Commercetools) -> None:
    assert await types_missing(client) == ()


async def test_what_is_missing_is_named(all_there: Scripted, client: Commercetools) -> None:
    document = type_document(TRANSACTION_TYPE)
    fields = document["fieldDefinitions"]
    assert isinstance(fields, list)
    all_there.on(TRANSACTION, json({**document, "fieldDefinitions": fields[1:]}))
    all_there.on(INTERACTION, error(404, "ResourceNotFound"))
    assert await types_missing(client) == ("ctpay-transaction.ctpayCommandId", "ctpay-interaction")


async def test_an_outage_is_not_a_missing_type(all_there: Scripted, client: Commercetools) -> None:
    all_there.on(TRANSACTION, text("", status=503))
    with pytest.raises(UnavailableError):
        await types_missing(client)
