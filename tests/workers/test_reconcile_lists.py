"""The PSP's list against commercetools, both ways: what was planted is told, all of it and nothing else."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from datetime import timedelta

import pytest
from support.house import with_psp
from support.psp_servers import SECRET_KEY

from bus.messages import CapturePayment, RefundPayment, ReversePayment
from ct.actions import add_transaction, change_transaction_state, transaction_draft
from ct.compare import Difference
from ct.fields import InteractionKind
from psp.capabilities import Capabilities, Listing
from psp.errors import OutcomeUnknownError, RefusedError, RetryableError
from psp.facts import Kind, State
from psp.money import Money
from psp.port import ListRequest, Page
from sandbox.commercetools.core import Call
from workers.reconcile import AwayError
from workers.reconcile_lists import Job, Leaf, Phase, Place, Repair, compare, is_comparable

RESTED = timedelta(minutes=5)


def eur(amount):
    return Money(amount=amount, currency="EUR")


@pytest.fixture
def begun(house):
    return house.clock()


def job(house, begun, *, repair=Repair.NOTHING, **more):
    values = {"cause": "reconcile-1", "since": begun, "until": house.clock() + timedelta(seconds=1), "rested": RESTED}
    return Job(**(values | {"repair": repair} | more))


async def leaves(house, begun, *, work=None, place=None, **more):
    return [leaf async for leaf in compare(work or house.work, job(house, begun, **more), place or Place())]


async def rows(house, begun, **more):
    """What is told: difference, Payment, kind, and whether it is mended."""
    found = await leaves(house, begun, **more)
    assert [failure for leaf in found for failure in leaf.failures] == []
    return sorted(
        (str(one.disagreement.difference), one.disagreement.payment_id, str(one.disagreement.kind), one.repaired)
        for leaf in found
        for one in leaf.rows
    )


async def write(house, payment_id, *actions):
    """By hand in commercetools, past all laws."""
    payment = await house.client.get(f"/payments/{payment_id}")
    await house.client.post(f"/payments/{payment_id}", {"version": payment["version"], "actions": list(actions)})
    return await house.payment(payment_id)


async def captured(house, amount=1000):
    payment = await house.authorized()
    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(amount)))
    return await house.payment(payment.id)


def psp_operation(house, payment, path, **body):
    """Something done at the PSP's dashboard, whose webhook never comes."""
    return house.control(f"/payments/{payment.interface_id}/{path}", **body)


async def healthy(house):
    """Payments of every kind that agree, made by the workers and heard of by webhook."""
    whole = await captured(house, 4200)
    await house.deliver(house.ask(RefundPayment, whole.id, amount=eur(200)))
    for outcome in ("win", "lose"):
        disputed = await captured(house)
        dispute = await psp_operation(house, disputed, "disputes")
        await house.control(f"/disputes/{dispute['id']}/close", outcome=outcome)
    late = await captured(house)
    (charge,) = late.of_kind(Kind.CHARGE)
    await house.control(f"/captures/{charge.interaction_id}/fail", after_days=0)
    failed = await captured(house)
    await house.deliver(house.ask(RefundPayment, failed.id, amount=eur(300)))
    (refund,) = (await house.payment(failed.id)).of_kind(Kind.REFUND)
    await house.control(f"/refunds/{refund.interaction_id}/fail", after_days=0)
    await house.deliver(house.pay(await house.cart(), "tok_insufficient_funds"))
    await house.deliver(house.pay(await house.cart(), "tok_pending"))
    expired = await house.authorized()
    await psp_operation(house, expired, "expire")
    reversed_ = await captured(house)
    await house.deliver(house.ask(ReversePayment, reversed_.id))
    await superseded(house)
    refused = await house.authorized()
    await house.put(refused.id, "Charge", 9900)
    await house.deliver(house.ask(CapturePayment, refused.id, amount=eur(9900)))
    for event in house.events():
        await house.deliver(event)
    notices = [json.dumps(one).encode() for one in house.client.shared["notices"]]
    for notice in notices:
        await house.deliver(notice, "commercetools")
    await house.pump()


async def superseded(house):
    """A challenge left open, and another card taken; the first is cancelled."""
    cart = await house.cart()
    await house.deliver(house.pay(cart, "tok_3ds"))
    house.clock.pass_(minutes=2)
    await house.deliver(house.pay(cart))
    await house.pump()


