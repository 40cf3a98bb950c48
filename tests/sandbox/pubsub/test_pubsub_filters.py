"""The filter language: what it says, and that nothing unreadable passes."""

from __future__ import annotations

import pytest

from sandbox.pubsub.errors import RefusedError, Status
from sandbox.pubsub.filters import compiled

ATTRIBUTES = {"type": "capture", "reply_to": "host-1", "iana.org/lang": "en", "quoted": 'say "hi"\\'}


@pytest.mark.parametrize(
    "text",
    [
        "",
        "   ",
        "attributes:type",
        'attributes.type = "capture"',
        'attributes.type="capture"',
        'attributes.type != "refund"',
        'attributes.absent != "x"',
        'attributes:"iana.org/lang"',
        'attributes."iana.org/lang" = "en"',
        'hasPrefix(attributes.reply_to, "host-")',
        'hasPrefix(attributes.reply_to, "")',
        "NOT attributes:absent",
        "-attributes:absent",
        "NOT NOT attributes:type",
        'attributes:type AND attributes:reply_to AND attributes.type = "capture"',
        "attributes:absent OR attributes:type",
        "(attributes:absent OR attributes:type) AND NOT (attributes:absent AND attributes:type)",
        r'attributes.quoted = "say \"hi\"\\"',
        r'attributes.type = "\u0063\x61\160ture"',
    ],
)
def test_it_matches(text: str):
    assert compiled(text)(ATTRIBUTES)


@pytest.mark.parametrize(
    "text",
    [
        "attributes:absent",
        "attributes:Type",
        'attributes.type = "Capture"',
        'attributes.type != "capture"',
        'attributes.absent = ""',
        'hasPrefix(attributes.reply_to, "ost")',
        'hasPrefix(attributes.absent, "")',
        "NOT attributes:type",
        "attributes:type AND attributes:absent",
        "attributes:absent OR NOT attributes:type",
    ],
)
def test_it_does_not_match(text: str):
    assert not compiled(text)(ATTRIBUTES)


@pytest.mark.parametrize(
    "text",
    [
        "type",
        "attributes",
        "attributes.",
        "attributes:",
        "attributes.type",
        "attributes.type = capture",
        "attributes.type = 'capture'",
        'attributes.type = "capture',
        'attributes.type == "capture"',
        'attributes.type > "a"',
        'attribute.type = "capture"',
        "attributes:a AND attributes:b OR attributes:c",
        "attributes:a attributes:b",
        "attributes:a and attributes:b",
        "attributes:a AND",
        "(attributes:a",
        "attributes:a)",
        'hasPrefix(attributes:a, "x")',
        'hasPrefix("a", attributes.a)',
        'hasSuffix(attributes.a, "x")',
        "NOT",
        'attributes.a = "' + "x" * 256 + '"',
    ],
)
def test_what_cannot_be_read_is_refused(text: str):
    with pytest.raises(RefusedError) as refused:
        compiled(text)
    assert refused.value.status is Status.INVALID_ARGUMENT
