"""A change is decided on what is there, and decided again where somebody else was quicker, for a while."""

from __future__ import annotations

import asyncio

import pytest
from support.ct_documents import NOON, cart_document, payment, payment_document

from ct import ledger as module
from ct.errors import ConflictError, UnavailableError
from ct.ledger import Actions, Ledger
from ct.turns import Turns

PATH = "/payments/pay-1"
ACTION = {"action": "setKey", "key": "k"}


class Project:
    """Answers in this order; what it was asked, and what was slept."""

    def __init__(self, *answers):
        self.answers = list(answers)
        self.asked = []
        self.slept = []

    async def get(self, path, *, params=None):
        return self._answer(("GET", path, *([params] if params else [])))

    async def post(self, path, body):
        return self._answer(("POST", path, body))

    def _answer(self, asked):
        self.asked.append(asked)
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer


class _Time:
    """asyncio without its sleep, and with a clock that moves by what was slept and by nothing else."""

    def __init__(self, project):
        self._project = project

    def __getattr__(self, name):
        return getattr(asyncio, name)

    def get_running_loop(self):
        return self

    def time(self):
        return 1000.0 + sum(self._project.slept)

    async def sleep(self, seconds):
        self._project.slept.append(seconds)


def ledger_over(project, monkeypatch, *, draw=1.0, within_s=5.0):
    monkeypatch.setattr(module, "asyncio", _Time(project))
    return Ledger(client=project, interface="ctpay", turns=Turns(), draw=lambda: draw, conflicts_within_s=within_s)


def conflict():
    return ConflictError("somebody else was quicker")


def decide(one):
    return Actions(actions=[ACTION | {"key": f"after-{one.version}"}])


def writes(project):
    return [
        (body["version"], [one["key"] for one in body["actions"]])
        for method, *_, body in project.asked
        if method == "POST"
    ]


async def test_a_change_costs_one_call_under_the_version_that_was_read(monkeypatch):
    project = Project(payment_document(version=2))
    changed, decision = await ledger_over(project, monkeypatch).change(payment(), decide)
    assert project.asked == [("POST", PATH, {"version": 1, "actions": [ACTION | {"key": "after-1"}]})]
    assert (changed.version, decision) == (2, decide(payment()))
    assert project.slept == []


async def test_nothing_to_write_costs_no_call(monkeypatch):
    project, read = Project(), payment()
    assert await ledger_over(project, monkeypatch).change(read, lambda _: Actions(actions=[])) == (
        read,
        Actions(actions=[]),
    )
    assert project.asked == []


async def test_after_a_conflict_it_is_read_and_decided_again_and_the_last_decision_is_told(monkeypatch):
    project = Project(conflict(), payment_document(version=5), payment_document(version=6))
    changed, decision = await ledger_over(project, monkeypatch).change(payment(), decide)
    assert [one[:2] for one in project.asked] == [("POST", PATH), ("GET", PATH), ("POST", PATH)]
    assert writes(project) == [(1, ["after-1"]), (5, ["after-5"])]
    assert (changed.version, decision.actions[0]["key"]) == (6, "after-5")


async def test_what_the_other_wrote_may_leave_nothing_to_write(monkeypatch):
    project = Project(conflict(), payment_document(version=5))
    changed, _ = await ledger_over(project, monkeypatch).change(
        payment(), lambda one: Actions(actions=[ACTION] if one.version == 1 else [])
    )
    assert changed.version == 5
    assert len(writes(project)) == 1


@pytest.mark.parametrize(("draw", "share"), [(1.0, 1.0), (0.5, 0.5), (0.0, 0.0)])
async def test_waits_double_to_a_second_and_the_draw_spreads_them(monkeypatch, draw, share):
    project = Project(*[conflict(), payment_document()] * 8, payment_document())
    await ledger_over(project, monkeypatch, draw=draw).change(payment(), decide)
    assert project.slept == pytest.approx([share * one for one in (0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0, 1.0)])


@pytest.mark.parametrize(("within_s", "tries"), [(0.0, 1), (0.01, 2), (0.02, 2), (0.021, 3), (1.0, 7)])
async def test_others_that_keep_interfering_are_told_when_the_time_is_over(monkeypatch, within_s, tries):
    project = Project(*[conflict(), payment_document()] * 20)
    with pytest.raises(ConflictError):
        await ledger_over(project, monkeypatch, within_s=within_s).change(payment(), decide)
    assert len(writes(project)) == tries


async def test_any_other_error_is_told_at_once(monkeypatch):
    project = Project(UnavailableError("down"))
    with pytest.raises(UnavailableError):
        await ledger_over(project, monkeypatch).change(payment(), decide)
    assert len(project.asked) == 1


async def test_writers_of_one_payment_take_turns_and_those_of_another_do_not_wait(monkeypatch):
    gate, begun = asyncio.Event(), []

    class Slow(Project):
        async def post(self, path, body):
            begun.append(path)
            await gate.wait()
            return payment_document(identity=path.rpartition("/")[2])

    project = Slow()
    ledger = ledger_over(project, monkeypatch)
    first, other = payment(), payment(identity="pay-2")
    tasks = [asyncio.create_task(ledger.change(one, decide)) for one in (first, first, other)]
    for _ in range(5):
        await asyncio.sleep(0)
    assert begun == [PATH, "/payments/pay-2"]
    gate.set()
    await asyncio.gather(*tasks)
    assert begun == [PATH, "/payments/pay-2", PATH]
    assert ledger.turns._locks == {}


# --- reading and making


async def test_what_is_read_and_made_comes_back_as_it_is_there(monkeypatch):
    project = Project(*[payment_document()] * 3, cart_document(payment_document()), {})
    ledger = ledger_over(project, monkeypatch)
    assert (
        await ledger.load("pay-1") == await ledger.load_by_key("k/1") == await ledger.create({"key": "k"}) == payment()
    )
    cart = await ledger.load_cart("cart-1")
    assert (cart.id, cart.version, cart.payments) == ("cart-1", 7, (payment(),))
    await ledger.attach(cart, payment())
    assert project.asked == [
        ("GET", PATH),
        ("GET", "/payments/key=k%2F1"),
        ("POST", "/payments", {"key": "k"}),
        ("GET", "/carts/cart-1", {"expand": "paymentInfo.payments[*]"}),
        (
            "POST",
            "/carts/cart-1",
            {"version": 7, "actions": [{"action": "addPayment", "payment": {"typeId": "payment", "id": "pay-1"}}]},
        ),
    ]


@pytest.mark.parametrize(
    ("counts", "found"),
    [([1], True), ([0, 1], True), ([2, 1], True), ([0, 0], False), ([2, 2], False), ([0, 2], False)],
)
async def test_the_psps_name_finds_a_payment_where_just_one_bears_it(monkeypatch, counts, found):
    """As the Payment's own, and then as a transaction's."""
    project = Project(*({"results": [payment_document()] * count} for count in counts))
    assert await ledger_over(project, monkeypatch).find("pay_1") == (payment() if found else None)
    assert project.answers == []


async def test_the_first_of_a_list_is_the_one_that_is_meant(monkeypatch):
    two = [payment_document(), payment_document(identity="pay-2")]
    project = Project({"results": two}, {"results": [cart_document(), cart_document()]}, {"results": []})
    ledger = ledger_over(project, monkeypatch)
    assert (await ledger.find_by_command("c-1", since=NOON)).id == "pay-1"
    assert (await ledger.find_cart("pay-1")).id == "cart-1"
    assert await ledger.find_cart("pay-1") is None
