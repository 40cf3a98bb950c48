"""`ctpay dead-letters`: what a person sees, what he must not see, and what becomes of a letter."""

from __future__ import annotations

import asyncio
import io
import json
import os
import sys
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import aiohttp
import pytest
from rich.console import Console
from structlog.testing import capture_logs
from support.polling import eventually
from support.pubsub_servers import stand_in_server
from typer.testing import CliRunner

from bus.letters import Step, epitaph, next_step, read
from bus.memory import Happening, MemoryBus, Mishap
from bus.port import Cause, Delivery, dead
from bus.provision import ensure
from bus.pubsub import PubsubPublisher
from bus.shelf import ShelfError
from bus.topics import Names, Topic
from ctpay import letters as subject
from ctpay import local, ports
from ctpay.cli import app
from ctpay.letter_filter import Wanted, age
from ctpay.letters import Desk
from ctpay.logs import Masker

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANARY = "canary-4711"


class Clock:
    now = NOON

    def __call__(self):
        return self.now


class Office:
    """A desk over the bus in memory, and what was said at it."""

    def __init__(self, *, as_json=False, count_max=100):
        self.clock = Clock()
        self.bus = MemoryBus(clock=self.clock)
        self.out = io.StringIO()
        self.desk = Desk(
            open_shelf=self.bus.shelf,
            publisher=self.bus,
            clock=self.clock,
            mask=Masker().text,
            console=Console(file=self.out, width=200),
            as_json=as_json,
            count_max=count_max,
        )

    async def bury(self, data=b"?", *, topic=Topic.REFUND, cause=Cause.POISON, reason="it says no", **named):
        delivery = Delivery(message_id="m", data=data, attributes=named, published_at=self.clock(), attempt=1)
        written = epitaph(topic, delivery, dead(reason, cause), self.clock())
        await self.bus.publish(Topic.DEAD_LETTERS, data, written)
        return str(self.bus._count)

    @property
    def lines(self):
        return [json.loads(line) for line in self.out.getvalue().splitlines()]

    @property
    def left(self):
        return [one.message_id for one in self.bus.for_people]

    def published(self, topic):
        return [one for one in self.bus.log if one.happening is Happening.PUBLISHED and one.topic is topic]


async def test_a_listing_has_every_letter_the_longest_dead_first_and_takes_none_away():
    office = Office(as_json=True)
    first = await office.bury(type="RefundPayment", correlation_id="c-1")
    office.clock.now += timedelta(hours=1)
    second = await office.bury(topic=Topic.WEBHOOK, cause=Cause.REFUSED, reason="no such thing")
    await office.bury(cause=Cause.OUTAGE)
    assert await office.desk.listing(Wanted()) == 0
    assert [one["id"] for one in office.lines] == [first, second] == office.left
    assert office.lines[0] == {
        "id": first,
        "worker": "refund",
        "type": "RefundPayment",
        "cause": "poison",
        "reason": "it says no",
        "error": None,
        "correlation_id": "c-1",
        "attempts": 1,
        "replays": 0,
        "published_at": "2026-03-01T12:00:00+00:00",
        "first_dead_at": "2026-03-01T12:00:00+00:00",
        "dead_at": "2026-03-01T12:00:00+00:00",
        "bytes": 1,
    }


@pytest.mark.parametrize(("seconds", "told"), [(5, "5s ago"), (300, "5m ago"), (7200, "2h ago"), (3 * 86400, "3d ago")])
async def test_a_table_says_how_long_ago(seconds, told):
    office = Office()
    letter = await office.bury()
    office.clock.now += timedelta(seconds=seconds)
    assert await office.desk.listing(Wanted()) == 0
    assert all(text in office.out.getvalue() for text in (letter, "refund", "poison", "it says no", told))


async def test_no_letters_are_told_in_words_that_say_where_the_others_are_counted():
    office = Office()
    assert await office.desk.listing(Wanted()) == 0
    first, second = office.out.getvalue().splitlines()
    assert first == "No dead letter waits for a person."
    assert "ctpay_dead_letters_waiting" in second
    assert "/health/ready" in second
    assert f"the worker {Topic.DEAD_LETTERS}" in second


