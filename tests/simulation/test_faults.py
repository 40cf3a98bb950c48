"""What is counted has happened: of each fault that leaves a trace in the logs, the trace is looked for."""

from __future__ import annotations

from collections import defaultdict
from datetime import timedelta

import pytest
from simulation import processes, seed
from simulation.crashes import quiet
from simulation.faults import DOINGS, Budget, FaultKind, bad_luck
from simulation.logs import Fate, Genuine, Happening, Peer
from simulation.loop import Life, collect

#: So many seeds that have a kind are looked at, in so many at most.
ENOUGH, TRIED = 4, 600
KEYS_LIFE = timedelta(hours=24)
NEWER = b'{"version":2,'


@pytest.fixture(scope="module", autouse=True)
def _shared():
    processes.share()
    with quiet():
        yield
        collect()


def histories_with(kind, on="", enough=ENOUGH):
    """Histories of the first seeds in which it struck, on something whose name begins so.

    No seed draws what people do.
    """
    found = 0
    for number in range(1, TRIED):
        if kind not in DOINGS and not bad_luck(number, budget=Budget(), recorder=None).on(kind):
            continue
        history = seed.run(number)
        if any(fault.kind == kind and fault.on.startswith(on) for fault in history.faults):
            found += 1
            yield history
        if found == enough:
            return
    assert found, f"{kind} does not strike in {TRIED} seeds"


def struck(history, kind):
    return [fault for fault in history.faults if fault.kind == kind]


def crash_of(history, fault):
    """The end of a process that follows in the log."""
    return min((one for one in history.crashes if abs(one.n - fault.n) <= 1), key=lambda one: one.n)


def in_hand(history, process, n):
    """Messages and requests that a process had at this place."""
    held = set()
    for one in history.bus:
        if one.n < n and one.process == process:
            if one.happening is Happening.DELIVERED:
                held.add(one.message_id)
            elif one.happening in (Happening.ACKED, Happening.RETURNED, Happening.DEAD):
                held.discard(one.message_id)
    asked = [one for one in history.exchanges if one.process == process and one.n < n < (one.done_n or n + 1)]
    return [*held, *asked]


def test_who_is_counted_as_killed_was_killed():
    for history in histories_with(FaultKind.PROCESS_KILLED):
        for fault in struck(history, FaultKind.PROCESS_KILLED):
            crash = crash_of(history, fault)
            assert (crash.process, crash.orderly) == (fault.on, False)
            assert fault.at <= history.faults_end


def test_most_of_those_who_are_to_be_killed_are_and_at_any_step(monkeypatch):
    lives = []

    class Noted(Life):
        __slots__ = ()

        def __init__(self, **named):
            super().__init__(**named)
            lives.append(self)

    monkeypatch.setattr(processes, "Life", Noted)
    killed = 0
    numbers = [n for n in range(1, 300) if bad_luck(n, budget=Budget(), recorder=None).on(FaultKind.PROCESS_KILLED)]
    for number in numbers[:30]:
        killed += len(struck(seed.run(number), FaultKind.PROCESS_KILLED))
    doomed = [life for life in lives if life.dies_at]
    at = [life.steps for life in doomed if not life.alive and life.steps == life.dies_at]
    assert killed == len(at) > 20
    assert killed > len(doomed) * 0.6
    assert min(at) <= 5
    assert max(at) >= 60


def test_who_is_counted_as_stopped_had_work_in_hand():
    for history in histories_with(FaultKind.PROCESS_STOPPED):
        for fault in struck(history, FaultKind.PROCESS_STOPPED):
            crash = crash_of(history, fault)
            assert crash.orderly
            assert crash.process.startswith(fault.on)
            assert in_hand(history, crash.process, crash.n)


def test_of_two_versions_the_older_got_what_only_the_newer_reads_and_the_newer_has_read_it():
    for history in histories_with(FaultKind.PROCESS_OLDER_VERSION):
        for fault in struck(history, FaultKind.PROCESS_OLDER_VERSION):
            machine, message = fault.on.split()
            entries = [one for one in history.bus if one.message_id == message]
            assert all(one.data.startswith(NEWER) for one in entries)
            assert any(one.happening is Happening.DELIVERED and one.process.startswith(machine) for one in entries)
            # What the older one buries replays; its last copy is let go on its own topic, where only the newer reads it.
            copies = [
                one for one in history.bus if one.happening is Happening.PUBLISHED and one.data == entries[0].data
            ]
            ended = [one for one in history.bus if one.message_id == copies[-1].message_id]
            assert copies[-1].topic == entries[0].topic
            assert any(one.happening is Happening.ACKED for one in ended)
        late = [one for one in history.bus if one.happening is Happening.PUBLISHED and one.at > history.faults_end]
        assert all(one.data.startswith(NEWER) for one in late if one.process.startswith("ingress"))


