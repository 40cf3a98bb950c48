"""Every planted defect is caught. How often a seed does so is measured by `python -m simulation.detection`."""

from __future__ import annotations

import json

import pytest
from simulation import processes
from simulation.crashes import ACTS, play, quiet
from simulation.defects import BY_ACT, DEFECTS, planted
from simulation.detection import Detection, catches, main
from simulation.invariants import check

#: Defect -> seeds that are known to catch it; should they not any more, others are tried.
SEEDS = {
    "random-key": (8,),
    "timeout-is-failure": (29,),
    "reservations-ignored": (82,),
    "wrong-exponent": (4,),
    "no-send-by": (24,),
    "nothing-found-is-failure": (67,),
    "dead-letter-unconfirmed": (25,),
    "publish-error-swallowed": (6,),
    "webhook-unsigned": (25,),
    "blind-write": (13,),
    "stale-plan": (66,),
    "outage-taken-for-absence": (442,),
    "letters-for-people": (152,),
    "replays-not-counted": (152,),
}
#: Seeds that are tried where those that are known have failed.
TRIED = 150


@pytest.fixture(scope="module", autouse=True)
def _shared():
    processes.share()


def test_there_are_defects_enough_and_each_has_who_catches_it():
    assert len(DEFECTS) >= 15
    assert set(BY_ACT) | set(SEEDS) == set(DEFECTS)
    assert not set(BY_ACT) & set(SEEDS)


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


@pytest.mark.parametrize("name", sorted(SEEDS))
@pytest.mark.timeout(300)
def test_a_seed_catches_the_defect(name):
    seeds = (*SEEDS[name], *range(1, TRIED))
    assert any(catches(name, seed) for seed in seeds), f"none of {len(seeds)} seeds catches {name}"


def test_the_seeds_that_are_needed_are_counted_as_promised():
    """ln 0.001 / ln(1 - p): 9 where p is 55 %, 31 where it is 20 %."""
    assert Detection(name="no-key", seeds=100, caught=55).needed == 9
    assert Detection(name="no-key", seeds=100, caught=20).needed == 31
    assert Detection(name="no-key", seeds=100, caught=100).needed == 1
    assert Detection(name="no-key", seeds=100).needed is None


def test_what_was_measured_is_told_to_machines_too(capsys):
    assert main(["--seeds", "2", "--first", "8", "--defect", "random-key", "--json"]) == 0
    (told,) = json.loads(capsys.readouterr().out)
    assert (told["name"], told["seeds"]) == ("random-key", 2)
    assert 8 in told["by"]
    assert told["caught"] == len(told["by"])
    assert all(isinstance(count, int) for count in told["invariants"].values())
    assert told["invariants"]
