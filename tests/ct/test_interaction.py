"""Which transaction a reservation in the log is about, where other software has replaced our fields."""

from __future__ import annotations

from support.ct_documents import transaction

from ct.fields import InteractionField, InteractionKind
from ct.interaction import parse_interaction, reservations

NOON, LATER = "2026-03-01T12:00:00.000Z", "2026-03-01T12:05:00.000Z"


def entry(kind=InteractionKind.RESERVED, *, command="c-1", code="Charge", at=LATER, about=None):
    fields = {
        InteractionField.KIND: kind.value,
        InteractionField.CAUSE: command,
        InteractionField.AT: at,
        InteractionField.CODE: code,
        InteractionField.MESSAGE: command,
    }
    return fields | ({InteractionField.TRANSACTION_ID: about} if about else {})


def found(transactions, *entries):
    """Transaction id -> command id of the reservation that is about it."""
    log = tuple(one for fields in entries if (one := parse_interaction(fields)) is not None)
    return {name: one.message for name, one in reservations(transactions, log).items()}


def charge(name, **more):
    return transaction(name, "Charge", at=NOON, **more)


def test_a_transaction_that_bears_the_command_is_the_one_whatever_else_is_there():
    assert found([charge("a"), charge("b", command="c-1")], entry()) == {"b": "c-1"}


def test_the_only_nameless_one_of_its_kind_is_the_one():
    assert found([transaction("auth"), charge("a")], entry()) == {"a": "c-1"}


def test_of_two_nameless_charges_none_is_guessed():
    assert found([charge("a"), charge("b")], entry()) == {}


def test_of_two_nameless_authorizations_the_first_is_the_one_the_payment_was_made_with():
    assert found([transaction("a", at=NOON), transaction("b", at=NOON)], entry(code="Authorization")) == {"a": "c-1"}


def test_an_authorization_that_is_not_there_is_not_made_up():
    assert found([charge("a"), charge("b")], entry(code="Authorization")) == {}


def test_the_moment_of_the_reservation_tells_equal_charges_apart():
    first = charge("a") | {"timestamp": LATER}
    assert found([first, charge("b")], entry()) == {"a": "c-1"}
    assert found([charge("a"), charge("b") | {"timestamp": LATER}], entry()) == {"b": "c-1"}


def test_what_the_command_was_told_of_a_transaction_tells_equal_charges_apart():
    told = entry(InteractionKind.FACT, at=NOON, about="b")
    assert found([charge("a"), charge("b")], entry(), told) == {"b": "c-1"}


def test_what_another_command_was_told_of_a_transaction_proves_nothing():
    told = entry(InteractionKind.FACT, command="c-2", at=NOON, about="b")
    assert found([charge("a"), charge("b")], entry(), told) == {}


def test_a_charge_without_a_time_is_told_apart_by_what_was_told():
    bare = [{name: value for name, value in charge(one).items() if name != "timestamp"} for one in ("a", "b")]
    assert found(bare, entry()) == {}
    assert found(bare, entry(), entry(InteractionKind.FACT, at=NOON, about="b")) == {"b": "c-1"}


def test_two_reservations_are_about_two_transactions():
    second = charge("b") | {"timestamp": LATER}
    assert found([charge("a"), second], entry(), entry(command="c-2", at=NOON)) == {"b": "c-1", "a": "c-2"}


def test_what_a_merchant_put_there_and_we_took_on_was_reserved_by_nobody():
    claim = entry(InteractionKind.CLAIM, command="c-2", about="a")
    assert found([charge("a")], claim, entry()) == {}


def test_what_stands_in_the_place_of_a_commands_id_and_is_no_text_names_no_command():
    assert found([charge("a", fields={"ctpayCommandId": 7})], entry()) == {"a": "c-1"}