def test_a_result_that_is_lost_reaches_nobody():
    for history in histories_with(FaultKind.BUS_RESULT_LOST):
        for fault in struck(history, FaultKind.BUS_RESULT_LOST):
            assert not any(one.n == fault.n + 1 and one.topic == "results" for one in history.bus)


@pytest.mark.parametrize("kind", [FaultKind.BUS_ACK_LOST, FaultKind.BUS_DUPLICATE])
def test_a_message_whose_acknowledgement_is_lost_or_that_is_doubled_comes_again(kind):
    for history in histories_with(kind):
        for fault in struck(history, kind):
            ended = next(one for one in history.bus if one.n > fault.n and one.topic == fault.on)
            assert ended.happening in {Happening.ACKED, Happening.RETURNED}
            again = [one for one in history.bus if one.n > ended.n and one.message_id == ended.message_id]
            assert any(one.happening is Happening.DELIVERED for one in again)


def test_a_lease_that_expires_gives_a_message_that_is_in_hand_to_another():
    for history in histories_with(FaultKind.BUS_LEASE_EXPIRES):
        for fault in struck(history, FaultKind.BUS_LEASE_EXPIRES):
            held = defaultdict(int)
            for one in history.bus:
                if one.topic != fault.on or one.n > fault.n:
                    continue
                held[one.message_id] += one.happening is Happening.DELIVERED
                held[one.message_id] -= one.happening in {Happening.ACKED, Happening.RETURNED, Happening.DEAD}
            assert any(count > 0 for count in held.values())


def succeeded(_, call):
    return call.status is not None and call.status < 300


def failed(_, call):
    return call.status is not None and call.status >= 500


def limited(_, call):
    return call.status == 429


def conflicted(_, call):
    return call.status == 409


def refused(_, call):
    """As unauthorized, unless it meets another fault first."""
    return call.status is not None and call.status >= 401


def unperformed(_, call):
    return call.performed_n is None


def performed(_, call):
    return call.performed_n is not None and (call.done_n is None or call.performed_n < call.done_n)


def back_without_a_key(history, call):
    """A message that was in the hands of the dead comes again when the key has been forgotten."""
    known = {one.message_id for one in history.bus if one.process == call.process and one.n < call.n}
    return any(
        one.happening is Happening.DELIVERED and one.message_id in known and one.at - call.at > KEYS_LIFE
        for one in history.bus
    )


#: Fault of a call -> what the call, or what came of it, looks like.
TRACES = {
    FaultKind.PROCESS_KILLED_AFTER_EFFECT: succeeded,
    FaultKind.PROCESS_KILLED_AFTER_WRITE: succeeded,
    FaultKind.PSP_KEY_EXPIRED: back_without_a_key,
    FaultKind.PSP_ERROR_BEFORE: failed,
    FaultKind.PSP_ERROR_STORED: failed,
    FaultKind.PSP_RATE_LIMIT: limited,
    FaultKind.CT_CONFLICT: conflicted,
    FaultKind.CT_CONFLICT_STORM: conflicted,
    FaultKind.CT_ERROR_BEFORE: failed,
    FaultKind.CT_ERROR_AFTER: failed,
    FaultKind.CT_RATE_LIMIT: limited,
    FaultKind.CT_TOKEN_EXPIRED: refused,
    FaultKind.WIRE_REQUEST_LOST: unperformed,
    FaultKind.WIRE_RESET_BEFORE: unperformed,
    FaultKind.WIRE_STRANGER: unperformed,
    FaultKind.WIRE_REPLY_LOST: performed,
    FaultKind.WIRE_RESET_AFTER: performed,
    FaultKind.WIRE_REPLY_LATE: performed,
}


@pytest.mark.parametrize("kind", TRACES)
def test_a_fault_of_a_call_is_one_that_the_call_has_met(kind):
    met = 0
    for history in histories_with(kind):
        calls = [one for one in history.calls if one.fault == kind]
        met += len(calls)
        assert all(TRACES[kind](history, one) for one in calls)
    assert met


@pytest.mark.parametrize("peer", Peer)
def test_within_an_outage_nothing_is_done_or_answered_there_and_somebody_needed_it(peer):
    broken = 0
    for history in histories_with(FaultKind.WIRE_OUTAGE, on=peer):
        (fault,) = struck(history, FaultKind.WIRE_OUTAGE)
        _, seconds, *_, process = fault.on.split()
        until = fault.at + timedelta(seconds=float(seconds))
        assert until <= history.faults_end
        assert in_hand(history, process, fault.n)
        asked = [one for one in history.calls if one.peer is peer]
        assert not [one for one in asked if (one.performed_n or 0) > fault.n and one.performed_at < until]
        # The first of them is broken before the fault is noted.
        within = [one for one in asked if one.fault == fault.kind or (one.n > fault.n and one.at < until)]
        assert all(unperformed(history, one) and one.fate is not Fate.ANSWERED for one in within)
        broken += len(within)
    assert broken


