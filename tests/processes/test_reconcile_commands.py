"""`ctpay reconcile`, its worker and `ctpay resolve` as real processes over the real stand-ins."""

from __future__ import annotations

import asyncio
import json
import sys
from datetime import UTC, datetime, timedelta

import pytest
from support.polling import eventually
from support.stack import PATIENCE_S

pytestmark = [
    pytest.mark.asyncio(loop_scope="session"),
    pytest.mark.timeout(180),
    pytest.mark.parametrize("running", ["stand-in"], indirect=True),
]


async def ctpay(stack, *arguments):
    """Run a command to its end: exit code, the lines of its JSON, and what it said beside."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "ctpay", *arguments, "--json"),
        env={**stack.environment, "LOG_LEVEL": "error"},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, err = await asyncio.wait_for(process.communicate(), PATIENCE_S)
    return process.returncode, [json.loads(line) for line in out.splitlines()], err.decode()


def about(lines, payment):
    return [one for one in lines if one.get("payment_id") == payment]


async def decided_in_secret(stack):
    """An authorization that the PSP decides while its webhooks go nowhere."""
    await stack.webhooks(on=False)
    _, reply = await stack.pay(await stack.fill_cart(), "tok_pending", wait_s=30)
    payment = reply["paymentReference"]
    psp_payment = (await stack.payment(payment))["interfaceId"]
    await stack.psp_control("POST", f"/payments/{psp_payment}/settle", {"decision": "approve"})
    assert await stack.rows(payment) == [("Authorization", "Pending", 4200)]
    return payment


async def test_what_is_stuck_is_settled_by_the_command(stack):
    payment = await decided_in_secret(stack)
    code, lines, said = await ctpay(stack, "reconcile", "--older-than", "0s")
    assert code in {0, 3}, said
    (step,) = about(lines, payment)
    assert (step["step"], step["state"]) == ("settled", "Success")
    assert await stack.rows(payment) == [("Authorization", "Success", 4200)]


async def test_what_is_stuck_is_settled_by_the_worker_and_it_stops_in_order(stack):
    payment = await decided_in_secret(stack)
    await stack.start("reconcile", RECONCILE_EVERY_S="0.2", RECONCILE_RESTED_S="0.01")
    await stack.until_rows({payment: [("Authorization", "Success", 4200)]})
    await stack.stop("reconcile")
    passes = [one for one in stack.lines if one.get("event") == "reconcile.pass"]
    assert sum(one["settled"] for one in passes) >= 1
    assert len({one["command_id"] for one in passes}) == len(passes)


async def test_what_failed_late_in_secret_is_found_by_the_worker_without_anybodys_request(stack):
    """Nothing is open here: no pass would ever look at it."""
    payment = await stack.authorized(captured=1000)
    await stack.webhooks(on=False)
    charge = next(one for one in (await stack.payment(payment))["transactions"] if one["type"] == "Charge")
    await stack.psp_control("POST", f"/captures/{charge['interactionId']}/fail", {"after_days": 0})
    assert ("Charge", "Success", 1000) in await stack.rows(payment)
    often = {"RECONCILE_COMPARE_EVERY_S": "0.5", "RECONCILE_COMPARED_S": "3600", "RECONCILE_RESTED_S": "0.01"}
    await stack.start("reconcile", **often)
    await stack.until_rows({payment: [("Authorization", "Success", 4200), ("Charge", "Failure", 1000)]})
    await stack.stop("reconcile")
    found = [one for one in stack.lines if one.get("event") == "reconcile.comparison"]
    assert sum(one["settled"] for one in found) >= 1
    assert {"missing", "extra", "other-amount", "other-state", "stuck"} <= found[0].keys()
    assert "left_out" not in found[0]


async def test_the_lists_are_compared_and_repaired_by_request(stack, tmp_path):
    since = (datetime.now(UTC) - timedelta(seconds=2)).isoformat()
    payment = await decided_in_secret(stack)
    captured = await stack.authorized(captured=1000)
    draft = {"type": "Refund", "amount": {"centAmount": 5, "currencyCode": "EUR"}, "state": "Success"}

    async def planted():
        version = (await stack.payment(captured))["version"]
        body = {"version": version, "actions": [{"action": "addTransaction", "transaction": draft}]}
        return (await stack._ask_commercetools("POST", f"/payments/{captured}", body))[0] == 200

    await eventually(planted, within_s=PATIENCE_S)
    span = ("--from", since, "--older-than", "0s", "--progress", str(tmp_path / "progress"))
    code, lines, said = await ctpay(stack, "reconcile", *span)
    assert code == 3, said
    assert [(one["difference"], one["kind"], one["repaired"]) for one in about(lines, payment)] == [
        ("other-state", "Authorization", False)
    ]
    assert [(one["difference"], one["kind"]) for one in about(lines, captured)] == [("extra", "Refund")]
    assert lines[-1]["complete"] is True
    assert not list(tmp_path.iterdir())
    assert await stack.rows(payment) == [("Authorization", "Pending", 4200)]

    code, lines, said = await ctpay(stack, "reconcile", *span, "--repair")
    assert code == 3, said
    assert [one["repaired"] for one in about(lines, payment)] == [True]
    assert await stack.rows(payment) == [("Authorization", "Success", 4200)]
    assert len(about(lines, captured)) == 1


async def test_a_person_ends_what_nobody_can_tell(stack):
    fields = {"ctpayCommandId": "lost-1", "ctpaySendBy": "2026-01-01T00:00:00.000Z"}
    authorization = {
        "type": "Authorization",
        "amount": {"centAmount": 4200, "currencyCode": "EUR"},
        "state": "Pending",
        "custom": {"type": {"typeId": "type", "key": "ctpay-transaction"}, "fields": fields},
    }
    draft = {
        "amountPlanned": {"centAmount": 4200, "currencyCode": "EUR"},
        "paymentMethodInfo": {"paymentInterface": "ctpay-sandbox"},
        "transactions": [authorization],
    }
    _, made = await stack._ask_commercetools("POST", "/payments", draft)
    payment, transaction = made["id"], made["transactions"][0]["id"]
    word = ("--as", "failure", "--evidence", "PSP support, ticket 4711", "--by", "Ada")
    code, (said,), _ = await ctpay(stack, "resolve", payment, transaction, *word)
    assert (code, said["end"], said["state"]) == (0, "written", "Failure")
    written = [one["fields"] for one in (await stack.payment(payment))["interfaceInteractions"]]
    (entry,) = [one for one in written if one["ctpayKind"] == "resolved"]
    assert (entry["ctpayCause"], entry["ctpayMessage"]) == ("Ada", "PSP support, ticket 4711")
