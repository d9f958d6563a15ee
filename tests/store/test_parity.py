"""Both databases give the same answers, and they are the journal's."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

from tests.store import day_by_hand as day
from tradebot.clock import WallClock
from tradebot.domain.instrument import Instrument, Universe
from tradebot.journal import recorded_bars, recovery
from tradebot.store import queries
from tradebot.store.outbox import Outbox
from tradebot.store.postgres import PostgresStore
from tradebot.store.sqlite import SqliteStore
from tradebot.store.store import Store
from tradebot.store.tables import TABLES
from tradebot.trading.desk.fill_charges import charges_by_market


async def feed(store: Store, path: Path, said: Any, **more: Any) -> int:
    outbox = Outbox(store, path, clock=WallClock(), tell=said, charges_for=day.bill, **more)
    return await outbox.feed_remaining()


async def everything(store: Store) -> dict[str, list[dict[str, Any]]]:
    return {name: await store.select_lines(table, {}, order_by=table.key) for name, table in TABLES.items()}


async def test_orders_fills_and_positions_are_those_of_the_journal(store: Store, tmp_path: Path, said: Any) -> None:
    path = await day.whole_day(tmp_path)
    await feed(store, path, said)

    folded = recovery.fold_orders(path)
    stored = {line["order_id"]: line for line in await queries.select_orders(store)}
    assert stored.keys() == folded.keys() == {"r1-1", "r1-2", "r1-3", "r2-1"}
    for order_id, order in folded.items():
        line = stored[order_id]
        assert (line["state"], line["filled"], line["value"]) == (order.state, order.filled, order.value)
        assert (line["average_price"], line["late_fills"]) == (order.average_price, order.irregular.late)
        assert line["price"] == Decimal("2500.05")
        assert line["trigger_price"] is None
    assert stored["r1-1"]["reason"] == day.HOSTILE.replace("\0", "\ufffd")
    assert stored["r1-1"]["run"] == "r1"

    fills = await queries.select_fills(store)
    assert [(f["order_id"], f["quantity"], f["price"]) for f in fills] == [
        ("r1-1", 3, Decimal("2500.05")), ("r1-1", 4, Decimal("2499.95")), ("r1-1", 2, Decimal(2501)),
        ("r1-3", 1, Decimal("3800.10")), ("r2-1", 6, Decimal("2519.95")),
    ]  # fmt: skip

    bill = charges_by_market(Universe([Instrument(symbol=symbol) for symbol in day.SYMBOLS]))
    lines = {
        (line["exchange"], line["symbol"], line["product"]): line for line in await queries.select_positions(store)
    }
    for key, position in recovery.fold_positions(path, charges_of=bill).items():
        for name in ("quantity", "cost", "realized", "charges", "bought", "sold"):
            assert lines[key.netting_key][name] == getattr(position, name), (key, name)
    held = lines["NSE", "RELIANCE", "MIS"]
    assert (held["mark"], held["owner"]) == (Decimal("2490.50"), "ours")
    assert held["charges"] > 0


async def test_bars_are_those_of_the_journal_to_the_last_digit(store: Store, tmp_path: Path, said: Any) -> None:
    path = await day.whole_day(tmp_path)
    await feed(store, path, said)

    for run in ("r1", "r2"):
        for symbol in day.SYMBOLS:
            stored = await queries.select_bars(store, symbol, day.MINUTE, run=run)
            names = ("symbol", "starts_at", "ends_at", "open", "high", "low", "close", "volume")
            found = [tuple(line[name] for name in names) for line in stored]
            assert found == [tuple(bar) for bar in recorded_bars.read_bars(path, symbol, day.MINUTE, run=run)]
    since = await queries.select_bars(store, "RELIANCE", day.MINUTE, since=day.START + 3 * day.MINUTE)
    assert [line["close"] for line in since] == [Decimal("2520.50"), Decimal("2490.50")]


async def test_the_curve_adds_up_at_every_close(store: Store, tmp_path: Path, said: Any) -> None:
    await feed(store, await day.whole_day(tmp_path), said)

    curve = await queries.select_equity(store, account="AB1234")
    assert [line["cash"] for line in curve] == [Decimal("50000.00")] * 3 + [Decimal("32500.45")] * 4
    assert all(line["net"] == line["realized"] - line["charges"] + line["unrealized"] for line in curve)
    held = await queries.select_positions(store)
    last = curve[-1]
    assert last["realized"] == sum(p["realized"] for p in held)
    assert last["unrealized"] == sum(p["quantity"] * p["mark"] - p["cost"] for p in held)
    assert last["exposure"] == sum(abs(p["quantity"] * p["mark"]) for p in held)


async def test_signals_events_and_runs_keep_what_was_said(store: Store, tmp_path: Path, said: Any) -> None:
    await feed(store, await day.whole_day(tmp_path), said)

    made = await queries.select_signals(store)
    assert [line["signal_id"] for line in made] == ["a1", "b1", "a3", "b3"]
    assert made[0]["close"] is None
    assert made[0]["inputs"] == {"ADX": 21.25, "EMA": "nan"}
    assert (made[1]["close"], made[1]["quantity"]) == (1500.25, 3.0)
    events = await queries.select_order_events(store, order_id="r1-3")
    assert [(e["event"], e["state"]) for e in events] == [
        ("intent", "INTENT"), ("sending", "SENDING"), ("accepted", "ACKED"), ("seen_canceled", "CANCELED"),
        ("executed", "CANCELED"),
    ]  # fmt: skip
    cut, ended = await queries.select_runs(store)
    assert (cut["run"], cut["ended_at"], cut["summary"]) == ("r1", None, None)
    assert (ended["end_reason"], ended["summary"]) == ("SIGTERM", {"orders": 3, "pnl_net": "12.50"})
    assert ended["symbols"] == list(day.SYMBOLS)


async def test_both_databases_hold_the_same_lines(dsn: str, tmp_path: Path, said: Any) -> None:
    path = await day.whole_day(tmp_path)
    async with (
        PostgresStore(dsn, clock=WallClock()) as postgres,
        SqliteStore(tmp_path / "store.sqlite3", clock=WallClock()) as sqlite,
    ):
        await feed(postgres, path, said, batch_rows=3)
        await feed(sqlite, path, said)
        ours, theirs = await everything(postgres), await everything(sqlite)

    assert all(ours.values()), "every table has lines"
    assert ours == theirs
    assert str(ours) == str(theirs), "to the last digit"


async def test_nothing_people_wrote_reaches_the_sql(store: Store, tmp_path: Path, said: Any) -> None:
    await feed(store, await day.whole_day(tmp_path), said)

    for name in (day.HOSTILE.replace("\0", ""), "' OR 1=1 --", "RELIANCE\\"):
        assert await queries.select_bars(store, name, day.MINUTE) == []
        assert await queries.select_orders(store, symbol=name) == []
    assert len(await queries.select_orders(store)) == 4


async def test_however_the_journal_is_cut_into_batches_the_lines_are_the_same(
    make_store: Callable[[], Store], tmp_path: Path, said: Any
) -> None:
    path = await day.whole_day(tmp_path)
    whole: dict[str, Any] | None = None
    for rows in (1_000, 1, 2, 7):
        async with make_store() as store:
            await store.migrate(down_to=0)
            # A new outbox for every few rows: each goes on from what the tables say.
            while await one_batch(store, path, said, rows):
                pass
            found = await everything(store)
        whole = whole or found
        assert found == whole, f"in batches of {rows}"


async def one_batch(store: Store, path: Path, said: Any, rows: int) -> bool:
    outbox = Outbox(store, path, clock=WallClock(), tell=said, charges_for=day.bill, batch_rows=rows)
    await outbox._connect()
    try:
        return await outbox._step(to_the_end=True)
    finally:
        outbox._tailer.close_connection()