async def test_where_only_others_wait_than_were_asked_for_it_is_said_how_many():
    office = Office()
    for topic in (Topic.REFUND, Topic.WEBHOOK):
        await office.bury(topic=topic)
    await office.bury(cause=Cause.OUTAGE)
    assert await office.desk.listing(Wanted(worker=Topic.CAPTURE)) == 0
    assert office.out.getvalue() == "No dead letter that you ask for waits for a person. Others do: 2.\n"


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (Wanted(worker=Topic.WEBHOOK), [1]),
        (Wanted(reason="SUCH"), [1]),
        (Wanted(cause=Cause.POISON), [0]),
        (Wanted(type="RefundPayment"), [0]),
        (Wanted(correlation_id="c-2"), [1]),
        (Wanted(older_than=timedelta(hours=1)), [0]),
        (Wanted(newer_than=timedelta(hours=1)), [1]),
        (Wanted(cause=Cause.POISON, worker=Topic.WEBHOOK), []),
        (Wanted(), [0, 1]),
    ],
)
async def test_a_filter_means_what_fits_all_of_it(wanted, found):
    office = Office(as_json=True)
    ids = [await office.bury(type="RefundPayment", correlation_id="c-1")]
    office.clock.now += timedelta(hours=2)
    named = {"type": "PspNotification", "correlation_id": "c-2"}
    ids.append(await office.bury(topic=Topic.WEBHOOK, cause=Cause.REFUSED, reason="no such thing", **named))
    office.clock.now += timedelta(minutes=1)
    await office.desk.listing(wanted)
    assert [one["id"] for one in office.lines] == [ids[index] for index in found]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("90s", timedelta(seconds=90)),
        ("30m", timedelta(minutes=30)),
        ("2h", timedelta(hours=2)),
        ("7d", timedelta(days=7)),
    ],
)
def test_an_age_has_a_unit(text, found):
    assert age(text) == found
    for wrong in ("", text[:-1], f" {text}", f"-{text}", "1w"):
        with pytest.raises(ValueError, match="30m"):
            age(wrong)


async def test_a_replay_has_the_same_bytes_and_the_original_attributes_and_the_letter_goes():
    office = Office(as_json=True)
    letter = await office.bury(b"\x00 body", type="RefundPayment", correlation_id="c-1")
    stays = await office.bury(topic=Topic.WEBHOOK)
    assert await office.desk.replay(Wanted(worker=Topic.REFUND), per_s=1000) == 0
    (sent,) = office.published(Topic.REFUND)
    assert sent.data == b"\x00 body"
    original = {name: value for name, value in sent.attributes.items() if not name.startswith("ctpay_")}
    assert original == {"type": "RefundPayment", "correlation_id": "c-1"}
    assert "ctpay_replays" not in sent.attributes
    assert office.left == [stays]
    assert [(one["result"], one["id"]) for one in office.lines] == [("replayed", letter)]


async def test_what_was_given_up_replays_by_itself_again_where_a_person_has_replayed_it_into_another_outage():
    office = Office()
    long_ago = {"ctpay_first_dead_at": (NOON - timedelta(days=40)).isoformat(), "ctpay_replays": "300"}
    await office.bury(cause=Cause.GIVEN_UP, **long_ago)

    async def away(_delivery):
        return dead("down", Cause.OUTAGE)

    consumption = await office.bus.consume(Topic.REFUND, away)
    assert await office.desk.replay(Wanted(), per_s=1000) == 0
    await consumption.drain()

    buried = office.published(Topic.DEAD_LETTERS)[-1]
    letter = read(
        Delivery(message_id="l", data=buried.data, attributes=buried.attributes, published_at=buried.at, attempt=0)
    )
    assert (letter.cause, letter.replays, letter.first_dead_at) == (Cause.OUTAGE, 0, NOON)
    assert next_step(letter, NOON + timedelta(minutes=1)) is Step.REPLAYS


@pytest.mark.parametrize("mishap", [Mishap.PUBLISH_FAILS, Mishap.REPLY_LOST])
async def test_a_letter_whose_replay_is_not_confirmed_stays(mishap, capsys):
    office = Office()
    await office.bury()
    office.bus.mishaps = lambda topic, _: mishap if topic is Topic.REFUND else None
    assert await office.desk.replay(Wanted(), per_s=1000) == 1
    assert len(office.left) == 1
    assert "The bus " in capsys.readouterr().err
    office.bus.mishaps = lambda *_: None
    assert await office.desk.replay(Wanted(), per_s=1000) == 0
    assert office.left == []


