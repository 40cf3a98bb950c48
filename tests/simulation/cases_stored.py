"""Histories that keep, and histories that break, the invariants about what is kept for customers, and about letters."""

from __future__ import annotations

import json

from simulation.book import Book, authorize_call, authorized, names, payment_json, row, settle
from simulation.cases_messages import letter
from simulation.logs import BusEntry, Happening

PAID = b'{"paymentMethod": {"type": "card", "token": "tok", "storePaymentMethod": true}}'
UNTICKED = b'{"paymentMethod": {"type": "card", "token": "tok", "storePaymentMethod": false}}'


def asked(body=PAID, customer="c-1", **more):
    """A customer has paid, and the PSP keeps the card."""
    command = {"type": "AuthorizePayment", "command_id": "pay-1", "cart_id": "cart", "token": "tok"}
    book = Book().cart(customer=customer)
    book.ask(
        "POST",
        "/payments",
        lambda one: one.publish("m1", "authorize", command),
        **({"body": body, "status": 202, "answer": {"operation": "pay-1"}} | more),
    )
    book.deliver("m1").put("P", row("A", "Authorization", command="pay-1")).cart("P", author="w", customer=customer)
    authorize_call(book).keep()
    return settle(book).ack("m1")


def on_the_list(**more):
    return asked(**more).method()


def paid_again(*, customer="c-1", initiator=None, path="/payments", began_late=False, deleted_meanwhile=False):
    """... who pays another cart with it."""
    book = on_the_list().cart(name="cart2", customer=customer)
    command = {"type": "AuthorizePayment", "command_id": "pay-2", "cart_id": "cart2"}
    inside = {"answer": {"operation": "pay-2"}, "body": json.dumps({"cartId": "cart2"}).encode()}
    book.ask("POST", path, lambda one: one.publish("m2", "authorize", command), **inside)
    if began_late:
        book.method(status="Inactive")
    book.deliver("m2").put("P2", row("A2", "Authorization", command="pay-2")).cart(
        "P2", name="cart2", customer=customer
    )
    if deleted_meanwhile:
        deletion(book, 202).method(status="Inactive").forget().method(token="")
    given = {} if initiator is None else {"initiator": initiator}
    body = {"amount": 4200, "currency": "EUR", "token": "pm_1", "metadata": names("A2", "P2"), **given}
    reference = {"project_key": "demo", "payment_id": "P2", "transaction_id": "A2"}
    done = payment_json(name="pay2", metadata=reference)
    book.psp["pay2"] = done
    effect = {"kind": "authorization", "id": "pay2", "payment": "pay2", "amount": 4200}
    book.call("/v1/payments", body, key="A2", effect=effect, reply=done)
    book.put("P2", {"id": "A2", "state": "Success", "interactionId": "pay2"}, note="fact pay-2 A2", interfaceId="pay2")
    return book.ack("m2")


def renewed():
    return paid_again(initiator="merchant", path="/operations/transactions")


def renewed_as_if_the_shopper_was_there():
    return paid_again(path="/operations/transactions")


def paid_as_if_nobody_was_there():
    return paid_again(initiator="merchant")


def paid_for_another():
    return paid_again(customer="c-2")


def paid_after_it_was_deleted():
    return paid_again(began_late=True)


def paid_while_it_was_deleted():
    return paid_again(deleted_meanwhile=True)


def kept_for_one_who_was_never_answered(**more):
    """The ingress died, and the customer went away."""
    return on_the_list(status=None, answer=None, done_n=None, done_at=None, **more)


def kept_unwished_for_one_who_was_never_answered():
    return kept_for_one_who_was_never_answered(body=UNTICKED)


def kept_while_another_was_never_answered():
    """Another card is what was to be kept."""
    return kept_for_one_who_was_never_answered(body=PAID.replace(b'"tok"', b'"kot"'))


def kept_without_a_wish():
    return on_the_list(body=UNTICKED)


def kept_for_another():
    return on_the_list(customer="c-2")


def listed_twice():
    return on_the_list().method("M2")


def listed_for_another():
    return asked().method(customer="c-2")


def listed_by_nobody():
    return asked()


def deletion(book, status=200, inside=None):
    return book.ask("DELETE", "/stored-payment-methods/M", inside, status=status, answer=None)


def deleted():
    def work(book):
        book.method(status="Inactive").forget().method(token="")

    return deletion(on_the_list(), inside=work)


def deleted_later():
    return deletion(on_the_list(), 202).method(status="Inactive").forget().method(token="")


def deletion_refused():
    return deletion(on_the_list(), 404)


