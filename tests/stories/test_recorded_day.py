"""A real NSE day at 300 times the speed: bars equal an independent resample, dirt is counted, an outage is a hole."""

from __future__ import annotations

from collections import Counter
from datetime import time
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from tests.stories.ledger import assert_agree
from tradebot.domain.market import Quotes
from tradebot.exchange.prices.recorded_ticks import RecordedTicks
from tradebot.journal.recorded_bars import read_bar_batches
from tradebot.markets.calendar import TradingCalendar
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.calendar_sessions import CalendarSessions

pytestmark = pytest.mark.timeout(240)

MINUTE = 60_000_000_000
NAMES = {"BAJAJ_AUTO": "BAJAJ-AUTO", "MM": "M&M", "INDEX_Nifty": "NIFTY 50", "INDEX_Nifty_Bank": "NIFTY BANK"}
OPENS, CLOSES = pd.Timestamp("2021-06-11 09:15"), pd.Timestamp("2021-06-11 15:30")


class Day:
    """The recorded day, cleaned by pandas alone."""

    def __init__(self, folder: Path) -> None:
        self.bars: dict[tuple[str, int], tuple[int, ...]] = {}  # (symbol, start ns) -> open, high, low, close, volume
        self.dirt: Counter[str] = Counter()
        self.symbols = []
        for path in sorted(folder.glob("*.csv.gz")):
            symbol = path.name.removesuffix(".csv.gz")
            self._read(NAMES.get(symbol, symbol), path)

    def _read(self, symbol: str, path: Path) -> None:
        self.symbols.append(symbol)
        rows = pd.read_csv(path, parse_dates=["timestamp"])
        rows["paise"] = (rows["ltp"] * 100).round().astype("int64")
        rows["volume"] = rows["volume"].fillna(0).astype("int64")
        epoch = rows["timestamp"] < pd.Timestamp("1971-01-01")
        self.dirt["epoch"] += int(epoch.sum())
        rows = rows[~epoch]
        outside = (rows["timestamp"] < OPENS) | (rows["timestamp"] >= CLOSES)
        self.dirt["outside_session"] += int(outside.sum())
        rows = rows[~outside]
        backward = rows["timestamp"] < rows["timestamp"].cummax()
        self.dirt["backward"] += int(backward.sum())
        rows = rows[~backward]
        key = rows[["timestamp", "paise", "volume"]]
        repeat = (key == key.shift()).all(axis=1)
        self.dirt["duplicate"] += int(repeat.sum())
        rows = rows[~repeat]
        peak = rows["volume"].cummax()
        traded = peak.diff().fillna(0)
        for start, part in rows.groupby(rows["timestamp"].dt.floor("min")):
            p = part["paise"]
            at = int(start.tz_localize("Asia/Kolkata").as_unit("ns").value)
            volume = int(traded.loc[part.index].sum())
            self.bars[symbol, at] = (p.iloc[0], p.max(), p.min(), p.iloc[-1], volume)


@pytest.fixture(scope="module")
def day(conformance: Path) -> Day:
    return Day(conformance / "nse-ticks-2021-06-11")


def test_a_recorded_day_gives_the_bars_of_an_independent_resample(
    start: Any, tmp_path: Path, conformance: Path, day: Day
) -> None:
    symbols = tmp_path / "symbols.txt"
    symbols.write_text("# every symbol of the day\n" + "\n".join(day.symbols) + "\n")
    daemon = start(
        "--symbols", f"@{symbols}", "--prices", str(conformance / "nse-ticks-2021-06-11"), "--speed", "300",
        env={"TRADEBOT_BARS__GRACE_S": "3"},  # a busy machine hands quotes over late, and a minute is 0.2 s here
    )  # fmt: skip
    said = daemon.wait(200)
    assert (said.code, said.errors) == (0, "")
    journal = tmp_path / "state/journal.sqlite3"
    got: dict[tuple[str, int], tuple[int, ...]] = {}
    for universe, batch in read_bar_batches(journal, MINUTE):
        for i, id_ in enumerate(batch.ids):
            values = (batch.open[i], batch.high[i], batch.low[i], batch.close[i], batch.volume[i])
            got[universe[int(id_)].symbol, batch.starts_at] = tuple(map(int, values))
    summary = said.one("run_summarized")
    assert summary["quotes_late"] == 0
    assert {k: v for k, v in day.bars.items() if got.get(k) != v} == {}
    assert got.keys() == day.bars.keys(), "a bar was invented or lost"
    # The rows from after the close come in one burst, of which a stream keeps the newest of each symbol: how many of
    # them are seen depends on the machine. The test below counts every row.
    dropped = summary["quotes_dropped"]
    assert day.dirt["epoch"] >= dropped["epoch"]
    assert dropped["backward"] == day.dirt["backward"] > 0
    # What was silent while something was held of it is subscribed to again. The exchange then repeats its last row,
    # once for the subscription and once for its mode.
    assert 0 < day.dirt["duplicate"] <= dropped["duplicate"] <= day.dirt["duplicate"] + 2 * summary["resubscribed"]
    assert day.dirt["outside_session"] >= dropped["outside_session"]
    # The recorder was down from 15:01 to 15:11 for every symbol: stale, and no bar of any symbol.
    hole = pd.Timestamp("2021-06-11 15:02", tz="Asia/Kolkata").as_unit("ns").value
    assert not any(hole <= start_ < hole + 9 * MINUTE for _, start_ in got)
    assert said.all("feed_stalled")
    assert said.all("feed_resumed")
    theirs = assert_agree(journal, tmp_path / "state/exchange.jsonl")
    assert theirs.fills


def test_the_dirt_of_the_day_is_counted_row_by_row(conformance: Path, day: Day) -> None:
    source = RecordedTicks(conformance / "nse-ticks-2021-06-11")
    sessions = CalendarSessions(
        calendar=TradingCalendar(), universe=source.universe, entries_until=time(15), square_off_at=time(15, 10)
    )
    bars = BarBuilder(len(source.universe), interval_ns=MINUTE, grace_ns=0, sessions=sessions)
    bars.roll_session(source.opens_at)
    for step in source.steps_until(source.closes_at + 2 * MINUTE):
        quotes = Quotes(
            source="recorded",
            seen_at=1,
            ids=step.ids,
            sent_at=step.stamps,
            last=step.last,
            volume=step.volume,
            bid=step.bids[:, 0],
            ask=step.asks[:, 0],
            bid_size=step.bid_quantities[:, 0],
            ask_size=step.ask_quantities[:, 0],
        )
        bars.add_quotes(quotes)
    assert {k: v for k, v in bars.quote_filter.dropped_counts.items() if v} == dict(day.dirt)
    closed = bars.close_due_bars(source.closes_at, mono=1)
    assert sum(map(len, closed)) == len(day.bars)
