"""The core without HTTP: what it emits, what it remembers, that nobody can reach into it, and that it stays fast."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from support import openapi
from support.commercetools_api import (
    cart_draft,
    custom,
    payment_draft,
    transaction,
    type_draft,
)
from support.commercetools_servers import ids

from sandbox.commercetools import payment_actions
from sandbox.commercetools.calls import Call, Probe, Reply
from sandbox.commercetools.core import Core

NOW = datetime(2026, 1, 1, 10, tzinfo=UTC)


class Project:
    """A core, with its calls made short."""

    def __init__(self, **more: int) -> None:
        self.core = Core(project_key="demo", new_id=ids(), **more)
        self.now = NOW

    def call(self, method: str, path: str, body: object = None, **query: str) -> Reply:
        found = self.ask(method, path, body, **query)
        assert isinstance(found, Reply), "a subscription wants its test notification first"
        return found

    def ask(self, method: str, path: str, body: object = None, **query: str) -> Reply | Probe:
        data = b"" if body is None else json.dumps(body).encode()
        parameters = {name: [value] for name, value in query.items()}
        return self.core.handle(Call(method=method, path=f"/demo{path}", query=parameters, body=data), self.now)

    def make(self, path: str, body: object) -> dict:
        reply = self.call("POST", path, body)
        assert reply.status in {200, 201}, reply.body
        return reply.body

    def update(self, resource: dict, *actions: dict, path: str = "/payments") -> Reply:
        return self.call("POST", f"{path}/{resource['id']}", {"version": resource["version"], "actions": list(actions)})

    def subscribe(self, **more: object) -> dict:
        draft = {
            "destination": {"type": "GoogleCloudPubSub", "projectId": "local", "topic": "ct-events"},
            "messages": [{"resourceTypeId": "payment"}],
            **more,
        }
        probe = self.ask("POST", "/subscriptions", draft)
        assert isinstance(probe, Probe), probe
        reply = probe.settle(None)
        assert reply.status == 201, reply.body
        return reply.body


@pytest.fixture
def project() -> Project:
    return Project()


def messages(reply: Reply) -> list[dict]:
    return [notice.payload for notice in reply.notices if notice.notification_type == "Message"]


def types(reply: Reply) -> list[str]:
    return [message["type"] for message in messages(reply)]


# Messages

TOLD = {
    "addInterfaceInteraction": "PaymentInteractionAdded",
    "addTransaction": "PaymentTransactionAdded",
    "changeTransactionState": "PaymentTransactionStateChanged",
    "setInterfaceId": "PaymentInterfaceIdSet",
    "setMethodInfo": "PaymentMethodInfoMethodSet",
    "setMethodInfoCustomField": "PaymentMethodInfoCustomFieldAdded",
    "setMethodInfoCustomType": "PaymentMethodInfoCustomTypeSet",
    "setMethodInfoInterface": "PaymentMethodInfoInterfaceSet",
    "setMethodInfoInterfaceAccount": "PaymentMethodInfoInterfaceAccountSet",
    "setMethodInfoMethod": "PaymentMethodInfoMethodSet",
    "setMethodInfoName": "PaymentMethodInfoNameSet",
    "setMethodInfoToken": "PaymentMethodInfoTokenSet",
    "setStatusInterfaceCode": "PaymentStatusInterfaceCodeSet",
    "setTransactionInterfaceId": "PaymentTransactionInterfaceIdSet",
    "transitionState": "PaymentStatusStateTransition",
}
SILENT = {
    "changeAmountPlanned",
    "changeTransactionInteractionId",
    "changeTransactionTimestamp",
    "setAnonymousId",
    "setCustomField",
    "setCustomType",
    "setCustomer",
    "setKey",
    "setStatusInterfaceText",
    "setTransactionCustomField",
    "setTransactionCustomType",
}


def test_every_action_that_is_not_deprecated_is_there():
    mapping = openapi.spec()["components"]["schemas"]["PaymentUpdateAction"]["discriminator"]["mapping"]
    deprecated = {"setAmountPaid", "setAmountRefunded", "setAuthorization", "setExternalId"}
    assert set(payment_actions.ACTIONS) == set(mapping) - deprecated
    assert set(TOLD) | SILENT == set(payment_actions.ACTIONS)


@pytest.mark.parametrize("name", sorted(payment_actions.ACTIONS))
def test_an_action_emits_its_message_as_the_official_file_has_it(project: Project, name: str):
    kinds = {
        place: project.make("/types", type_draft(place, key=f"of-{place}", words="String"))
        for place in ("payment", "transaction", "payment-method-info", "payment-interface-interaction")
    }
    project.make("/states", {"key": "paid", "type": "PaymentState"})
    made = project.make(
        "/payments",
        {
            "amountPlanned": {"currencyCode": "EUR", "centAmount": 1},
            "key": "pay-1",
            "custom": custom(kinds["payment"]),
            "transactions": [transaction(custom=custom(kinds["transaction"]))],
            **(
                {}
                if name == "setMethodInfoCustomType"
                else {"paymentMethodInfo": {"custom": custom(kinds["payment-method-info"])}}
            ),
        },
    )
    which = {"transactionId": made["transactions"][0]["id"]}
    told = {
        "addInterfaceInteraction": custom(kinds["payment-interface-interaction"], words="x"),
        "addTransaction": {"transaction": transaction("Charge", interactionId="ch")},
        "changeAmountPlanned": {"amount": {"currencyCode": "EUR", "centAmount": 2}},
        "changeTransactionInteractionId": {**which, "interactionId": "ch"},
        "changeTransactionState": {**which, "state": "Success"},
        "changeTransactionTimestamp": {**which, "timestamp": "2026-01-01T00:00:00.000Z"},
        "setAnonymousId": {"anonymousId": "a"},
        "setCustomField": {"name": "words", "value": "x"},
        "setCustomType": {},
        "setCustomer": {"customer": {"typeId": "customer", "id": "c"}},
        "setInterfaceId": {"interfaceId": "pi"},
        "setKey": {"key": "pay-2"},
        "setMethodInfo": {"method": "card", "custom": custom(kinds["payment-method-info"])},
        "setMethodInfoCustomField": {"name": "words", "value": "x"},
        "setMethodInfoCustomType": custom(kinds["payment-method-info"], words="x"),
        "setMethodInfoInterface": {"interface": "psp"},
        "setMethodInfoInterfaceAccount": {"interfaceAccount": "acc"},
        "setMethodInfoMethod": {"method": "card"},
        "setMethodInfoName": {"name": {"en": "Card"}},
        "setMethodInfoToken": {"token": {"value": "tok"}},
        "setStatusInterfaceCode": {"interfaceCode": "402"},
        "setStatusInterfaceText": {"interfaceText": "no"},
        "setTransactionCustomField": {**which, "name": "words", "value": "x"},
        "setTransactionCustomType": which,
        "setTransactionInterfaceId": {**which, "interfaceId": "own"},
        "transitionState": {"state": {"typeId": "state", "key": "paid"}},
    }[name]
    action = {"action": name, **told}
    openapi.validate("PaymentUpdate", {"version": 1, "actions": [action]})
    reply = project.update(made, action)
    assert reply.status == 200, reply.body
    openapi.validate("Payment", reply.body)
    assert types(reply) == ([TOLD[name]] if name in TOLD else [])
    for message in messages(reply):
        openapi.validate_message(message)
        assert message["resource"] == {"typeId": "payment", "id": made["id"]}
        assert message["resourceVersion"] == reply.body["version"]
        assert message["resourceUserProvidedIdentifiers"] == {"key": "pay-1"}


def test_a_new_payment_is_told_whole(project: Project):
    reply = project.call("POST", "/payments", payment_draft(key="pay-1", transactions=[transaction()]))
    (message,) = messages(reply)
    openapi.validate_message(message)
    assert message["payment"] == reply.body
    assert (message["sequenceNumber"], message["resourceVersion"]) == (1, 1)


def test_messages_of_one_update_are_numbered_and_speak_of_their_moment(project: Project):
    made = project.make("/payments", payment_draft())
    reply = project.update(
        made,
        {"action": "addTransaction", "transaction": transaction()},
        {"action": "setKey", "key": "silent"},
        {"action": "setStatusInterfaceCode", "interfaceCode": "ok"},
    )
    first, second = messages(reply)
    assert (first["sequenceNumber"], second["sequenceNumber"]) == (2, 3)
    assert (first["resourceVersion"], second["resourceVersion"]) == (2, 4)
    assert first["transaction"]["state"] == "Initial"
    assert len({first["id"], second["id"]}) == 2


def test_an_action_that_changes_nothing_says_nothing(project: Project):
    made = project.make("/payments", payment_draft(paymentStatus={"interfaceCode": "ok"}))
    reply = project.update(made, {"action": "setStatusInterfaceCode", "interfaceCode": "ok"})
    assert (reply.body["version"], reply.notices) == (1, ())


def test_a_refused_update_says_nothing(project: Project):
    made = project.make("/payments", payment_draft())
    reply = project.update(made, {"action": "addTransaction", "transaction": transaction()}, {"action": "bogus"})
    assert (reply.status, reply.notices) == (400, ())
    assert project.core.history(made["id"]) == [made]


def test_the_custom_type_of_method_info_is_told_when_it_goes_and_its_fields_when_they_change(project: Project):
    kind = project.make("/types", type_draft("payment-method-info", words="String"))
    made = project.make("/payments", payment_draft(paymentMethodInfo={"custom": custom(kind, words="x")}))
    setting = {"action": "setMethodInfoCustomField", "name": "words"}
    reply = project.update(made, {**setting, "value": "y"}, setting, {"action": "setMethodInfoCustomType"})
    assert types(reply) == [
        "PaymentMethodInfoCustomFieldChanged",
        "PaymentMethodInfoCustomFieldRemoved",
        "PaymentMethodInfoCustomTypeRemoved",
    ]
    for message in messages(reply):
        openapi.validate_message(message)


def test_an_order_tells_of_its_payments(project: Project):
    cart = project.make("/carts", cart_draft())
    order = project.make("/orders", {"cart": {"typeId": "cart", "id": cart["id"]}, "version": 1})
    payment = project.make("/payments", payment_draft())
    reference = {"typeId": "payment", "id": payment["id"]}
    added = project.update(order, {"action": "addPayment", "payment": reference}, path="/orders")
    removed = project.update(added.body, {"action": "removePayment", "payment": reference}, path="/orders")
    for reply in (added, removed):
        for message in messages(reply):
            openapi.validate_message(message)
    assert types(added) + types(removed) == ["OrderPaymentAdded", "OrderPaymentRemoved"]


# Deliveries


def test_a_subscription_hears_what_it_asked_for_and_nothing_else(project: Project):
    project.subscribe(messages=[{"resourceTypeId": "payment", "types": ["PaymentTransactionAdded"]}])
    project.subscribe(messages=[], changes=[{"resourceTypeId": "payment"}, {"resourceTypeId": "cart"}])
    made = project.call("POST", "/payments", payment_draft())
    assert [json.loads(each.data)["notificationType"] for each in made.deliveries] == ["ResourceCreated"]
    reply = project.update(made.body, {"action": "addTransaction", "transaction": transaction()})
    told = [json.loads(each.data) for each in reply.deliveries]
    assert [each["notificationType"] for each in told] == ["Message", "ResourceUpdated"]
    openapi.validate_message(told[0])
    openapi.validate("ResourceUpdatedDeliveryPayload", told[1])
    assert (told[1]["oldVersion"], told[1]["version"]) == (1, 2)
    gone = project.call("DELETE", f"/payments/{made.body['id']}", version="2")
    (deleted,) = [json.loads(each.data) for each in gone.deliveries]
    openapi.validate("ResourceDeletedDeliveryPayload", deleted)
    cart = project.call("POST", "/carts", cart_draft())
    (created,) = [json.loads(each.data) for each in cart.deliveries]
    openapi.validate("ResourceCreatedDeliveryPayload", created)
    assert {each.topic for each in cart.deliveries} == {"projects/local/topics/ct-events"}


def test_cloud_events_wrap_the_platform_form(project: Project):
    project.subscribe(
        format={"type": "CloudEvents", "cloudEventsVersion": "1.0"}, changes=[{"resourceTypeId": "payment"}]
    )
    reply = project.call("POST", "/payments", payment_draft())
    event, change = (json.loads(each.data) for each in reply.deliveries)
    payload = event["data"]
    openapi.validate_message(payload)
    assert {name: value for name, value in event.items() if name != "data"} == {
        "specversion": "1.0",
        "id": payload["id"],
        "type": "com.commercetools.payment.message.PaymentCreated",
        "source": "/demo/payments",
        "subject": reply.body["id"],
        "time": "2026-01-01T10:00:00.000Z",
        "sequence": "1",
        "sequencetype": "Integer",
        "dataref": f"/demo/messages/{payload['id']}",
    }
    assert change["type"] == "com.commercetools.payment.change.ResourceCreated"
    assert reply.deliveries[0].attributes == {"content-type": "application/cloudevents+json"}


@pytest.mark.parametrize(
    "form",
    [{"type": "Platform"}, {"type": "CloudEvents", "cloudEventsVersion": "1.0"}],
    ids=["platform", "cloud events"],
)
def test_a_message_that_is_too_large_comes_without_its_payload(form: dict):
    project = Project(payload_bytes_max=900)
    project.subscribe(format=form)
    made = project.make("/payments", payment_draft())
    reply = project.update(
        made,
        {"action": "addTransaction", "transaction": transaction(interactionId="x" * 1000)},
        {"action": "changeTransactionState", "transactionId": "unknown", "state": "Success"},
    )
    assert reply.status == 400
    reply = project.update(made, {"action": "addTransaction", "transaction": transaction(interactionId="x" * 1000)})
    told = json.loads(reply.deliveries[0].data)
    payload = told.get("data", told)
    openapi.validate("MessageDeliveryPayload", payload)
    assert payload["payloadNotIncluded"] == {"reason": "Payload too large.", "payloadType": "PaymentTransactionAdded"}
    assert "transaction" not in payload


def test_a_subscription_without_a_reachable_topic_is_not_made(project: Project):
    destination = {"type": "GoogleCloudPubSub", "projectId": "local", "topic": "ct-events"}
    draft = {"key": "sub-1", "destination": destination, "messages": [{"resourceTypeId": "payment"}]}
    probe = project.ask("POST", "/subscriptions", draft)
    assert isinstance(probe, Probe)
    told = json.loads(probe.delivery.data)
    # The official file knows the type id but has no reference of it.
    openapi.validate("ResourceCreatedDeliveryPayload", {**told, "resource": {"typeId": "payment", "id": "x"}})
    assert (told["notificationType"], told["resource"]["typeId"]) == ("ResourceCreated", "subscription")
    reply = probe.settle("no such topic")
    assert reply.status == 400
    assert "no such topic" in reply.body["message"]
    assert project.call("GET", "/subscriptions/key=sub-1").status == 404


def test_of_two_subscriptions_with_one_key_that_are_probed_at_once_one_is_made(project: Project):
    destination = {"type": "GoogleCloudPubSub", "projectId": "local", "topic": "ct-events"}
    draft = {"key": "sub-1", "destination": destination, "messages": [{"resourceTypeId": "payment"}]}
    probes = [project.ask("POST", "/subscriptions", draft) for _ in range(2)]
    assert [probe.settle(None).status for probe in probes if isinstance(probe, Probe)] == [201, 400]


def test_a_destination_that_cannot_be_reached_stays_as_it_was(project: Project):
    made = project.subscribe()
    move = {"action": "changeDestination", "destination": {**made["destination"], "topic": "elsewhere"}}
    path = f"/subscriptions/{made['id']}"
    probe = project.ask("POST", path, {"version": 1, "actions": [move]})
    assert isinstance(probe, Probe)
    assert probe.delivery.topic == "projects/local/topics/elsewhere"
    assert probe.settle("no").status == 400
    assert project.call("GET", path).body == made
    probe = project.ask("POST", path, {"version": 1, "actions": [move]})
    assert isinstance(probe, Probe)
    assert probe.settle(None).body["destination"]["topic"] == "elsewhere"


def test_the_health_of_a_subscription_is_told_to_anybody(project: Project):
    made = project.subscribe()
    path = f"/subscriptions/{made['id']}/health"
    found = []
    for status in ("Healthy", "ConfigurationError", "TemporaryError"):
        project.core.set_status(made["id"], status)
        found.append(project.call("GET", path).status)
        assert project.call("GET", f"/subscriptions/{made['id']}").body["status"] == status
    assert found == [200, 400, 503]


def test_there_are_not_more_than_fifty_subscriptions(project: Project):
    for _ in range(50):
        project.subscribe()
    destination = {"type": "GoogleCloudPubSub", "projectId": "local", "topic": "ct-events"}
    reply = project.call(
        "POST", "/subscriptions", {"destination": destination, "messages": [{"resourceTypeId": "payment"}]}
    )
    assert reply.status == 400


# Memory


def test_every_version_of_a_payment_is_remembered_even_when_it_is_gone(project: Project):
    made = project.make("/payments", payment_draft())
    later = project.update(made, {"action": "setKey", "key": "one"}).body
    project.call("DELETE", f"/payments/{made['id']}", version="2")
    assert project.core.history(made["id"]) == [made, later]
    assert project.core.history("unknown") == []


def test_nobody_can_reach_into_the_state_through_what_they_got(project: Project):
    made = project.make("/payments", payment_draft(transactions=[transaction()]))
    for document in (
        project.call("GET", f"/payments/{made['id']}").body,
        project.call("GET", "/payments").body["results"][0],
        project.core.history(made["id"])[0],
        project.core.documents("payment")[0],
        messages(project.update(made, {"action": "addTransaction", "transaction": transaction("Charge")}))[0],
    ):
        for transactions in (document.get("transactions", []), [document.get("transaction", {})]):
            for each in transactions:
                each["state"] = "Success"
    states = [each["state"] for each in project.call("GET", f"/payments/{made['id']}").body["transactions"]]
    assert states == ["Initial", "Initial"]
    assert project.core.history(made["id"])[0] == made


def test_expanded_payments_are_copies(project: Project):
    cart = project.make("/carts", cart_draft())
    payment = project.make("/payments", payment_draft())
    told = {"action": "addPayment", "payment": {"typeId": "payment", "id": payment["id"]}}
    project.update(cart, told, path="/carts")
    path = f"/carts/{cart['id']}"
    expanded = project.call("GET", path, expand="paymentInfo.payments[*]").body
    expanded["paymentInfo"]["payments"][0]["obj"]["key"] = "changed"
    assert "key" not in project.call("GET", f"/payments/{payment['id']}").body
    assert "obj" not in project.call("GET", path).body["paymentInfo"]["payments"][0]


def test_times_are_the_callers(project: Project):
    made = project.make("/payments", payment_draft())
    project.now += timedelta(seconds=1.5)
    later = project.update(made, {"action": "setKey", "key": "one"}).body
    assert (later["createdAt"], later["lastModifiedAt"]) == ("2026-01-01T10:00:00.000Z", "2026-01-01T10:00:01.500Z")


def test_the_same_calls_give_the_same_project():
    def play() -> list[dict]:
        project = Project()
        made = project.make("/payments", payment_draft(transactions=[transaction()]))
        project.update(made, {"action": "addTransaction", "transaction": transaction("Charge")})
        return project.core.documents("payment")

    assert play() == play()


# Speed


def test_payments_are_found_fast_among_very_many():
    """By a factor, not by a clock: a scan of 20,000 takes hundreds of times as long as a look into an index."""
    project = Project()
    shelf = project.core.state.shelves["payment"]
    for number in range(20_000):
        shelf.put(
            {
                "id": f"p-{number}",
                "version": 1,
                "key": f"key-{number}",
                "interfaceId": f"pi-{number}",
                "createdAt": "2026-01-01T00:00:00.000Z",
                "paymentMethodInfo": {"paymentInterface": "psp"},
                "transactions": [{"id": f"t-{number}", "interactionId": f"ch-{number}", "state": "Success"}],
            }
        )

    def seconds(where: str) -> float:
        started = time.perf_counter()
        reply = project.call("GET", "/payments", where=where)
        assert [each["id"] for each in reply.body["results"]] == ["p-19999"], reply.body
        return time.perf_counter() - started

    # `contains any` is not answered from an index.
    scan = seconds('interfaceId contains any ("pi-19999")')
    for where in (
        'key = "key-19999"',
        'interfaceId = "pi-19999" and paymentMethodInfo(paymentInterface = "psp")',
        'transactions(interactionId = "ch-19999" and state = "Success")',
        'id in ("p-19999", "nobody")',
        'key = "key-19999" or interfaceId = "pi-19999"',
    ):
        assert min(seconds(where) for _ in range(3)) < scan / 10, where


def test_the_core_knows_no_sockets_no_clock_and_no_chance():
    """In a fresh interpreter: what the core and its front door import, all the way down."""
    forbidden = ["aiohttp", "asyncio", "grpc", "random", "secrets", "socket", "threading", "time", "uuid"]
    ours = subprocess.run(
        [sys.executable, "-c", "import sandbox.commercetools.front, sys; print(*sys.modules)"],
        cwd=Path(__file__).parents[3],
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert not {"aiohttp", "asyncio", "grpc"} & set(ours)
    for module in (name for name in ours if name.startswith("sandbox.commercetools.")):
        source = (Path(__file__).parents[3] / (module.replace(".", "/") + ".py")).read_text()
        assert not [name for name in forbidden if f"\nimport {name}" in source or f"\nfrom {name} " in source], module
        assert ".now(" not in source, module
