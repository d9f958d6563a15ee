"""What a gateway makes of the rows of a book: whole books around one odd row, and nothing of ours changed in sense."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest

from tests.venues.kite.server.kite_rig import rig
from tradebot.exchange.faults.catalogue import FAULT_KINDS, KINDS_BY_NAME, FaultStage
from tradebot.exchange.faults.fault_plan import FaultPlan
from tradebot.exchange.faults.points import BOOK_POINTS
from tradebot.venues.kite.server.corrupted_answers import ROWS
from tradebot.venues.kite.server.corrupted_rows import FOREIGN_ROWS, ODD_FIELDS, corrupt_rows

PATHS = {"orders.list": "/orders", "trades": "/trades", "positions": "/portfolio/positions"}
OURS: dict[str, list[dict[str, Any]]] = {
    point: [row | {"tag": "t1", "order_id": str(n), "trade_id": str(n), "price": 3600.05} for n in (1, 2)]
    for point, row in FOREIGN_ROWS.items()
}


@pytest.mark.parametrize("name", ROWS)
@pytest.mark.parametrize("draw", [0.0, 0.3, 0.6, 0.999])
def test_rows_that_were_given_stay_as_they_were(name: str, draw: float) -> None:
    for point in KINDS_BY_NAME[name].points:
        rows = copy.deepcopy(OURS[point])
        after = corrupt_rows(name, point, rows, draw)
        assert rows == OURS[point]
        assert after != rows, point
        json.dumps(after)


@pytest.mark.parametrize("point", BOOK_POINTS)
def test_each_way_in_which_a_strangers_row_is_odd_comes_once_in_a_while(point: str) -> None:
    seen = [corrupt_rows("foreign-rows", point, OURS[point], n / 1_000)[-1] for n in range(1_000)]
    assert all(FOREIGN_ROWS[point] | odd in seen for odd in ODD_FIELDS[point])


async def test_every_book_is_told_with_the_rows_of_its_kind() -> None:
    kinds = [kind for kind in FAULT_KINDS if kind.stage is FaultStage.FALSE_DATA and kind.name in ROWS]
    for point, path in PATHS.items():
        for kind in (k for k in kinds if point in k.points):
            async with rig(faults=FaultPlan.parse(f"{kind.name}:{point}@2", 3)) as r:
                await r.place()
                await r.place(order_type="LIMIT", price="3600.10")
                r.step(5)
                before = await r.data("GET", path)
                after = await r.data("GET", path)
                if point == "positions":
                    before, after = before["net"], after["net"]
                if not (kind.name == "reordered-rows" and len(before) < 2):
                    assert after != before, f"{kind.name} at {point}"


async def test_an_answer_of_nothing_and_a_stream_refused_by_a_firewall() -> None:
    async with rig(faults=FaultPlan.parse("null-data:orders.list@1, connect-403@1", 3)) as r:
        assert await r.data("GET", "/orders") is None
        stream = f"{r.at.ticker.replace('ws', 'http', 1)}/?api_key={r.at.api_key}&access_token={r.at.access_token}"
        upgrade = {"Upgrade": "websocket", "Connection": "Upgrade", "Sec-WebSocket-Version": "13",
                   "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ=="}  # fmt: skip
        async with r.client.get(stream, headers=upgrade) as refused:
            assert (refused.status, refused.content_type) == (403, "text/html")