# Every planted difference and nothing else.


async def lose_a_capture(house):
    """The PSP has a capture that commercetools does not."""
    payment = await house.authorized()
    found = house.psp.house.books.find(payment.interface_id)
    await _capture_at_the_psp(house, found, 700)
    return Difference.MISSING, payment.id, Kind.CHARGE, True


async def _capture_at_the_psp(house, found, amount):
    url = f"{house.psp.url}/v1/payments/{found.id}/captures"
    body = {"amount": amount, "merchant_reference": "by hand"}
    async with house.http.post(url, json=body, headers={"Authorization": f"Bearer {SECRET_KEY}"}) as reply:
        assert reply.status == 201


async def lose_a_payment(house):
    """The PSP has a payment of ours whose Payment is gone."""
    payment = await house.authorized()
    query = {"version": [str(payment.version)]}
    call = Call(method="DELETE", path=f"/demo/payments/{payment.id}", query=query, body=b"")
    assert house.core.handle(call, house.clock()).status == 200
    return Difference.MISSING, payment.id, Kind.AUTHORIZATION, False


async def lose_a_dispute(house):
    payment = await captured(house)
    await psp_operation(house, payment, "disputes")
    return Difference.MISSING, payment.id, Kind.CHARGEBACK, True


async def invent_a_capture(house):
    """commercetools has a capture that the PSP does not."""
    payment = await house.authorized()
    draft = transaction_draft(kind=Kind.CHARGE, amount=eur(800), state=State.SUCCESS, at=house.clock())
    await write(house, payment.id, add_transaction(draft))
    return Difference.EXTRA, payment.id, Kind.CHARGE, False


async def invent_a_refund_without_a_time(house):
    payment = await captured(house)
    draft = transaction_draft(kind=Kind.REFUND, amount=eur(100), state=State.SUCCESS)
    await write(house, payment.id, add_transaction(draft))
    return Difference.EXTRA, payment.id, Kind.REFUND, False


async def capture_another_amount(house):
    """The PSP captured something else than was asked for."""
    payment = await house.authorized()

    async def other_amount(request):
        await house.work.psp.capture(replace(request, amount=eur(request.amount.amount - 1)))
        raise OutcomeUnknownError("the reply is lost")

    async def lost(_request):
        raise OutcomeUnknownError("no reply")

    work = with_psp(house, capture=other_amount, lookup=lost)
    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(1000)), work=work)
    return Difference.AMOUNT, payment.id, Kind.CHARGE, False


async def miss_a_decision(house):
    """The PSP has decided what is still Pending here."""
    command = house.pay(await house.cart(), "tok_pending")
    await house.deliver(command)
    payment = await house.payment(house.standing(command).payment_reference)
    await psp_operation(house, payment, "settle", decision="approve")
    return Difference.STATE, payment.id, Kind.AUTHORIZATION, True


async def miss_a_late_failure(house):
    payment = await captured(house)
    (charge,) = [one for one in payment.transactions if one.kind is Kind.CHARGE]
    await house.control(f"/captures/{charge.interaction_id}/fail", after_days=0)
    return Difference.STATE, payment.id, Kind.CHARGE, True


async def claim_too_much(house):
    """A merchant has set to Success what the PSP declined: nothing that the PSP says can lower it."""
    command = house.pay(await house.cart(), "tok_insufficient_funds")
    await house.deliver(command)
    payment = await house.payment(house.standing(command).payment_reference)
    await write(house, payment.id, change_transaction_state(payment.authorization.id, State.SUCCESS))
    return Difference.STATE, payment.id, Kind.AUTHORIZATION, False


async def lose_a_message(house):
    payment = await house.authorized()

    async def away(_request):
        raise RetryableError("not there")

    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(900)), work=with_psp(house, capture=away))
    return Difference.STUCK, payment.id, Kind.CHARGE, False


async def lose_a_merchants_message(house):
    payment = await house.authorized()
    await house.put(payment.id, "Charge", 500)
    house.client.shared["notices"].clear()
    return Difference.STUCK, payment.id, Kind.CHARGE, False


async def charge_twice(house):
    """Two payments at the PSP bear the name of one Authorization."""
    payment = await house.authorized()
    books = house.psp.house.books
    first = books.find(payment.interface_id)
    twin = replace(first, id="pay_twin", operations=())
    books.open(twin, house.clock())
    return Difference.MISSING, payment.id, Kind.AUTHORIZATION, False


