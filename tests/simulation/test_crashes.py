"""Workers, ingresses and reconciliation that crash at any step, once and twice: the invariants hold in the end."""

from __future__ import annotations

import sys
from unittest.mock import patch

import pytest
from simulation import processes
from simulation.callers import unkept
from simulation.crashes import (
    ACTS,
    INGRESSES,
    RECONCILIATION,
    VICTIMS,
    WORKERS,
    crashed,
    drill,
    play,
    quiet,
    unharmed,
)
from simulation.defects import planted
from simulation.invariants import check
from simulation.logs import PSP
from simulation.loop import collect
from simulation.repairs import REPAIRS

from handlers import attempts

#: Of each operation, evenly chosen; `python -m simulation.exhaustive --all` tries them all.
SINGLES = 9
DOUBLES = 3
#: Of an ingress, which does less.
INGRESS_SINGLES = 1
INGRESS_DOUBLES = 1
#: Of what reconciliation does all single crashes are tried: there are some thirty of each.
MENDED_DOUBLES = 8
#: Operations of an ingress are tried in so many parts: to clean up after each takes longer than to try it.
PARTS = 8


@pytest.fixture(scope="module", autouse=True)
def _shared():
    processes.share()


@pytest.mark.parametrize("name", ACTS)
def test_an_operation_survives_a_crash_at_any_step_and_a_second_one(name):
    drilled = drill(name, singles=SINGLES, doubles=DOUBLES)
    assert drilled.wrong == []
    assert drilled.runs >= min(drilled.steps, SINGLES) + 1


@pytest.mark.parametrize("first", range(PARTS))
def test_operations_survive_an_ingress_that_crashes_at_any_step_and_a_second_time(first):
    acts = [*ACTS][first::PARTS]
    with quiet():
        drilled = [drill(name, singles=INGRESS_SINGLES, doubles=INGRESS_DOUBLES, victims=INGRESSES) for name in acts]
    assert [text for one in drilled for text in one.wrong] == []
    assert sum(one.runs for one in drilled) >= 2 * len(acts)


#: Operations in which reconciliation has something to do, or a person.
MENDED = [*REPAIRS, "a capture that reconcile takes up", "a challenge left open while reconcile passes"]


@pytest.mark.parametrize("name", MENDED)
def test_what_is_left_behind_is_mended_wherever_whoever_mends_it_crashes_and_crashes_again(name):
    drilled = drill(name, singles=sys.maxsize, doubles=MENDED_DOUBLES, victims=RECONCILIATION)
    assert drilled.wrong == []
    assert drilled.runs == 1 + drilled.steps + MENDED_DOUBLES > 10


@pytest.mark.parametrize("name", MENDED)
def test_so_it_is_where_a_worker_crashes_over_what_reconciliation_has_left_it(name):
    drilled = drill(name, singles=3, doubles=3, victims=VICTIMS["reconciliation and then a worker"])
    assert drilled.wrong == []
    assert drilled.runs >= 4


@pytest.mark.parametrize("name", REPAIRS)
@pytest.mark.parametrize("crash_at", [(), (9,)])
def test_it_is_reconciliation_or_a_person_who_mends_it(name, crash_at):
    """In the version that decides: else the workers did it, and there was nothing to crash."""
    with quiet():
        history, _ = play(ACTS[name], crash_at, RECONCILIATION)
        collect()
    wrote = [one for one in history.payments if one.author.startswith(("reconcile#", "reconcile-m", "resolve"))]
    assert wrote
    assert len([one for one in history.crashes if one.process.startswith(("reconcile", "resolve"))]) == len(crash_at)


@pytest.mark.parametrize("name", ["refund", "store a card"])
@pytest.mark.parametrize("who", [one for one in VICTIMS if VICTIMS[one].manner and VICTIMS[one].pairs_max is not None])
def test_so_it_is_whatever_callers_do_and_whoever_dies_next(who, name):
    drilled = drill(name, singles=4, doubles=min(4, VICTIMS[who].pairs_max), victims=VICTIMS[who])
    assert drilled.wrong == []
    assert drilled.runs >= 5


def test_the_crash_that_is_ordered_comes_at_its_step_and_the_next_one_after_it():
    with quiet():
        once, _ = play(ACTS["capture"], (5,))
        twice, _ = play(ACTS["capture"], (5, 5))
    assert len(once.crashes) == 1
    assert len(twice.crashes) == 2
    assert all(crash.process.startswith("workers") for crash in twice.crashes)


