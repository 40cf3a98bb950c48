"""The document of our routes as it was reviewed: `docs/openapi.json`. Storefronts are built from it.

After a change that is meant: WRITE_OPENAPI=1 .venv/bin/python -m pytest tests/handlers/test_document.py
"""

from __future__ import annotations

import json
import os
from pathlib import Path

from handlers import openapi
from handlers.app import ROUTES

REVIEWED = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_document_changes_only_with_the_one_that_was_reviewed():
    routes = openapi.with_document(ROUTES, server_url="https://pay.example", version="0")
    document = openapi.document(routes, server_url="https://pay.example", version="0")
    text = json.dumps(document, indent=1, ensure_ascii=False) + "\n"
    if os.environ.get("WRITE_OPENAPI") == "1":
        REVIEWED.write_text(text)
    assert REVIEWED.read_text() == text, "The API's document changed. If that is meant, write it: see this file's top."