async def test_a_letter_that_dies_again_is_not_replayed_twice_in_one_run():
    office = Office(as_json=True)

    async def poisoned(_delivery):
        return dead("again", Cause.POISON)

    await office.bus.consume(Topic.REFUND, poisoned)
    for _ in range(3):
        await office.bury()
    assert await office.desk.replay(Wanted(), per_s=1000) == 0
    assert len(office.published(Topic.REFUND)) == 3


@pytest.mark.parametrize("action", ["replay", "drop"])
async def test_a_trial_tells_and_does_nothing(action):
    office = Office()
    letter = await office.bury()
    assert await getattr(office.desk, action)(Wanted(), per_s=None) == 0
    assert office.left == [letter]
    assert office.published(Topic.REFUND) == []
    assert f"would be {action}" in office.out.getvalue()


async def test_what_is_dropped_is_gone_and_nothing_is_sent():
    office = Office()
    first, second = await office.bury(), await office.bury()
    assert await office.desk.drop(Wanted(ids=frozenset({first})), per_s=1000) == 0
    assert office.left == [second]
    assert office.published(Topic.REFUND) == []
    assert "1 dropped" in office.out.getvalue()


@pytest.mark.parametrize("action", ["replay", "drop"])
async def test_who_stops_it_half_way_is_told_that_it_is_not_all_and_the_rest_stays(action, capsys):
    office = Office()
    first, second = await office.bury(), await office.bury()
    running = asyncio.create_task(getattr(office.desk, action)(Wanted(), per_s=0.01))

    async def one_is_done():
        return first in office.out.getvalue()

    await eventually(one_is_done)
    running.cancel()
    assert await running == 1
    assert "Stopped" in capsys.readouterr().err
    assert office.left == [second]


@asynccontextmanager
async def slow_shelf(office, removing, goes_on, *, fails=False):
    """A shelf whose removals take as long as the test says."""
    async with office.bus.shelf() as shelf:

        class Slow:
            take = staticmethod(shelf.take)

            async def remove(self, message_id):
                removing.set()
                await goes_on.wait()
                if fails:
                    raise ShelfError("Pub/Sub has not removed it.")
                await shelf.remove(message_id)

        yield Slow()


@pytest.mark.parametrize(("action", "done"), [("replay", "replayed"), ("drop", "dropped")])
async def test_a_letter_that_is_being_removed_when_somebody_stops_it_is_removed_told_and_logged(action, done, capsys):
    office, removing, goes_on = Office(as_json=True), asyncio.Event(), asyncio.Event()
    first, second = await office.bury(), await office.bury()
    desk = replace(office.desk, open_shelf=lambda: slow_shelf(office, removing, goes_on))
    with capture_logs() as lines:
        running = asyncio.create_task(getattr(desk, action)(Wanted(), per_s=1000))
        await removing.wait()
        running.cancel()
        asyncio.get_running_loop().call_soon(goes_on.set)
        assert await running == 1
    assert [(one["id"], one["result"]) for one in office.lines] == [(first, done)]
    assert [(one["event"], one["message_id"]) for one in lines] == [(f"dead_letter.{done}", first)]
    assert office.left == [second]
    assert "What is not told above is still there." in capsys.readouterr().err


async def test_where_a_letter_cannot_be_removed_when_somebody_stops_it_that_is_told(capsys):
    office, removing, goes_on = Office(as_json=True), asyncio.Event(), asyncio.Event()
    letter = await office.bury()
    desk = replace(office.desk, open_shelf=lambda: slow_shelf(office, removing, goes_on, fails=True))
    running = asyncio.create_task(desk.drop(Wanted(), per_s=1000))
    await removing.wait()
    running.cancel()
    asyncio.get_running_loop().call_soon(goes_on.set)
    assert await running == 1
    assert capsys.readouterr().err == "Pub/Sub has not removed it.\n"
    assert (office.lines, office.left) == ([], [letter])


async def test_letters_are_replayed_no_faster_than_asked():
    office = Office()
    for _ in range(4):
        await office.bury()
    started = asyncio.get_running_loop().time()
    await office.desk.replay(Wanted(), per_s=50)
    assert asyncio.get_running_loop().time() - started >= 3 / 50