@pytest.mark.parametrize(
    ("who", "died"),
    [
        ("ingresses", ["ingress", "ingress"]),
        ("an ingress and then a worker", ["ingress", "workers"]),
        ("a worker and then an ingress", ["workers", "ingress"]),
    ],
)
def test_whoever_is_to_crash_crashes(who, died):
    with quiet():
        history, _ = play(ACTS["authorize"], (5, 5), VICTIMS[who])
    assert [crash.process.partition("-")[0] for crash in history.crashes] == died


def test_every_crash_of_an_ingress_that_is_counted_comes():
    """The steps that follow a crash are as many as were counted: one further, and the second crash would not come."""
    for victims in (INGRESSES, WORKERS):
        once = crashed(unharmed("capture", victims), [(4,)])
        with quiet():
            last, _ = play(ACTS["capture"], (4, once.left[4]), victims)
            beyond, _ = play(ACTS["capture"], (4, once.left[4] + 1), victims)
        assert (len(last.crashes), len(beyond.crashes)) == (2, 1)


def test_whoever_asked_an_ingress_that_died_asks_again_under_the_same_key_and_is_answered():
    with quiet():
        history, _ = play(ACTS["capture"], (20,), INGRESSES)
    asked = [one for one in history.exchanges if one.path.startswith("/operations/payment-intents/")]
    assert [one.status for one in asked] == [None, 200]
    assert asked[0].key == asked[1].key is not None


def test_an_ingress_that_promises_before_the_bus_has_confirmed_is_found_out():
    """And it is crashed between the two, where the event is lost for good: no PSP sends again what was answered 200."""
    lost = 0
    with planted("promised-first"), quiet():
        for step in range(1, play(ACTS["webhook"], (), INGRESSES)[1] + 1):
            history, _ = play(ACTS["webhook"], (step,), INGRESSES)
            assert "S10" in {one.name for one in check(history)}
            told = [one for one in history.exchanges if one.actor == PSP and one.status == 200]
            kept = {one.message_id for one in history.bus if one.attributes.get("type") == "PspNotification"}
            lost += len(told) - len(kept)
    assert lost > 0


def test_an_ingress_that_makes_another_command_of_a_request_that_is_repeated_is_found_out():
    """The two captures of one wish are within what is authorized: only who counts the wishes sees it."""
    numbers = iter(range(10**6))
    original = attempts.command_id
    with patch.object(attempts, "command_id", lambda scope, key: original(scope, f"{key}-{next(numbers)}")), quiet():
        once, _ = play(ACTS["capture while our fields are replaced"], (), INGRESSES)
        twice, _ = play(ACTS["capture while our fields are replaced"], (20,), INGRESSES)
    assert list(unkept(once, INGRESSES.manner)) == []
    assert list(unkept(twice, INGRESSES.manner)) == ["2 wishes became 3 commands"]
    assert len([one for one in twice.effects if one.kind == "capture"]) == 2


def test_an_operation_that_breaks_is_told_as_wrong_and_hides_no_other():
    async def act(_):
        raise KeyError("id")

    with patch.dict(ACTS, {"capture": act}):
        drilled = drill("capture", singles=1, doubles=1)
    assert [text.partition(" (")[0] for text in drilled.wrong] == ["capture, without a crash: broke: KeyError: 'id'"]


def test_a_caller_who_is_never_answered_is_found_out():
    with quiet():
        history, _ = play(ACTS["authorize"], (3,), VICTIMS["ingresses, asked by who goes away"])
    assert list(unkept(history, VICTIMS["ingresses, asked by who goes away"].manner)) == []
    assert list(unkept(history, INGRESSES.manner)) == ["shopper-1 asked POST /payments, and was never answered"]


def test_a_payment_that_lost_its_method_before_it_was_on_its_cart_is_closed_and_blamed_on_nobody():
    with quiet():
        history, _ = play(ACTS["charge a card that is being deleted"], (2, 6))
        assert [str(one) for one in check(history)] == []
    lost = [one.document["transactions"][0] for one in history.payments if len(one.document["transactions"]) == 1]
    assert (lost[-1]["type"], lost[-1]["state"]) == ("Authorization", "Failure")
    assert len(history.effects) == 1