PLANTED = [
    lose_a_capture,
    lose_a_payment,
    lose_a_dispute,
    invent_a_capture,
    invent_a_refund_without_a_time,
    capture_another_amount,
    miss_a_decision,
    miss_a_late_failure,
    claim_too_much,
    lose_a_message,
    lose_a_merchants_message,
    charge_twice,
]


async def plant(house, *plants):
    await healthy(house)
    return sorted([tuple(map(str, found[:3])) for found in [await one(house) for one in plants]])


def told(found):
    return [row[:3] for row in found]


async def test_where_all_agree_nothing_is_told_and_nobody_is_asked_by_name(house, begun):
    await healthy(house)
    house.clock.pass_(minutes=6)
    asked = len(house.psp.house.requests)
    assert await rows(house, begun) == []
    paths = [one["path"].split("?")[0] for one in list(house.psp.house.requests)[asked:]]
    assert set(paths) == {"/v1/ledger"}


@pytest.mark.parametrize("one", PLANTED, ids=lambda one: one.__name__)
async def test_one_planted_difference_is_told_alone(house, begun, one):
    expected = await plant(house, one)
    house.clock.pass_(minutes=6)
    assert told(await rows(house, begun)) == expected


async def test_all_of_them_together_are_told_each_once(house, begun):
    expected = await plant(house, *PLANTED, *PLANTED[:3])
    house.clock.pass_(minutes=6)
    assert told(await rows(house, begun)) == expected
    assert told(await rows(house, begun)) == expected


async def test_telling_writes_nothing_and_asks_nothing_but_questions(house, begun):
    await plant(house, *PLANTED)
    house.clock.pass_(minutes=6)
    before = (house.payments(), house.effects(), len(house.queue.waiting))
    asked = len(house.psp.house.requests)
    async with house.counting() as calls:
        await rows(house, begun)
    assert {call.split()[0] for call in calls} == {"GET"}
    assert {one["method"] for one in list(house.psp.house.requests)[asked:]} == {"GET"}
    assert (house.payments(), house.effects(), len(house.queue.waiting)) == before


@pytest.mark.parametrize("one", PLANTED, ids=lambda one: one.__name__)
async def test_what_has_evidence_is_repaired_and_the_rest_is_left(house, begun, one):
    await healthy(house)
    difference, payment_id, kind, is_evident = await one(house)
    house.clock.pass_(minutes=6)
    effects = house.effects()
    assert await rows(house, begun, repair=Repair.EVIDENT) == [(str(difference), payment_id, str(kind), is_evident)]
    assert house.effects() == effects
    again = await rows(house, begun)
    assert again == ([] if is_evident else [(str(difference), payment_id, str(kind), False)])


async def test_repairing_twice_changes_nothing_more(house, begun):
    await plant(house, *PLANTED)
    house.clock.pass_(minutes=6)
    await rows(house, begun, repair=Repair.EVIDENT)
    before = house.payments()
    house.queue.waiting.clear()
    await rows(house, begun, repair=Repair.EVIDENT)
    assert house.payments() == before


async def test_an_amount_that_differs_is_flagged_once_and_told_until_a_person_has_ended_it(house, begun):
    await healthy(house)
    _, payment_id, *_ = await capture_another_amount(house)
    house.clock.pass_(minutes=6)
    for _ in range(2):
        assert len(await rows(house, begun, repair=Repair.EVIDENT)) == 1
    payment = await house.payment(payment_id)
    assert [one.kind for one in payment.interactions].count(InteractionKind.MISMATCH) == 1
    (asked,) = [one for one in payment.transactions if one.kind is Kind.CHARGE and one.amount == eur(1000)]
    await write(house, payment_id, change_transaction_state(asked.id, State.FAILURE))
    assert await rows(house, begun) == []


async def test_what_is_stuck_is_resumed_by_its_own_worker(house, begun):
    await healthy(house)
    await lose_a_message(house)
    house.clock.pass_(minutes=6)
    await rows(house, begun, repair=Repair.EVIDENT)
    await house.pump()
    assert [one["amount"] for one in house.effects("capture")].count(900) == 1
    assert await rows(house, begun) == []


# What is not a difference.