async def test_a_letter_from_nowhere_is_not_replayed_and_can_be_dropped(capsys):
    office = Office()
    await office.bus.publish(Topic.DEAD_LETTERS, b"?", {"ctpay_for": "person"})
    assert await office.desk.replay(Wanted(), per_s=1000) == 1
    assert "nobody knows its topic" in capsys.readouterr().err
    assert len(office.left) == 1
    assert await office.desk.drop(Wanted(), per_s=1000) == 0
    assert office.left == []


@pytest.mark.parametrize("limit", ["count", "bytes"])
async def test_no_more_are_taken_in_hand_than_allowed_and_that_is_said(limit, capsys, monkeypatch):
    office = Office(as_json=True, count_max=2 if limit == "count" else 100)
    monkeypatch.setattr(subject, "_GATHERED_BYTES_MAX", 10**9 if limit == "count" else 25)
    for _ in range(3):
        await office.bury(b"0123456789")
    assert await office.desk.listing(Wanted()) == 0
    assert len(office.lines) == 2
    assert "There are more" in capsys.readouterr().err
    assert len(office.left) == 3


async def test_an_id_that_is_not_there_is_told(capsys):
    office = Office()
    letter = await office.bury()
    assert await office.desk.show(Wanted(ids=frozenset({letter, "4711"}))) == 1
    assert "4711" in capsys.readouterr().err
    assert letter in office.out.getvalue()


async def test_where_the_bus_is_away_that_is_told_and_the_exit_code_is_1(capsys):
    office = Office()

    @asynccontextmanager
    async def away():
        raise ShelfError("Run `ctpay setup`.")
        yield

    assert await replace(office.desk, open_shelf=away).listing(Wanted()) == 1
    assert "ctpay setup" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("action", "said"), [("replay", ("replayed", "would be replayed")), ("drop", ("dropped", "would be dropped"))]
)
async def test_what_becomes_of_letters_is_said_in_its_own_words_and_before_it_is_done(action, said):
    for per_s, word in ((1000, said[0]), (None, said[1])):
        office = Office(as_json=True)
        await office.bury()
        assert await getattr(office.desk, action)(Wanted(), per_s=per_s) == 0
        assert [one["result"] for one in office.lines] == [word]


async def test_nothing_on_a_letter_moves_the_cursor_or_is_taken_for_markup():
    office = Office()
    evil = "\x1b[2J[red]:smile:\u202e\r\n" + "x" * 2000
    letter = await office.bury(evil.encode(), reason=evil, type=evil, correlation_id=evil)
    await office.desk.listing(Wanted())
    await office.desk.show(Wanted(ids=frozenset({letter})))
    await office.desk.replay(Wanted(), per_s=1000)
    said = office.out.getvalue()
    assert not any(sign in said for sign in ("\x1b", "\u202e", "\r"))
    assert "[red]:smile:" in said
    assert "x" * 301 not in said


# The command itself.


@pytest.mark.parametrize(
    "arguments",
    [
        ["replay"],
        ["drop"],
        ["drop", "--yes"],
        ["show"],
        ["list", "--older-than", "long"],
        ["list", "--cause", "bad luck"],
        ["list", "--worker", "nobody"],
        ["replay", "--all", "--rate", "0"],
        ["list", "--limit", "0"],
    ],
)
def test_arguments_that_cannot_be_used_end_with_2(arguments):
    assert CliRunner().invoke(app, ["dead-letters", *arguments]).exit_code == 2


@pytest.mark.parametrize("command", ["list", "replay", "drop"])
@pytest.mark.parametrize("option", ["--reason", "--type", "--correlation-id", "--older-than", "--newer-than"])
def test_an_option_that_a_script_left_empty_means_nothing_and_not_every_letter(monkeypatch, command, option):
    monkeypatch.setattr("ctpay.dead_letters._run", lambda *_, **__: pytest.fail("it went to the letters"))
    really = {"drop": ["--yes"]}.get(command, [])
    told = CliRunner().invoke(app, ["dead-letters", command, "--cause", "poison", option, "", *really])
    assert (told.exit_code, option in told.output) == (2, True)


@pytest.mark.parametrize("command", ["replay", "drop"])
def test_an_id_that_a_script_left_empty_is_refused(monkeypatch, command):
    monkeypatch.setattr("ctpay.dead_letters._run", lambda *_, **__: pytest.fail("it went to the letters"))
    assert CliRunner().invoke(app, ["dead-letters", command, "4711", ""]).exit_code == 2


