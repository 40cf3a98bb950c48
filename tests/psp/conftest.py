"""The behaviour suite is imported, not collected: its assertions are to be as telling as those of test files."""

from __future__ import annotations

import pytest

pytest.register_assert_rewrite("support.adapter_suite")