@pytest.mark.parametrize(
    "one", [lose_a_capture, lose_a_dispute, miss_a_decision, miss_a_late_failure, invent_a_capture, lose_a_message]
)
async def test_what_happened_a_moment_ago_may_still_be_on_its_way(house, begun, one):
    await healthy(house)
    house.clock.pass_(minutes=6)
    await one(house)
    house.clock.pass_(minutes=4)
    assert await rows(house, begun) == []


async def test_what_the_psp_made_before_the_span_is_asked_about_and_not_told(house, begun):
    payment = await captured(house)
    house.clock.pass_(hours=1)
    since = house.clock()
    (charge,) = [one for one in payment.transactions if one.kind is Kind.CHARGE]
    late = {
        "action": "changeTransactionTimestamp",
        "transactionId": charge.id,
        "timestamp": (since + timedelta(seconds=1)).isoformat(),
    }
    await write(house, payment.id, late)
    house.clock.pass_(minutes=6)
    found = await leaves(house, since)
    assert [leaf.asked for leaf in found] == [(), (payment.id,)]
    assert [leaf.rows for leaf in found] == [(), ()]


async def test_what_was_made_days_before_and_failed_yesterday_is_found_by_a_window_that_begins_before_it(house, begun):
    """Its webhook is lost. A list is by the time at which things were made: yesterday's does not show it."""
    payment = await captured(house)
    house.clock.pass_(days=5)
    (charge,) = payment.of_kind(Kind.CHARGE)
    await house.control(f"/captures/{charge.interaction_id}/fail", after_days=0)
    house.clock.pass_(minutes=6)
    yesterday = house.clock() - timedelta(days=1)
    assert await rows(house, yesterday, repair=Repair.EVIDENT) == []
    assert ("Charge", "Success", 1000) in house.rows(await house.payment(payment.id))
    assert await rows(house, begun, repair=Repair.EVIDENT) == [("other-state", payment.id, "Charge", True)]
    assert ("Charge", "Reversed", 1000) in house.rows(await house.payment(payment.id))


async def test_what_was_left_for_the_next_run_is_found_by_it(house, begun):
    """It happened minutes before the first run: that leaves it alone, so the next one's window has to hold it too."""
    payment = await house.authorized()
    await _capture_at_the_psp(house, house.psp.house.books.find(payment.interface_id), 700)
    house.clock.pass_(minutes=4)
    first_ends = house.clock()
    assert await rows(house, begun, until=first_ends) == []
    house.clock.pass_(days=1)
    assert await rows(house, first_ends) == []
    assert await rows(house, begun) == [("missing", payment.id, "Charge", False)]


async def test_other_projects_and_other_interfaces_are_not_compared(house, begun):
    payment = await house.authorized()
    books = house.psp.house.books
    found = books.find(payment.interface_id)
    foreign = replace(found, id="pay_foreign", metadata={**found.metadata, "project_key": "other"})
    stranger = replace(found, id="pay_stranger", metadata={}, merchant_reference="somebody's")
    for one in (foreign, stranger):
        books.open(one, house.clock())
    theirs = await house.client.post(
        "/payments",
        {
            "amountPlanned": {"centAmount": 4200, "currencyCode": "EUR"},
            "paymentMethodInfo": {"paymentInterface": "other"},
            "transactions": [
                {"type": "Charge", "amount": {"centAmount": 1, "currencyCode": "EUR"}, "state": "Success"}
            ],
        },
    )
    named = replace(found, id="pay_named", metadata={**found.metadata, "payment_id": theirs["id"]})
    books.open(named, house.clock())
    house.clock.pass_(minutes=6)
    assert await rows(house, begun) == []


async def test_a_payment_without_our_reference_is_found_by_the_psps_name(house, begun):
    payment = await captured(house)
    books = house.psp.house.books
    found = books.find(payment.interface_id)
    books.payments[found.id] = replace(found, metadata={})
    house.clock.pass_(minutes=6)
    assert await rows(house, begun) == []


# Pages, and taking up where it ended.


def small_pages(house, size):
    """The same PSP, whose list has pages of this size."""
    numbers = itertools.count()

    async def page(request):
        facts = []
        cursor = None
        while True:
            found = await house.work.psp.page(replace(request, cursor=cursor))
            facts += found.facts
            cursor = found.cursor
            if cursor is None:
                break
        start = int(request.cursor or 0)
        next(numbers)
        more = start + size < len(facts)
        return Page(facts=tuple(facts[start : start + size]), cursor=str(start + size) if more else None)

    return with_psp(house, page=page)