@pytest.mark.parametrize("command", ["list", "show", "replay", "drop"])
def test_every_command_has_an_example(command):
    said = CliRunner().invoke(app, ["dead-letters", command, "--help"], env={"COLUMNS": "200"}).output
    assert f"ctpay dead-letters {command}" in said


@asynccontextmanager
async def worker(environment, health):
    """`ctpay worker dead-letters`, from ready to its orderly end."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "ctpay", "worker", "dead-letters"),
        env=environment | {"WORKER_PORT": str(health)},
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    try:
        assert json.loads(await process.stdout.readline()) == {"ready": "workers", "names": ["dead-letters"]}
        yield
    finally:
        process.terminate()
        code = await process.wait()
    assert code == 0


async def test_from_a_shell_letters_are_listed_shown_replayed_and_dropped_and_health_tells_of_them(monkeypatch):
    with stand_in_server() as address:
        usable = ports.free()
        environment = local.environment(usable, os.environ) | {"PUBSUB_EMULATOR_HOST": address}
        monkeypatch.setenv("PUBSUB_EMULATOR_HOST", address)
        names = Names(project=environment["GOOGLE_CLOUD_PROJECT"])

        async def ctpay(*arguments):
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "ctpay", "dead-letters", *arguments),
                env=environment,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
            )
            out, err = await process.communicate()
            return process.returncode, out.decode(), err.decode()

        await asyncio.to_thread(ensure, names)
        publisher = PubsubPublisher(names=names)
        for topic, cause, died_at in (
            (Topic.REFUND, Cause.REFUSED, NOON),
            (Topic.WEBHOOK, Cause.POISON, NOON),
            # It has a minute until its first replay.
            (Topic.CAPTURE, Cause.OUTAGE, datetime.now(UTC)),
        ):
            delivery = Delivery(message_id="m", data=CANARY.encode(), attributes={}, published_at=died_at, attempt=1)
            await publisher.publish(
                Topic.DEAD_LETTERS, delivery.data, epitaph(topic, delivery, dead("no", cause), died_at)
            )
        await publisher.close()
        async with aiohttp.ClientSession() as http:

            async def ready(name):
                async with http.get(f"http://127.0.0.1:{usable.shop}/health/ready") as response:
                    said = await response.json()
                assert (response.status, said["status"], said["failed"]) == (200, "ready", [])
                return {(one["worker"], one["cause"], one["count"]) for one in said[name]}

            async def metrics():
                async with http.get(f"http://127.0.0.1:{usable.shop}/metrics") as response:
                    assert response.headers["Content-Type"].startswith("text/plain; version=0.0.4")
                    return (await response.text()).splitlines()

            async def both_told():
                return await ready("dead_letters_for_a_person") == {("refund", "refused", 1), ("webhook", "poison", 1)}

            async def waiting_told():
                return await ready("dead_letters_waiting") == {("capture", "outage", 1)}

            async with worker(environment, usable.shop):
                await eventually(both_told)
                await eventually(waiting_told)
                assert 'ctpay_dead_letters_waiting{cause="outage",worker="capture"} 1.0' in await metrics()
            # A process that starts later is brought no letter of these, and tells of them all the same.
            async with worker(environment, usable.shop):
                await eventually(both_told)
                lines = await metrics()
            name = "ctpay_dead_letters_for_a_person_total"
            assert f'{name}{{cause="refused",worker="refund"}} 1.0' in lines
            assert f'{name}{{cause="poison",worker="webhook"}} 1.0' in lines
        code, out, _ = await ctpay("list", "--json", "--wait", "0.3")
        found = {one["worker"]: one["id"] for one in map(json.loads, out.splitlines())}
        assert (code, set(found)) == (0, {"refund", "webhook"})
        code, out, _ = await ctpay("show", found["refund"])
        assert (code, json.loads(out)["id"], CANARY in out) == (0, found["refund"], False)
        code, out, _ = await ctpay("replay", found["refund"])
        assert (code, "1 replayed" in out) == (0, True)
        code, out, said = await ctpay("drop", "--worker", "webhook", "--yes", "--json", "--wait", "0.3")
        assert (code, json.loads(out)["result"]) == (0, "dropped")
        assert '"dead_letter.dropped"' in said
        code, out, _ = await ctpay("list", "--json", "--wait", "0.3")
        assert (code, out) == (0, "")
