"""The official Python client trades on our exchange: what it reads is what the exchange holds."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import Iterator
from decimal import Decimal
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tradebot.clock import IST, SECOND, MarketClock, WallClock, parse_iso
from tradebot.domain.instrument import Universe
from tradebot.exchange.account import DematHolding, OpeningBalance
from tradebot.exchange.exchange import Exchange
from tradebot.exchange.latency import TYPICAL_LATENCY
from tradebot.exchange.prices.synthetic import SyntheticPrices
from tradebot.exchange.rate_limits import LimitSpan, RateLimits, RequestLimit
from tradebot.exchange.server import serve_exchange
from tradebot.exchange.snapshot import Snapshots
from tradebot.markets.listing import universe_for
from tradebot.venues.kite.server.kite_server import KiteServer
from tradebot.venues.kite.server.limits import KITE_LIMITS
from tradebot.venues.kite.server.wire import KITE_STATUSES

HERE = Path(__file__).resolve().parent
CLIENT = HERE.parents[1] / ".venv-sdk/bin/python"
SYMBOLS = ("RELIANCE", "TCS", "INFY", "NIFTY 50")
OPENS_AT = parse_iso("2026-11-23T09:15:00", IST)
DEADLINE_S = 50
# The client is quicker than the real limits, which have tests of their own.
NO_LIMITS = {group: (RequestLimit(count=10_000, span=LimitSpan.SECOND),) for group in KITE_LIMITS}
QUOTE = {
    "last_price": "last", "last_traded_quantity": "last_quantity", "average_traded_price": "average",
    "volume_traded": "volume", "total_buy_quantity": "buy_quantity", "total_sell_quantity": "sell_quantity",
    "open": "open", "high": "high", "low": "low", "close": "previous_close",
}  # fmt: skip
PRICES = ("last_price", "average_traded_price", "open", "high", "low", "close")


@pytest.fixture(scope="module")
def seen() -> Iterator[tuple[dict[str, Any], Exchange, dict[int, list[dict[str, Any]]]]]:
    """Return what the client read, the exchange after it, and every published row by token."""
    if not CLIENT.exists():
        reason = "the official client is not installed; run `make sdk-env`"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
    with asyncio.Runner() as runner:
        yield runner.run(_drive())


async def _drive() -> tuple[dict[str, Any], Exchange, dict[int, list[dict[str, Any]]]]:
    clock = MarketClock(starts_at=OPENS_AT, anchor_mono=WallClock().monotonic_ns(), speed=20)
    source = SyntheticPrices(
        universe_for(SYMBOLS), seed=3, opens_at=OPENS_AT, closes_at=parse_iso("2026-11-23T15:30:00", IST)
    )
    held = DematHolding(symbol="INFY", exchange="NSE", quantity=Decimal(4), average_price=Decimal("1400.50"))
    exchange = Exchange(
        source,
        clock,
        seed=3,
        balance=OpeningBalance(cash=Decimal(50_000), holdings=(held,)),
        latency=TYPICAL_LATENCY,
        log=None,
    )
    published: dict[int, list[dict[str, Any]]] = {instrument.token: [] for instrument in exchange.universe}
    _record(exchange.universe, published, source.opening_snapshot())
    exchange.snapshot_listeners.append(partial(_record, exchange.universe, published))
    limits = RateLimits(clock, NO_LIMITS)
    async with (
        serve_exchange(exchange, clock, partial(KiteServer, limits=limits)) as at,
        asyncio.timeout(DEADLINE_S),
        asyncio.TaskGroup() as tasks,
    ):
        running = tasks.create_task(exchange.run_session(), name="exchange")
        client = await asyncio.create_subprocess_exec(
            str(CLIENT),
            str(HERE / "kiteconnect_client.py"),
            json.dumps(at.to_json()["kite"]),
            env={"PATH": os.environ.get("PATH", ""), "TZ": "UTC", "NO_PROXY": "*"},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            out, err = await client.communicate()
        finally:
            if client.returncode is None:
                client.kill()
        running.cancel()
    assert client.returncode == 0, err.decode()
    return json.loads(out, parse_float=Decimal), exchange, published


def _record(universe: Universe, published: dict[int, list[dict[str, Any]]], snapshots: Snapshots) -> None:
    names = (*QUOTE.values(), "stamps")
    for row, id_ in enumerate(snapshots.ids):
        values = {name: int(getattr(snapshots, name)[row]) for name in names}
        depth = {
            side: list(
                zip(
                    *(getattr(snapshots, f"{side}{part}")[row].tolist() for part in ("s", "_quantities", "_orders")),
                    strict=True,
                )
            )
            for side in ("bid", "ask")
        }
        published[universe[int(id_)].token].append(values | depth)


def test_the_client_logs_in_and_reads_the_account(seen: Any) -> None:
    said, exchange, _ = seen
    assert said["session"]["user_id"] == said["profile"]["user_id"] == exchange.account.account_id
    assert len(said["session"]["access_token"]) == 32
    assert said["margins"]["equity"] == said["equity"]
    assert said["equity"]["net"] == 50_000
    (holding,) = said["holdings"]
    assert (holding["tradingsymbol"], holding["quantity"], holding["average_price"]) == ("INFY", 4, Decimal("1400.5"))
    assert said["logged_out"] is True


def test_the_client_reads_the_instrument_list(seen: Any) -> None:
    said, exchange, _ = seen
    tokens = {row["tradingsymbol"]: row["instrument_token"] for row in said["instruments"]}
    assert tokens == {instrument.symbol: instrument.token for instrument in exchange.universe}


def test_the_quotes_the_client_reads_were_published(seen: Any) -> None:
    said, exchange, published = seen
    token = exchange.universe.instrument_of("TCS").token
    rows = published[token]
    quote = said["quote"]["NSE:TCS"]
    depth = {
        side: [(round(level["price"] * 100), level["quantity"], level["orders"]) for level in quote["depth"][name]]
        for side, name in (("bid", "buy"), ("ask", "sell"))
    }
    found = [r for r in rows if r["last"] == quote["last_price"] * 100 and r["volume"] == quote["volume"]]
    assert any(r["bid"] == depth["bid"] and r["ask"] == depth["ask"] for r in found)
    assert said["ohlc"]["NSE:TCS"]["ohlc"]["close"] * 100 == rows[0]["previous_close"]
    assert any(r["last"] == said["ltp"]["NSE:TCS"]["last_price"] * 100 for r in rows)
    assert "NSE:NIFTY 50" in said["quote"]


def test_the_candles_the_client_reads_are_those_of_the_source(seen: Any) -> None:
    said, exchange, _ = seen
    series = exchange.source.bar_series(
        exchange.universe.id_of("TCS"),
        interval_ns=900 * SECOND,
        start_at=parse_iso("2026-11-20T00:00:00", IST),
        end_at=parse_iso("2026-11-20T15:30:01", IST),
    )
    assert len(series) >= 24
    assert [c["close"] * 100 for c in said["candles"]] == series.close.tolist()
    assert [c["volume"] for c in said["candles"]] == series.volume.tolist()
    assert [parse_iso(c["date"]) for c in said["candles"]] == series.starts.tolist()


def test_the_orders_the_client_places_are_those_in_the_book(seen: Any) -> None:
    said, exchange, _ = seen
    book = {order.order_id: order for order in exchange.latest_orders()}
    rows = {row["order_id"]: row for row in said["orders"]}
    assert rows.keys() == book.keys() == {said["resting"], said["taking"]}
    resting, taking = rows[said["resting"]], rows[said["taking"]]
    assert (resting["status"], resting["tag"], resting["quantity"]) == ("CANCELLED", "rest1", 2)
    assert resting["price"] == book[said["resting"]].ticket.price
    assert (taking["status"], taking["filled_quantity"]) == ("COMPLETE", 3)
    assert [row["status"] for row in said["history"]] == [
        KITE_STATUSES[v.status] for v in exchange.order_history(said["resting"])
    ]


def test_the_order_frames_tell_every_version_in_order(seen: Any) -> None:
    said, exchange, _ = seen
    for name in ("resting", "taking"):
        told = [data["status"] for data in said["orders_seen"] if data["order_id"] == said[name]]
        assert told == [KITE_STATUSES[version.status] for version in exchange.order_history(said[name])]


def test_fills_and_positions_are_those_of_the_account(seen: Any) -> None:
    said, exchange, _ = seen
    exact = [(t.trade_id, t.quantity, t.price) for t in exchange.trade_rows()]
    assert [(t["trade_id"], t["quantity"], t["average_price"]) for t in said["trades"]] == exact
    assert said["order_trades"] == said["trades"]
    (position,) = said["positions"]["net"]
    assert (position["tradingsymbol"], position["quantity"]) == ("TCS", 3)
    assert position["buy_value"] == sum(quantity * price for _, quantity, price in exact)


def test_the_gtt_orders_of_the_client_are_those_of_the_broker(seen: Any) -> None:
    said, exchange, _ = seen
    gtt, (lower, low, high) = said["gtt"], said["gtt"]["wanted"]
    single, both = exchange.gtt_book.listed_gtts()
    assert gtt["single"] == gtt["modified"] == {"trigger_id": single.gtt_id}
    assert gtt["both"] == gtt["deleted"] == {"trigger_id": both.gtt_id}
    assert [row["id"] for row in gtt["listed"]] == [single.gtt_id, both.gtt_id]
    assert gtt["listed"][0] == gtt["shown"]
    assert (gtt["shown"]["status"], gtt["after"]["status"]) == ("active", "deleted")
    assert gtt["shown"]["condition"]["trigger_values"] == [lower] == [leg.trigger for leg in single.ticket.legs]
    assert gtt["after"]["condition"]["trigger_values"] == [low, high] == [leg.trigger for leg in both.ticket.legs]
    assert gtt["shown"]["orders"][0]["price"] == single.ticket.legs[0].price == lower
    assert gtt["too close"][:2] == ["InputException", 400]
    assert "too close to the last price" in gtt["too close"][2]


def test_ticks_in_three_modes_are_what_the_exchange_published(seen: Any) -> None:
    said, exchange, published = seen
    assert said["had_ticks"], "too few ticks came"
    modes = set()
    for tick in said["ticks"]:
        wanted = _expected(tick)
        rows = published[tick["instrument_token"]]
        assert any(wanted.items() <= row.items() for row in rows), (wanted, rows[-1])
        modes.add((tick["mode"], tick["tradable"]))
    assert {("ltp", True), ("quote", True), ("full", True), ("full", False)} <= modes
    assert exchange.universe.instrument_of("NIFTY 50").token in {tick["instrument_token"] for tick in said["ticks"]}


def _expected(tick: dict[str, Any]) -> dict[str, Any]:
    flat = tick | tick.get("ohlc", {})
    wanted = {
        column: round(flat[name] * 100) if name in PRICES else flat[name]
        for name, column in QUOTE.items()
        if name in flat
    }
    if "exchange_timestamp" in tick:
        wanted["stamps"] = int(tick["exchange_timestamp"]) * SECOND
    for side, name in (("bid", "buy"), ("ask", "sell")):
        if "depth" in tick:
            levels = tick["depth"][name]
            wanted[side] = [(round(level["price"] * 100), level["quantity"], level["orders"]) for level in levels]
    return wanted


def test_errors_become_the_exceptions_of_the_client(seen: Any) -> None:
    said, _, _ = seen
    names = {what: (name, code) for what, (name, code, _) in said["errors"].items()}
    assert names == {
        "no protection": ("InputException", 400),
        "unknown order": ("OrderException", 400),
        "nothing to sell": ("GeneralException", 400),  # the client has no class for HoldingException
        "bad token": ("TokenException", 403),
        "unknown route": ("GeneralException", 404),
        "unknown trigger": ("InputException", 400),
        "no trigger ranges": ("InputException", 400),
        "nothing to convert": ("InputException", 400),
        "after logout": ("TokenException", 403),
    }
    assert "without market protection are not allowed via API" in said["errors"]["no protection"][2]
