"""The server that tests of Kite's REST side talk to."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from tests.venues.kite.kite_on_loopback import Kite


@pytest.fixture
async def kite() -> AsyncIterator[Kite]:
    kite = Kite()
    app = web.Application()
    app.router.add_route("*", "/{tail:.*}", kite.serve_client)
    async with TestServer(app, host="127.0.0.1") as server:
        kite.address = str(server.make_url("")).rstrip("/")
        yield kite
