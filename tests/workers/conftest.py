from __future__ import annotations

import pytest
from support.house import open_house


@pytest.fixture
async def house():
    async with open_house() as found:
        yield found
