"""JSON as it is read, written and copied outside the product: by what is fastest, since a seed does so much of it.

A whole number of more than 64 bits would become a float here. Nobody sends one.
"""

from __future__ import annotations

import json
from typing import Any

import orjson


def parsed(data: bytes) -> Any:
    """What these bytes say. Raises ValueError.

    What is JSON to Python alone (NaN, half a surrogate) is read by Python, as the product reads it.
    """
    try:
        return orjson.loads(data)
    except orjson.JSONDecodeError:
        return json.loads(data)


def written(value: Any) -> bytes:
    """The bytes that say it."""
    return orjson.dumps(value)


def copied(value: Any) -> Any:
    """A copy that shares nothing that can change."""
    return orjson.loads(orjson.dumps(value))
