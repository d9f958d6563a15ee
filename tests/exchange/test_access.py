"""Who the exchange answers: programs of this machine that were told its keys, and no page in a browser."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

import aiohttp
import pytest

from tests.venues.kite.server.kite_rig import rig
from tradebot.exchange.access import AccessKeys

ORDER = {"exchange": "NSE", "tradingsymbol": "INFY", "transaction_type": "BUY", "order_type": "MARKET", "quantity": "1",
         "product": "MIS", "validity": "DAY"}  # fmt: skip


def test_no_two_runs_share_a_key() -> None:
    drawn = [AccessKeys.new_random() for _ in range(20)]
    assert len({key for keys in drawn for key in (keys.api_key, keys.api_secret, keys.access_token)}) == 60
    assert all(len(keys.access_token) >= 32 for keys in drawn)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({}, 200),
        ({"Host": "localhost:{port}"}, 200),
        ({"Host": "rebound.example:{port}"}, 403),
        ({"Host": "rebound.example"}, 403),
        ({"Host": "127.0.0.1.example:{port}"}, 403),
        ({"Origin": "http://127.0.0.1:{port}"}, 200),
        ({"Origin": "https://page.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
    ],
)
async def test_a_request_of_a_page_is_refused(headers: dict[str, str], status: int) -> None:
    async with rig() as r:
        given = {name: text.format(port=r.at.rest.rpartition(":")[2]) for name, text in headers.items()}
        async with r.client.get(f"{r.at.rest}/clock", headers=given) as answer:
            assert answer.status == status
        async with r.client.post(f"{r.at.rest}/orders/regular", data=ORDER, headers=r.headers | given) as answer:
            assert (answer.status == 403) is (status == 403)
        keys = f"api_key={r.at.api_key}&access_token={r.at.access_token}"
        async with AsyncExitStack() as stack:
            ticker = r.client.ws_connect(f"{r.at.ticker}/?{keys}", headers=given)
            if status == 403:
                with pytest.raises(aiohttp.WSServerHandshakeError, match="403"):
                    await stack.enter_async_context(ticker)
            else:
                await stack.enter_async_context(ticker)


async def test_two_hosts_in_one_request_are_none() -> None:
    async with rig() as r:
        port = int(r.at.rest.rpartition(":")[2])
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"GET /clock HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: page.example\r\nConnection: close\r\n\r\n")
        async with asyncio.timeout(5):
            answer = await reader.read()
        writer.close()
        assert answer.split()[1] in (b"400", b"403")
