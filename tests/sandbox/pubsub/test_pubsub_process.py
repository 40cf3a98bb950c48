"""The stand-in as a process: how it starts and stops, what it has not, and how soon a message arrives."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from google.protobuf.field_mask_pb2 import FieldMask
from google.pubsub_v1 import types
from support.pubsub_servers import ROOT, stand_in_server
from support.pubsub_wire import PROJECT, Wire, status


@contextmanager
def process(*arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    command = [sys.executable, "-m", "sandbox.pubsub", *arguments]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as started:
        try:
            yield started
        finally:
            started.kill()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_it_says_where_it_is_and_stops_in_silence_when_told(number: signal.Signals):
    with process("--port", "0") as started:
        assert started.stdout is not None
        ready = json.loads(started.stdout.readline())
        assert ready == {"ready": "pubsub", "port": ready["port"], "host": f"127.0.0.1:{ready['port']}"}
        started.send_signal(number)
        output, errors = started.communicate(timeout=10)
    assert (started.returncode, output, errors) == (0, b"", b"")


def test_a_taken_port_is_said_in_one_line():
    with stand_in_server() as address, process("--port", address.rsplit(":", 1)[1]) as second:
        output, errors = second.communicate(timeout=20)
    assert (second.returncode, output) == (1, b"")
    assert b"--port" in errors
    assert errors.count(b"\n") == 1


@pytest.mark.parametrize(
    "settings",
    [
        {"enable_exactly_once_delivery": True},
        {"enable_message_ordering": True},
        {"push_config": {"push_endpoint": "https://example.com"}},
        {"bigquery_config": {"table": "a.b.c"}},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_a_promise_that_is_not_kept_is_not_given(stand_in: Wire, settings: dict):
    topic, name = stand_in.both()
    assert status(lambda: stand_in.subscription(topic, **settings)) == "UNIMPLEMENTED"
    changed = types.Subscription({"name": name, **settings})
    update = {"subscription": changed, "update_mask": FieldMask(paths=list(settings))}
    assert status(lambda: stand_in.subscriber.update_subscription(request=update)) == "UNIMPLEMENTED"


def test_snapshots_schemas_and_keys_of_encryption_are_missing(stand_in: Wire):
    _, name = stand_in.both()
    snapshot = f"projects/{PROJECT}/snapshots/one"
    seek = {"subscription": name, "snapshot": snapshot}
    assert status(lambda: stand_in.subscriber.seek(request=seek)) == "UNIMPLEMENTED"
    create = {"name": snapshot, "subscription": name}
    assert status(lambda: stand_in.subscriber.create_snapshot(request=create)) == "UNIMPLEMENTED"
    assert status(lambda: stand_in.topic(kms_key_name="key")) == "UNIMPLEMENTED"


def test_a_policy_without_a_ttl_means_that_the_subscription_never_expires(stand_in: Wire):
    topic, usual = stand_in.both()
    never = stand_in.subscription(topic, expiration_policy={})
    get = stand_in.subscriber.get_subscription
    assert get(subscription=usual).expiration_policy.ttl == timedelta(days=31)
    assert "ttl" not in get(subscription=never).expiration_policy


def test_topics_can_be_changed_and_fixed_fields_cannot(stand_in: Wire):
    topic, name = stand_in.both(filter="attributes:a")
    retention = timedelta(hours=2)
    changed = types.Topic(name=topic, message_retention_duration=retention, labels={"not": "named"})
    update = {"topic": changed, "update_mask": FieldMask(paths=["message_retention_duration"])}
    assert stand_in.publisher.update_topic(request=update).message_retention_duration == retention
    assert stand_in.publisher.get_topic(topic=topic).labels == {}
    other = types.Subscription(name=name, filter="attributes:b")
    update = {"subscription": other, "update_mask": FieldMask(paths=["filter"])}
    assert status(lambda: stand_in.subscriber.update_subscription(request=update)) == "INVALID_ARGUMENT"


def test_long_lists_come_in_pages(stand_in: Wire):
    project = f"projects/{PROJECT}-pages"
    names = [f"{project}/topics/page-{number}" for number in range(5)]
    for name in names:
        stand_in.publisher.create_topic(name=name)
    pages = stand_in.publisher.list_topics(request={"project": project, "page_size": 2}).pages
    assert [[topic.name for topic in page.topics] for page in pages] == [names[:2], names[2:4], names[4:]]


def test_a_stream_that_breaks_the_rules_ends_with_the_reason(stand_in: Wire):
    _, name = stand_in.both()
    requests = {
        "other deadlines than ids": {"modify_deadline_ack_ids": ["1-1"]},
        "a second name": {"subscription": name},
        "a nonsense id": {"ack_ids": ["nonsense"]},
        "a short deadline": {"stream_ack_deadline_seconds": 9},
    }
    for request in requests.values():
        with stand_in.stream(name) as stream:
            stream.say(**request)
            assert status(stream.read) == "INVALID_ARGUMENT"


def test_no_message_waits_for_a_clock_tick(stand_in: Wire):
    topic, name = stand_in.both()
    with stand_in.listening(name) as inbox:
        times = []
        for _ in range(30):
            started = time.perf_counter()
            stand_in.publish(topic, b"x")
            inbox.next().ack()
            times.append(time.perf_counter() - started)
    # The best of many, because the machine may be busy; a server that polls has no good ones.
    assert min(times) < 0.02
