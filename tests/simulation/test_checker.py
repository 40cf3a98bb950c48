"""The checker is independent of what it judges: it shares no code with the product, and takes no limit from it on trust."""

from __future__ import annotations

import ast
from datetime import timedelta
from pathlib import Path

import pytest
from simulation import seed
from simulation.crashes import quiet
from simulation.logs import Rules
from simulation.loop import collect

from ctpay.settings import Limits

HERE = Path(__file__).parent
#: The rooms of the product and of its stand-ins.
ROOMS = {"bus", "ct", "ctpay", "enabler", "handlers", "psp", "sandbox", "workers"}
JUDGES = {"reading", "projection", "durable", "sending", "logs", "documents"} | {
    one.stem for one in HERE.glob("invariants*.py")
}
MINUTE, HOUR, DAY = timedelta(minutes=1), timedelta(hours=1), timedelta(days=1)


def imported_by(module):
    """All that a module of the simulation imports by name, wherever in it."""
    for node in ast.walk(ast.parse((HERE / f"{module}.py").read_text())):
        if isinstance(node, ast.Import):
            yield from (one.name for one in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, f"{module} imports by place"
            yield node.module
            # It may be a module that is imported, and not something in one.
            yield from (f"{node.module}.{one.name}" for one in node.names)


def reached_from(module):
    """Module of the simulation -> what it imports, for all that are imported for it."""
    reached, left = {}, {module}
    while left:
        one = left.pop()
        reached[one] = set(imported_by(one))
        here = {name.split(".")[1] for name in reached[one] if name.startswith("simulation.")}
        left |= {name for name in here if (HERE / f"{name}.py").exists()} - set(reached)
    return reached


@pytest.mark.parametrize("judge", sorted(JUDGES))
def test_the_checker_shares_no_code_with_the_product(judge):
    for module, imported in reached_from(judge).items():
        shared = {name for name in imported if name.split(".")[0] in ROOMS}
        assert not shared, f"{module}, which is imported for {judge}, shares {shared} with the product"


def test_what_does_share_code_would_be_found():
    assert any(name.split(".")[0] in ROOMS for names in reached_from("seed").values() for name in names)


#: What is promised, said a second time: the rules of a seed come from the product's settings and tables, and one that
#: allowed itself ten days to send an authorization would be judged by ten days.
PROMISED = Rules(
    project_key="demo",
    interface="ctpay-sandbox",
    key_lifetime=DAY,
    key_length_max=255,
    key_margin=HOUR,
    authorization_send_by=15 * MINUTE,
    lease_max=10 * MINUTE,
    action_within=DAY,
    # Half a day in the product. What follows is the same, and a seed is shorter.
    event_patience=HOUR,
    skew_max=4 * MINUTE,
    attempts={
        **dict.fromkeys(("authorize", "capture", "cancel", "refund", "methods", "webhook", "commercetools"), 90),
        "results": None,
        "dead-letters": None,
    },
    webhook_tolerance=5 * MINUTE,
    told_within=timedelta(seconds=1),
)


def test_a_seed_is_judged_by_what_is_promised_whatever_the_product_allows_itself():
    with quiet():
        assert seed.run(1).rules == PROMISED
        collect()


def test_an_event_waits_half_a_day_for_its_payment_where_nobody_says_otherwise():
    assert timedelta(seconds=Limits().event_patience_s) == DAY / 2
