"""The server that tests of Kite's REST side talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from tests.venues.kite.kite_on_loopback import Kite, kite_on_loopback


@pytest.fixture
async def kite() -> AsyncIterator[Kite]:
    async with kite_on_loopback() as kite:
        yield kite
