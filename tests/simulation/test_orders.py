"""The exploration of orders: nothing depends on order or repetition, and it would be noticed if something did."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest
from simulation.exhaustive import orders
from simulation.orders import explore
from simulation.scenes import scenes

from ct import states
from psp.facts import State


@pytest.fixture(scope="module")
def made():
    return asyncio.run(scenes())


def test_no_payment_depends_on_the_order_or_the_repetition_of_its_news():
    found = orders()
    assert [text for one in found for text in one.wrong] == []
    assert sum(one.sequences for one in found) > 50_000
    assert len({one.scene for one in found}) >= 14


def test_every_scene_begins_with_nothing_settled_and_has_news_to_put_in_order(made):
    """Or orders would be compared in which nothing happens."""
    for scene in made[0]:
        assert len(scene.told) >= 3, scene.name
        assert {one["state"] for one in scene.document["transactions"]} == {"Initial"}


def test_states_that_could_fall_are_noticed(made, monkeypatch):
    scene = next(one for one in made[0] if one.name == "approved after the decline")
    monkeypatch.setattr(
        states, "RANK", dict.fromkeys(State, 0) | {State.PENDING: 1, State.FAILURE: 1, State.SUCCESS: 1}
    )
    found = explore(scene, psp=made[1], clock=made[2])
    assert any("ends otherwise" in text for text in found.wrong)


def test_a_repeat_that_writes_is_noticed(made, monkeypatch):
    scene = next(one for one in made[0] if one.name == "captured and refunded at the dashboard")
    nameless = replace(scene, told=scene.told[1:2])
    monkeypatch.setattr("ct.plan.target_of", lambda _payment, _fact: None)
    found = explore(nameless, psp=made[1], clock=made[2])
    assert any("again writes" in text for text in found.wrong)