#: By these a webhook does not go out at once.
HELD = {FaultKind.WEBHOOK_NEVER, FaultKind.WEBHOOK_LATE, FaultKind.WEBHOOK_REORDERED}


def test_a_webhook_that_is_counted_as_early_goes_out_while_its_call_is_unanswered():
    looked_at = 0
    for history in histories_with(FaultKind.WEBHOOK_EARLY):
        if {fault.kind for fault in history.faults} & HELD:
            continue
        looked_at += 1
        for fault in struck(history, FaultKind.WEBHOOK_EARLY):
            sent = [one.at - fault.at for one in history.exchanges if one.genuine is Genuine.YES and one.n > fault.n]
            assert min(sent) < timedelta(seconds=5), sent
    assert looked_at


def test_a_webhook_that_is_counted_as_overtaken_was():
    for history in histories_with(FaultKind.WEBHOOK_REORDERED):
        for fault in struck(history, FaultKind.WEBHOOK_REORDERED):
            assert any(one.genuine is Genuine.YES and one.at >= fault.at for one in history.exchanges)


def test_a_forged_webhook_was_sent():
    for history in histories_with(FaultKind.WEBHOOK_FORGED):
        assert any(one.genuine is Genuine.NO for one in history.exchanges)


def signatures(history, fault):
    """How many signatures each webhook after it bore."""
    later = [one for one in history.exchanges if one.genuine is Genuine.YES and one.n > fault.n]
    return {len(one.headers["webhook-signature"].split()) for one in later}


def test_after_a_rotation_both_secrets_sign_and_then_the_new_one_alone():
    found = set()
    for history in histories_with(FaultKind.WEBHOOK_SECRET_ROTATED):
        for fault in struck(history, FaultKind.WEBHOOK_SECRET_ROTATED):
            found |= signatures(history, fault)
    assert found == {1, 2}


def total_before(history, cart, n):
    """What the cart cost just before this place."""
    return [one for one in history.carts if one.id == cart and one.n < n][-1].document["totalPrice"]["centAmount"]


def test_a_cart_that_is_counted_as_changed_grew_or_shrank_and_both_are_met():
    grew = set()
    for history in histories_with(FaultKind.MERCHANT_EDITS_CART):
        for fault in struck(history, FaultKind.MERCHANT_EDITS_CART):
            change = [one for one in history.carts if one.id == fault.on and one.n < fault.n][-1]
            before, after = (total_before(history, fault.on, n) for n in (change.n, fault.n))
            assert before != after
            grew.add(after > before)
    assert grew == {True, False}


def test_a_cart_that_is_counted_as_ordered_takes_no_payment_any_more():
    for history in histories_with(FaultKind.MERCHANT_ORDERS_CART):
        for fault in struck(history, FaultKind.MERCHANT_ORDERS_CART):
            later = [one for one in history.carts if one.id == fault.on and one.n > fault.n]
            assert [one.document["cartState"] for one in later] == ["Ordered"]
            assert later[0].document["paymentInfo"]["payments"]


def test_a_payment_that_is_counted_as_foreign_is_of_another_interface_and_never_ours():
    moved = 0
    for history in histories_with(FaultKind.FOREIGN_PAYMENT):
        for fault in struck(history, FaultKind.FOREIGN_PAYMENT):
            versions = [one for one in history.payments if one.id == fault.on]
            moved += len(versions) - 1
            assert {one.author for one in versions} == {"merchant"}
            assert versions[0].document["paymentMethodInfo"]["paymentInterface"] == "gift-cards"
            assert any(
                fault.on in {named["id"] for named in one.document.get("paymentInfo", {}).get("payments", ())}
                for one in history.carts
            )
    assert moved


#: What is answered to a request that does not come as far as the cart.
ELSEWHERE = {401, 429, 500, 502, 503}


def test_a_cart_that_is_counted_as_deleted_is_not_there_any_more():
    looked_for = 0
    for history in histories_with(FaultKind.MERCHANT_DELETES_CART, enough=12):
        for fault in struck(history, FaultKind.MERCHANT_DELETES_CART):
            assert not [one for one in history.carts if one.id == fault.on and one.n > fault.n]
            asked = [
                one for one in history.calls if f"/carts/{fault.on}" in one.path and (one.performed_n or 0) > fault.n
            ]
            looked_for += len(asked)
            assert all(one.status in {404, *ELSEWHERE} for one in asked)
    assert looked_for