def brought_back():
    return deleted().method("M2")


def told_before_it_was_off_the_list():
    return deletion(on_the_list()).method(status="Inactive").forget().method(token="")


def deleted_and_never_done():
    return deletion(on_the_list(), 202).method(status="Inactive")


def deletion_with_a_person():
    """The PSP refuses to forget it, and a person has to see that."""
    command = {"type": "DeletePaymentMethod", "command_id": "del-1", "method_id": "M"}
    book = deletion(on_the_list(), 202, lambda one: one.publish("m3", "methods", command))
    book.deliver("m3").method(status="Inactive")
    letter(book, "d3", "m3", "refused", worker="methods", person=True).ack("m3", "message.dead")
    book.deliver("d3", "d").ack("d3", "message.ignored", process="d", reason="for a person")
    book.more["with_people"] = frozenset({"d3"})
    return book


def deletion_with_nobody():
    book = deletion_with_a_person()
    book.more["with_people"] = frozenset()
    return book


def gone_and_not_forgotten():
    return deletion(on_the_list(), 202).method(status="Inactive").method(token="")


def forgotten_too_late():
    return gone_and_not_forgotten().forget()


def deleted_by_nobody():
    return on_the_list().method(status="Inactive").forget().method(token="")


def forgotten_and_still_listed():
    return on_the_list().forget()


def with_a_person():
    """Nobody can read a message, and a person has its letter."""
    book = authorized(Book()).webhook("w1", {"id": "evt", "type": "payment.exploded", "data": {}}).deliver("w1")
    letter(book, "d1", "w1", "poison", person=True).ack("w1", "message.dead")
    book.deliver("d1", "d").ack("d1", "message.ignored", process="d", reason="for a person")
    book.more["with_people"] = frozenset({"d1"})
    return book


def taken(book):
    first = next(one for one in book.logs["bus"] if one.message_id == "d1")
    book.logs["bus"].append(
        BusEntry(
            **book._line(),
            happening=Happening.ACKED,
            message_id="d1",
            topic="dead-letters",
            data=first.data,
            attributes=first.attributes,
            attempt=0,
            process="desk",
            subscription="for-people",
        )
    )
    book.more["with_people"] = frozenset()
    return book


def again(book, *, confirmed=True):
    data = next(one for one in book.logs["bus"] if one.message_id == "d1").data
    book.publish("w2", "webhook", {}, process="desk", data=data, confirmed=confirmed).deliver("w2")
    letter(book, "d2", "w1", "poison", person=True).ack("w2", "message.dead")
    return book.deliver("d2", "d").ack("d2", "message.ignored", process="d", reason="for a person")


def replayed_by_a_person():
    """It is sent once more, and dies once more."""
    book = taken(again(with_a_person()))
    book.more["with_people"] = frozenset({"d2"})
    return book


def taken_and_not_replayed():
    return taken(with_a_person())


def taken_before_it_was_replayed():
    return again(taken(with_a_person()))


def taken_without_a_confirmation():
    return taken(again(with_a_person(), confirmed=False))


def gone_from_the_shelf():
    book = with_a_person()
    book.more["with_people"] = frozenset()
    return book


CASES = {
    "L6": (
        (with_a_person, replayed_by_a_person),
        (taken_and_not_replayed, taken_before_it_was_replayed, taken_without_a_confirmation, gone_from_the_shelf),
    ),
    "P1": (
        (on_the_list, deleted, kept_for_one_who_was_never_answered),
        (
            kept_without_a_wish,
            kept_unwished_for_one_who_was_never_answered,
            kept_while_another_was_never_answered,
            kept_for_another,
            listed_twice,
            listed_for_another,
            brought_back,
        ),
    ),
    "P2": (
        (on_the_list, deleted_later, deletion_with_a_person),
        (
            listed_by_nobody,
            deletion_with_nobody,
            deleted_and_never_done,
            gone_and_not_forgotten,
            forgotten_and_still_listed,
        ),
    ),
    "P3": (
        (deleted, deleted_later, deletion_refused, deletion_with_a_person),
        (
            deletion_with_nobody,
            told_before_it_was_off_the_list,
            deleted_and_never_done,
            gone_and_not_forgotten,
            forgotten_too_late,
            deleted_by_nobody,
        ),
    ),
    "P4": (
        (paid_again, renewed, paid_while_it_was_deleted),
        (
            paid_for_another,
            paid_after_it_was_deleted,
            renewed_as_if_the_shopper_was_there,
            paid_as_if_nobody_was_there,
        ),
    ),
}
