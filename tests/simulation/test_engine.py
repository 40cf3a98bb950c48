"""The engine itself: repeatable to the byte, its dead stay dead, and what was over does not come again."""

from __future__ import annotations

import asyncio
import itertools
import json
import os
import warnings
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from simulation import __main__ as runner
from simulation import batch, documents, loop, predicates, seed, timeline
from simulation.actors import Merchant
from simulation.faults import DOINGS, WIRE, Budget, FaultKind, bad_luck
from simulation.logs import MERCHANT, Peer
from simulation.loop import Life, SimulatedLoop, StalledError, collect
from simulation.record import START, Recorder

from sandbox.commercetools.errors import RefusedError


@pytest.fixture(autouse=True)
def quiet_graves():
    """What frames of the dead say when they are collected concerns nobody, as in the runner."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield
        collect()


pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore::RuntimeWarning")


def on_simulated_time(main):
    simulated = SimulatedLoop()
    try:
        return simulated.run_until_complete(main(simulated))
    finally:
        simulated.bury()


def test_the_same_seed_gives_the_same_history_to_the_byte():
    first = list(timeline.lines(*seed.run_recorded(27)))
    again = list(timeline.lines(*seed.run_recorded(27)))

    assert len(first) > 50
    assert "\n".join(first) == "\n".join(again)
    assert repr(seed.run(27)) == repr(seed.run(27))


def test_another_seed_gives_another_history():
    assert repr(seed.run(27)) != repr(seed.run(28))


def test_a_prefix_of_a_seed_has_no_more_steps_and_faults_than_it_may_have():
    whole, prefix = seed.run(3), seed.run(3, until=2)

    assert len(prefix.faults) <= 2 < len(whole.faults)


def test_the_shortest_failing_prefix_is_found_also_where_a_longer_one_does_not_fail(monkeypatch):
    monkeypatch.setattr(runner, "_fails", lambda _seed, until: until in {5, 6} or until >= 9)
    assert runner.shortest(1) == 5
    monkeypatch.setattr(runner, "_fails", lambda _seed, _until: True)
    assert runner.shortest(1) == 0


def test_days_pass_in_no_time_and_timers_keep_their_order():
    async def main(simulated):
        rung = []
        simulated.call_later(3 * 86400, rung.append, "late")
        simulated.call_later(1, rung.append, "early")
        await asyncio.sleep(4 * 86400)
        return rung, simulated.time()

    rung, now = on_simulated_time(main)

    assert rung == ["early", "late"]
    assert now == 4 * 86400


def test_what_was_cancelled_never_happens_and_what_raises_is_told():
    async def main(simulated):
        rung = []
        for cancelled in (simulated.call_soon(rung.append, "soon"), simulated.call_later(1, rung.append, "later")):
            cancelled.cancel()
            assert cancelled.cancelled()
        simulated.call_later(2, lambda: 1 / 0)
        assert simulated.call_later(3, rung.append, "rung").when() == 3
        await asyncio.sleep(4)
        return rung, simulated.complaints

    rung, complaints = on_simulated_time(main)

    assert rung == ["rung"]
    assert complaints == ["Exception in callback: ZeroDivisionError: division by zero"]


def test_a_generator_that_is_left_early_is_closed_as_asyncio_closes_it():
    async def main(_):
        told = []

        async def numbers():
            try:
                yield 1
            finally:
                await asyncio.sleep(1)
                told.append("closed")

        async for _number in numbers():
            break
        await asyncio.sleep(2)
        return told

    assert on_simulated_time(main) == ["closed"]


def test_what_is_json_to_python_alone_is_read_as_the_product_reads_it():
    for data in (b'{"a": NaN}', b'{"a": "\\ud800"}', b'{"a": [1, 2.5, null, "\xc3\xa9"]}'):
        assert repr(documents.parsed(data)) == repr(json.loads(data))
    with pytest.raises(ValueError):
        documents.parsed(b"no json")


@pytest.mark.parametrize(
    "text",
    [
        'a(b = "x") and c < "2026" and (d(e in ("x", "y", 7, true)) or (f >= "2026" and not(g(h = 1.5))))',
        'a in :ids and b contains any ("x", "y") and c is not defined',
        'name = "1" and code = 1 and empty = ""',
        r'a = "with \\"quotes\\" and \\\\"',
        '`a-b` = "x"',
        'a = "never closed',
        'a = "x" and',
        'a = "x" b = "y"',
        "",
    ],
)
def test_a_predicate_parsed_by_its_form_is_the_stand_ins_own_and_so_are_its_mistakes(text):
    def told(parse):
        try:
            return parse(text)
        except RefusedError as error:
            return error.status, error.body

    for _ in range(2):
        assert told(predicates.parse) == told(predicates._parse)


def test_what_waits_for_ever_is_found_out():
    async def main(simulated):
        await simulated.create_future()

    with pytest.raises(StalledError, match="for ever"):
        on_simulated_time(main)


def test_two_who_wake_each_other_for_ever_are_found_out(monkeypatch):
    monkeypatch.setattr(loop, "_STEPS_MAX", 1000)

    async def main(simulated):
        while True:  # noqa: ASYNC110 # for ever is the point
            await asyncio.sleep(0)

    with pytest.raises(StalledError, match="round"):
        on_simulated_time(main)


@pytest.mark.parametrize("dies_at", range(1, 6))
def test_a_killed_process_takes_no_further_step_and_runs_no_finally(dies_at):
    steps = []

    async def main(simulated):
        life = Life(id="victim")
        life.dies_at = dies_at
        life.on_death = lambda dead: setattr(dead, "alive", False)

        async def work():
            try:
                for number in range(1, 10):
                    steps.append(number)
                    await asyncio.sleep(0.5)
            except BaseException:
                steps.append("except")
                raise
            finally:
                steps.append("finally")

        context = simulated.inside(life)
        simulated.create_task(work(), context=context)
        await asyncio.sleep(60)
        collect()
        return list(steps)

    seen = on_simulated_time(main)

    assert "finally" not in seen
    assert "except" not in seen
    assert 9 not in seen
    assert len(seen) < dies_at


def test_a_batch_counts_its_seeds_its_faults_and_how_long_it_took_to_agree():
    result = batch.batch(range(1, 4))

    assert result.seeds == len(result.convergence_s) == 3
    assert result.cpu_s > 0
    assert result.counts["calls"] > 10
    assert set(result.faults) <= {kind.value for kind in FaultKind}
    here = batch.count(range(1, 4))
    assert (here.counts, here.faults, here.convergence_s) == (result.counts, result.faults, result.convergence_s)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (StalledError("It goes round and round."), "endless: It goes round and round."),
        (asyncio.CancelledError(), "broke: CancelledError:  (test_engine.py, line "),
        (ValueError("no JSON"), "broke: ValueError: no JSON (test_engine.py, line "),
    ],
)
def test_a_seed_that_breaks_is_a_violation_and_the_others_are_run_all_the_same(error, line, monkeypatch):
    def run(number, *, until):
        if number == 2:
            raise error
        return history

    history = seed.run(1)
    monkeypatch.setattr(seed, "run", run)
    result = batch.batch(range(1, 4))
    assert result.seeds == 3
    assert [*result.violations] == [2]
    assert result.violations[2][0].startswith(line)
    assert len(result.convergence_s) == 2


def test_a_seed_that_an_actor_or_the_checker_breaks_is_told_as_broken(monkeypatch):
    async def acts(_):
        json.loads("<html>")

    def checks(_):
        raise KeyError("transactions")

    with monkeypatch.context() as by_actor:
        by_actor.setattr(Merchant, "act", acts)
        assert batch.count([1]).violations[1][0].startswith("broke: JSONDecodeError: Expecting value")
    with monkeypatch.context() as by_checker:
        by_checker.setattr(batch, "check", checks)
        assert batch.count([1]).violations[1][0].startswith("broke: KeyError: 'transactions' (test_engine.py")
    assert batch.count([1]).violations == {}


def test_a_batch_whose_process_ends_in_the_middle_is_no_result(monkeypatch):
    monkeypatch.setattr(seed, "run", lambda number, *, until: os._exit(1))

    with pytest.raises(ChildProcessError, match="Seeds 1 to 3"):
        batch.batch(range(1, 4))


def test_a_long_run_in_which_a_kind_of_fault_never_struck_fails_also_for_machines():
    faults = Counter({kind.value: 1 for kind in FaultKind})
    wire = Counter({batch.at(kind, peer): 1 for kind in WIRE for peer in Peer})
    whole = batch.Result(seeds=2000, convergence_s=[0.0], faults=faults, wire=wire)
    assert runner.exit_code(whole) == 0

    one = "wire-reply-lost at psp"
    for missed, less in (
        ("ct-conflict", {"faults": faults - Counter({"ct-conflict": 1})}),
        (one, {"wire": wire - Counter({one: 1})}),
    ):
        short = replace(whole, **less)
        assert runner.exit_code(short) == 1
        assert json.loads(runner.as_json(short))["never_struck"] == [missed]
        short.seeds = 1999
        assert runner.exit_code(short) == 0


def test_what_people_do_by_themselves_is_no_seeds_choice_and_puts_off_no_end_of_bad_luck():
    recorder = Recorder(loop=SimulatedLoop())
    lucks = [bad_luck(number, budget=Budget(), recorder=recorder) for number in range(200)]
    assert set().union(*(bad.rates for bad in lucks)) == set(FaultKind) - DOINGS

    recorder.loop.now = 60.0
    for kind in DOINGS:
        lucks[0].note(kind)
    assert [fault.kind for fault in recorder.faults] == [*DOINGS]
    assert lucks[0].ends_at == START
    lucks[0].note(FaultKind.CT_CONFLICT)
    assert lucks[0].ends_at > START


def first_with(kind):
    """What struck in the first seed that has this kind, and all requests of whoever did it."""
    histories = map(seed.run, itertools.count(1))
    history, struck = next((one, fault) for one in histories for fault in one.faults if fault.kind == kind)
    return struck, [one for one in history.exchanges if one.actor in (struck.on, MERCHANT)]


@pytest.mark.parametrize(
    ("kind", "has_key"), [(FaultKind.SHOPPER_CLICKS_TWICE, True), (FaultKind.SHOPPER_CLICKS_TWICE_KEYLESS, False)]
)
def test_a_second_click_that_is_counted_was_made(kind, has_key):
    struck, asked = first_with(kind)

    first, second = [one for one in asked if one.path == "/payments"][:2]
    assert (first.actor, first.body, first.key) == (second.actor, second.body, second.key)
    assert (first.key is not None) is has_key
    assert struck.n < second.n
    # They click within a second; their requests take at most another second and a half each.
    assert abs(struck.at - first.at) < timedelta(seconds=1)
    assert second.at - struck.at < timedelta(seconds=1.5)


def test_a_second_capture_that_is_counted_was_asked_for():
    struck, asked = first_with(FaultKind.MERCHANT_CAPTURES_TWICE)

    path = f"/operations/payment-intents/{struck.on}"
    first, second = [one for one in asked if one.n > struck.n and one.path == path][:2]
    assert first.body == second.body
    assert b"capturePayment" in first.body
    assert second.at - struck.at < timedelta(seconds=1)


def test_a_shopper_who_is_counted_as_late_was_away_for_minutes_and_came_back():
    struck, asked = first_with(FaultKind.SHOPPER_COMES_BACK_LATE)

    away = max(one.done_at for one in asked if one.actor == struck.on and one.n < struck.n)
    back = next(one for one in asked if one.actor == struck.on and one.n > struck.n)
    assert struck.at - away > timedelta(minutes=1)
    assert back.path.endswith("/complete") or "result=" in back.path


def test_the_wire_is_counted_for_each_peer():
    total = batch.count(range(1, 30))
    assert total.wire.total() == sum(total.faults[kind] for kind in WIRE) > 0
    assert set(total.wire) <= {batch.at(kind, peer) for kind in WIRE for peer in Peer}


def test_the_lines_of_the_product_are_in_the_history_and_are_json():
    history = seed.run(27)

    assert any(line.fields["event"] == "message.done" for line in history.lines)
    for line in history.lines:
        json.dumps(dict(line.fields), default=str)