@pytest.mark.parametrize("stop_after", range(1, 8))
async def test_it_goes_on_where_it_ended_and_tells_each_difference_once(house, begun, stop_after):
    expected = await plant(house, *PLANTED)
    house.clock.pass_(minutes=6)
    work = small_pages(house, 7)
    first: list[Leaf] = []
    async for leaf in compare(work, job(house, begun), Place()):
        first.append(leaf)
        if len(first) == stop_after:
            break
    place = Place()
    for leaf in first:
        place.turn(leaf)
    rest = [leaf async for leaf in compare(work, job(house, begun), place)]
    found = [row.disagreement for leaf in (*first, *rest) for row in leaf.rows]
    assert sorted((str(one.difference), one.payment_id, str(one.kind)) for one in found) == expected
    assert place.is_over
    assert {leaf.phase for leaf in (*first, *rest)} == set(Phase)


async def test_a_payment_whose_name_does_not_tell_is_a_failure_and_no_difference(house, begun):
    await healthy(house)
    await invent_a_capture(house)
    house.clock.pass_(minutes=6)

    async def refuses(_request):
        raise RefusedError(code="no", message="We do not tell.")

    found = await leaves(house, begun, work=with_psp(house, lookup=refuses))
    assert [row for leaf in found for row in leaf.rows] == []
    assert "We do not tell" in "".join(failure for leaf in found for failure in leaf.failures)


async def test_it_ends_when_everything_fails(house, begun):
    for _ in range(6):
        await invent_a_capture(house)
    house.clock.pass_(minutes=6)

    async def away(_request):
        raise RetryableError("not there")

    pages = iter([await house.work.psp.page(ListRequest(since=begun, until=house.clock()))])

    async def then_away(_request):
        for found in pages:
            return found
        raise RetryableError("not there")

    with pytest.raises(AwayError, match="5 in a row"):
        await leaves(house, begun, work=with_psp(house, lookup=away, page=then_away))


async def test_a_page_is_turned_when_only_its_own_entries_cannot_be_asked_about(house, begun):
    """The PSP still lists: then it is not away, and to come back to the same page would never end."""
    barred = {await invent_a_capture(house) for _ in range(6)}
    house.clock.pass_(minutes=6)

    async def lookup(_request):
        raise RetryableError("The PSP does not accept our key (403).")

    found = await leaves(house, begun, work=with_psp(house, lookup=lookup))
    assert sum(len(leaf.failures) for leaf in found) == len(barred) == 6
    assert found[-1].cursor is None


async def test_an_entry_that_nobody_can_read_is_told_and_hides_no_other(house, begun):
    expected = await plant(house, lose_a_capture)

    async def page(request):
        return replace(await house.work.psp.page(request), unreadable=("cap_9: unknown status",))

    house.clock.pass_(minutes=6)
    found = await leaves(house, begun, work=with_psp(house, page=page))
    assert [failure for leaf in found for failure in leaf.failures] == ["cap_9: unknown status"]
    assert [(str(row.disagreement.difference), row.disagreement.payment_id) for leaf in found for row in leaf.rows] == [
        expected[0][:2]
    ]


def test_only_a_psp_that_lists_and_answers_can_be_compared(house):
    known = {name: getattr(house.work.psp.capabilities, name) for name in Capabilities.__slots__}
    assert is_comparable(house.work.psp.capabilities)
    assert not is_comparable(Capabilities(**(known | {"listing": Listing.NONE})))
    assert not is_comparable(Capabilities(**(known | {"lookup_by": frozenset()})))


@pytest.mark.parametrize("method", ["invoice", "purchaseorder"])
async def test_what_is_paid_on_account_is_not_looked_for_at_the_psp(house, begun, method):
    command = house.pay(await house.cart(), method=method, token=None)
    await house.deliver(command)
    payment = await house.payment(house.standing(command).payment_reference)
    await house.deliver(house.ask(CapturePayment, payment.id, amount=eur(1000)))
    assert house.rows(await house.payment(payment.id)) == [
        ("Authorization", "Success", 4200),
        ("Charge", "Success", 1000),
    ]
    house.clock.pass_(minutes=6)
    assert await rows(house, begun) == []


def test_a_run_that_an_older_version_began_can_be_gone_on_with():
    """These words are in the files that it left."""
    assert [one.value for one in Phase] == ["psp", "commercetools"]
