"""Every planted defect is caught. How often a seed does so is measured by `python -m simulation.detection`."""

from __future__ import annotations

import json
import sys

import pytest
from simulation import detection, loop, processes
from simulation.crashes import ACTS, play, quiet
from simulation.defects import BY_ACT, BY_SEED, DEFECTS, planted
from simulation.detection import Detection, catches, main
from simulation.invariants import check
from simulation.loop import SimulatedLoop

#: Seeds that are tried to name one instead of a known one that has failed.
TRIED = range(1, 150)


@pytest.fixture(scope="module", autouse=True)
def _shared():
    processes.share()


def test_there_are_defects_enough_and_each_has_who_catches_it():
    assert len(DEFECTS) >= 15
    assert set(BY_ACT) | set(BY_SEED) == set(DEFECTS)
    assert not set(BY_ACT) & set(BY_SEED)


@pytest.mark.parametrize("name", sorted(BY_ACT))
def test_its_operation_catches_the_defect(name):
    assert catches(name, None)


@pytest.mark.parametrize("name", sorted(BY_ACT))
def test_the_defect_is_a_defect_and_no_crash(name):
    """What is planted must fit where it stands, or any checker would notice."""
    act, crash_at = BY_ACT[name]
    with planted(name), quiet():
        history, _ = play(ACTS[act], crash_at)
    assert [line.fields for line in history.lines if line.fields.get("event") == "message.crashed"] == []


@pytest.mark.parametrize("name", sorted({BY_ACT[name][0] for name in BY_ACT}))
def test_the_operation_alone_breaks_nothing(name):
    with quiet():
        history, _ = play(ACTS[name])
    assert [str(one) for one in check(history)] == []


@pytest.mark.parametrize("name", sorted(BY_SEED))
@pytest.mark.timeout(300)
def test_the_seed_that_is_known_catches_the_defect(name):
    assert catches(name, BY_SEED[name]), _instead(name)


def _instead(name):
    """What to write into `BY_SEED`. The test fails all the same: a table that is not true is believed elsewhere."""
    seed = next((one for one in TRIED if catches(name, one)), None)
    advice = f"and {seed} does" if seed else f"and none of {len(TRIED)} does: it needs an operation (BY_ACT)"
    return f"seed {BY_SEED[name]} catches {name} no more, {advice}"


@pytest.mark.parametrize(("by", "advice"), [({9, 12}, "and 9 does"), ((), "and none of 149 does")])
def test_a_seed_that_catches_its_defect_no_more_fails_and_names_another(monkeypatch, by, advice):
    monkeypatch.setattr(sys.modules[__name__], "catches", lambda _name, seed: ["S12"] if seed in by else [])
    with pytest.raises(AssertionError, match=f"seed 8 catches random-key no more, {advice}"):
        test_the_seed_that_is_known_catches_the_defect("random-key")


def test_the_seeds_that_are_needed_are_counted_as_promised():
    """ln 0.001 / ln(1 - p): 9 where p is 55 %, 31 where it is 20 %."""
    assert Detection(name="no-key", seeds=100, caught=55).needed == 9
    assert Detection(name="no-key", seeds=100, caught=20).needed == 31
    assert Detection(name="no-key", seeds=100, caught=100).needed == 1
    assert Detection(name="no-key", seeds=100).needed is None


def test_a_run_that_goes_round_for_ever_is_ended_by_its_time_also_where_a_step_swallows_that_once(monkeypatch):
    def run(_):
        simulated = SimulatedLoop()
        swallowed = []

        def again():
            simulated.call_soon(again)
            try:
                for _ in range(100_000):
                    pass
            except KeyboardInterrupt as error:
                if swallowed:
                    raise
                swallowed.append(error)

        again()
        try:
            return simulated.run_until_complete(simulated.create_future())
        finally:
            simulated.bury()

    monkeypatch.setattr(loop, "_STEPS_MAX", sys.maxsize)
    monkeypatch.setattr(detection, "_RUN_S", 0.1)
    monkeypatch.setattr(detection, "run", run)

    assert catches("no-key", 1) == ["endless"]


def test_what_was_measured_is_told_to_machines_too(capsys):
    assert main(["--seeds", "2", "--first", "8", "--defect", "random-key", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["name"], told["seeds"]) == ("random-key", 2)
    assert 8 in told["by"]
    assert told["caught"] == len(told["by"])
    assert all(isinstance(count, int) for count in told["invariants"].values())
    assert told["invariants"]


def test_what_was_measured_is_told_as_rows(capsys):
    assert main(["--seeds", "2", "--first", "7", "--defect", "random-key", "--defect", "no-key"]) == 0
    *_, random_key, no_key = capsys.readouterr().out.splitlines()
    assert random_key.startswith("| `random-key` | each try has a new idempotency key | 1 of 2 | 10 | ")
    assert random_key.endswith(" | seed 8: S12 |")
    assert no_key.startswith("| `no-key` | requests carry no idempotency key | 2 of 2 | 1 | S12 ")
    assert no_key.endswith(" | capture: S12 |")
