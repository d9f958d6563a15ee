"""Recorded ticks: dirt goes out as recorded, in the order of the file, at believable times."""

from __future__ import annotations

import gzip
from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path

import numpy as np
import pytest

from tradebot.clock import DAY, IST, MINUTE, SECOND
from tradebot.domain.instrument import InstrumentKind
from tradebot.errors import DataError
from tradebot.exchange.prices import recorded_ticks
from tradebot.exchange.prices.recorded_ticks import RecordedTicks
from tradebot.exchange.prices.tick_file import symbol_of
from tradebot.exchange.snapshot import SNAPSHOT_COLUMNS, Snapshots

DAY_OF_DATA = "2021-06-11"
EPOCH_ROW = "1970-01-01 05:30:00,95.0,0"
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def write_rows(name: str, *rows: str, header: str = "timestamp,ltp,volume") -> Path:
        path = tmp_path / name
        text = "\n".join([header, *rows, ""]).encode()
        path.write_bytes(gzip.compress(text) if name.endswith(".gz") else text)
        return path

    return write_rows


def at(clock_time: str, day: str = DAY_OF_DATA) -> int:
    return int(datetime.fromisoformat(f"{day} {clock_time}").replace(tzinfo=IST).timestamp()) * SECOND


def tick(clock_time: str, price: float, volume: int, day: str = DAY_OF_DATA) -> str:
    return f"{day} {clock_time},{price},{volume}"


def all_steps(source: RecordedTicks) -> list[Snapshots]:
    steps = list(source.steps_until(source.closes_at + 60 * SECOND))
    assert source.is_finished
    return steps


def column(steps: list[Snapshots], name: str) -> list[int]:
    return [int(v) for s in steps for v in getattr(s, name)]


def test_dirty_rows_go_out_as_recorded_and_in_the_order_of_the_file(write: Write) -> None:
    path = write(
        "RELIANCE.csv",
        tick("09:15:01", 100.0, 500),
        EPOCH_ROW,
        tick("09:15:05", 101.0, 700),
        tick("09:15:03", 100.5, 600),
        tick("09:15:05", 101.0, 700),
        tick("09:15:06", 101.05, 900),
    )
    steps = all_steps(RecordedTicks(path))
    assert column(steps, "last") == [10000, 9500, 10100, 10050, 10100, 10105]
    assert column(steps, "volume") == [500, 0, 700, 600, 700, 900]
    assert column(steps, "stamps") == [
        at("09:15:01"), 0, at("09:15:05"), at("09:15:03"), at("09:15:05"), at("09:15:06"),
    ]  # fmt: skip
    assert [(s.at, len(s)) for s in steps] == [(at("09:15:01"), 2), (at("09:15:05"), 3), (at("09:15:06"), 1)]


def test_only_growth_of_the_volume_counts_as_traded_and_none_before_the_recording(write: Write) -> None:
    path = write(
        "RELIANCE.csv",
        EPOCH_ROW,
        tick("09:16:01", 100.0, 5000),
        tick("09:16:02", 101.0, 5100),
        EPOCH_ROW,
        tick("09:16:01", 100.0, 5000),
        tick("09:16:03", 100.0, 5100),
        tick("09:16:04", 100.0, 5130),
    )
    steps = all_steps(RecordedTicks(path))
    assert column(steps, "traded") == [0, 0, 100, 0, 0, 0, 30]


def test_the_invented_book_and_the_days_range_do_not_follow_dirty_prices(write: Write) -> None:
    path = write(
        "RELIANCE.csv", tick("09:15:01", 100.0, 500), EPOCH_ROW, tick("09:14:00", 50.0, 1), tick("09:15:02", 102.0, 900)
    )
    steps = all_steps(RecordedTicks(path))
    assert column(steps, "low") == [10000] * 4
    assert [int(s.bids[k, 0]) for s in steps for k in range(len(s))] == [10000, 10000, 10000, 10200]
    assert [int(s.asks[k, 0]) for s in steps for k in range(len(s))] == [10005, 10005, 10005, 10205]


def test_a_file_that_begins_with_a_broken_stamp_starts_from_its_first_sound_price(write: Write) -> None:
    source = RecordedTicks(write("RELIANCE.csv", EPOCH_ROW, tick("09:15:01", 100.0, 500), tick("09:15:02", 99.0, 600)))
    steps = all_steps(source)
    assert source.previous_close.tolist() == [10000]
    assert (column(steps, "open"), column(steps, "low")) == ([10000] * 3, [10000, 10000, 9900])


def test_rows_after_the_close_come_within_a_minute_of_it_in_order(write: Write) -> None:
    late = [tick("15:31:00", 100 + k / 20, 900) for k in range(100)]
    evening = [tick("20:17:12", 110.0, 900, day="2021-06-12"), EPOCH_ROW]
    path = write("RELIANCE.csv", tick("15:29:59", 100.0, 900), *late, *evening)
    source = RecordedTicks(path)
    steps = all_steps(source)
    after = [s.at for s in steps if s.at > source.closes_at]
    assert len(column(steps, "last")) == 103
    assert column(steps, "last")[:3] == [10000, 10000, 10005]
    assert column(steps, "last")[-2:] == [11000, 9500]
    assert source.closes_at < min(after)
    assert max(after) <= source.closes_at + 60 * SECOND
    assert len(after) > 50, "they are spread over the minute and are no single burst"


def test_a_stamp_of_another_year_rides_along_and_holds_nothing_up(write: Write) -> None:
    path = write(
        "RELIANCE.csv",
        tick("09:15:01", 100.0, 500),
        tick("09:15:02", 100.0, 500, day="2031-01-01"),
        tick("09:15:03", 101.0, 600),
    )
    assert [s.at for s in all_steps(RecordedTicks(path, date=date(2021, 6, 11)))] == [at("09:15:01"), at("09:15:03")]


def test_files_are_merged_by_second_and_named_for_their_symbols(write: Write, tmp_path: Path) -> None:
    write("BAJAJ_AUTO.csv.gz", tick("09:15:01", 4000.0, 10), tick("09:15:03", 4001.0, 20))
    write("MM.csv", tick("09:15:02", 800.0, 10), tick("09:15:03", 801.0, 20))
    write("INDEX_Nifty.csv.gz", tick("09:15:03", 15795.95, 0))
    source = RecordedTicks(tmp_path)
    assert source.universe.symbols == ("BAJAJ-AUTO", "NIFTY 50", "M&M")
    assert source.universe.instrument_of("NIFTY 50").kind is InstrumentKind.INDEX
    assert [(s.at, s.ids.tolist()) for s in all_steps(source)] == [
        (at("09:15:01"), [0]),
        (at("09:15:02"), [2]),
        (at("09:15:03"), [0, 1, 2]),
    ]


def test_symbols_can_be_chosen_and_ordered(write: Write, tmp_path: Path) -> None:
    for name in ("TCS", "INFY", "SBIN"):
        write(f"{name}.csv", tick("09:15:01", 400.0, 10))
    assert RecordedTicks(tmp_path, symbols=["SBIN", "INFY"]).universe.symbols == ("SBIN", "INFY")
    with pytest.raises(DataError, match=r"no ticks of WIPRO; there are INFY, SBIN, TCS"):
        RecordedTicks(tmp_path, symbols=["SBIN", "WIPRO"])


@pytest.mark.parametrize(
    ("name", "symbol"),
    [
        ("RELIANCE.csv.gz", "RELIANCE"),
        ("BAJAJ_AUTO.csv", "BAJAJ-AUTO"),
        ("MM.csv.gz", "M&M"),
        ("INDEX_Nifty_Bank.csv.gz", "NIFTY BANK"),
    ],
)
def test_a_file_name_gives_the_symbol(name: str, symbol: str) -> None:
    assert symbol_of(Path(name)) == symbol


@pytest.mark.parametrize(
    ("rows", "header", "line", "expected"),
    [
        (["2021-06-11 09:15:01,abc,5"], None, 2, "a price such as"),
        (["2021-06-11 09:15:01,1.0,5", "2021-06-11 09:15,1.0,5"], None, 3, "a time such as"),
        (["2021-06-31 09:15:01,1.0,5"], None, 2, "a time such as"),
        (["2021-06-11 09:15:01,nan,5"], None, 2, "a finite price"),
        (["2021-06-11 09:15:01,1e300,5"], None, 2, "a finite price"),
        (["2021-06-11 09:15:01,1.0,5.5"], None, 2, "a whole number"),
        (["2021-06-11 09:15:01,1.0,99999999999999999999"], None, 2, "a whole number"),
        (["2021-06-11 09:15:01,1.0,5", "2021-06-11 09:15:02,1.0"], None, 3, "3 values"),
        (["2021-06-11 09:15:01,1.0,5,6"], None, 2, "3 values"),
        (["2021-06-11 09:15:01,1.0,"], None, 2, "a whole number"),
        (["2021-06-11 09:15:01,1.0,5"], "time,price,volume", 1, "the header timestamp,ltp,volume"),
    ],
)
def test_a_malformed_file_is_refused_naming_file_line_and_what_was_expected(
    write: Write, rows: list[str], header: str | None, line: int, expected: str
) -> None:
    path = write("TCS.csv", *rows, header=header or "timestamp,ltp,volume")
    with pytest.raises(DataError) as refused:
        RecordedTicks(path)
    assert f"{path}:{line}: expected {expected}" in str(refused.value)


def test_a_cut_gzip_an_empty_file_and_an_empty_folder_are_refused(write: Write, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="no tick file here"):
        RecordedTicks(tmp_path)
    whole = write("TCS.csv.gz", *[tick("09:15:01", 400.0, k) for k in range(500)])
    whole.write_bytes(whole.read_bytes()[:-20])
    with pytest.raises(DataError, match=r"TCS.csv.gz: not a whole gzip file"):
        RecordedTicks(whole)
    with pytest.raises(DataError, match="no rows after the header"):
        RecordedTicks(write("INFY.csv"))
    with pytest.raises(DataError, match="cannot be read"):
        RecordedTicks(tmp_path / "absent.csv")


def test_a_day_without_session_and_a_file_without_the_day_are_refused(write: Write) -> None:
    path = write("TCS.csv", tick("09:15:01", 400.0, 10, day="2021-06-12"))
    with pytest.raises(DataError, match="closed on 2021-06-12"):
        RecordedTicks(path)
    with pytest.raises(DataError, match="no row is stamped 2021-06-15"):
        RecordedTicks(path, date=date(2021, 6, 15))
    with pytest.raises(DataError, match="no row carries a usable date"):
        RecordedTicks(write("INFY.csv", EPOCH_ROW))


def test_bars_are_made_of_sound_rows_and_only_when_they_have_ended(write: Write) -> None:
    path = write(
        "RELIANCE.csv",
        tick("09:15:10", 100.0, 500),
        EPOCH_ROW,
        tick("09:15:50", 103.0, 700),
        tick("09:15:20", 50.0, 600),
        tick("09:17:00", 102.0, 1000),
        tick("09:17:30", 101.0, 1100),
        tick("15:45:00", 200.0, 1100),
    )
    source = RecordedTicks(path)
    list(source.steps_until(at("09:17:30")))
    bars = source.bar_series(0, interval_ns=MINUTE, start_at=0, end_at=source.closes_at)
    assert [int(v) for v in (bars.open[0], bars.high[0], bars.low[0], bars.close[0])] == [10000, 10300, 10000, 10300]
    assert (bars.starts.tolist(), bars.volume.tolist()) == ([at("09:15:00")], [700])
    all_steps(source)
    day = source.bar_series(0, interval_ns=DAY, start_at=0, end_at=source.closes_at)
    assert (day.high.tolist(), day.close.tolist(), day.volume.tolist()) == ([10300], [10100], [1100])
    five = source.bar_series(0, interval_ns=5 * MINUTE, start_at=0, end_at=source.closes_at)
    assert five.starts.tolist() == [at("09:15:00")]


def test_the_real_day_comes_whole_and_dirty_and_the_same_however_it_is_cut(
    conformance: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = conformance / "nse-ticks-2021-06-11"
    symbols = ["RELIANCE", "NIFTY 50"]
    source = RecordedTicks(folder, symbols=symbols)
    steps = all_steps(source)
    with gzip.open(folder / "RELIANCE.csv.gz", "rt") as lines:
        recorded_rows = [line.rstrip().split(",") for line in lines][1:]
    mine = np.concatenate([s.ids for s in steps]) == 0
    columns = {n: np.concatenate([getattr(s, n) for s in steps])[mine] for n in SNAPSHOT_COLUMNS}
    assert columns["last"].tolist() == [round(float(row[1]) * 100) for row in recorded_rows]
    assert columns["volume"].tolist() == [int(row[2]) for row in recorded_rows]
    assert (columns["stamps"] == 0).sum() > 1000
    assert (columns["traded"] >= 0).all()
    assert columns["traded"].sum() == columns["volume"].max() - columns["volume"][columns["volume"] > 0][0]
    monkeypatch.setattr(recorded_ticks, "BLOCK_ROWS", 100)
    again = RecordedTicks(folder, symbols=symbols)
    parts = list(again.steps_until(again.opens_at + 3 * 3600 * SECOND)) + all_steps(again)
    assert [s.at for s in parts] == [s.at for s in steps]
    for name in ("last", "bids", "ask_quantities", "traded"):
        left, right = (np.concatenate([getattr(s, name) for s in part]) for part in (steps, parts))
        assert np.array_equal(left, right)


def test_the_outage_of_the_real_day_leaves_a_hole_in_the_bars(conformance: Path) -> None:
    source = RecordedTicks(conformance / "nse-ticks-2021-06-11", symbols=["RELIANCE"])
    all_steps(source)
    bars = source.bar_series(0, interval_ns=MINUTE, start_at=0, end_at=source.closes_at)
    assert len(bars) == 330
    assert not ((bars.starts >= at("14:28:00")) & (bars.starts < at("15:11:00"))).any()


def test_of_a_share_with_derivatives_the_auction_makes_no_bars(write: Write) -> None:
    day = "2026-11-25"
    rows = [
        tick(t, p, v, day) for t, p, v in [("15:14:58", 100.0, 500), ("15:20:00", 101.0, 500), ("15:29:30", 102.0, 900)]
    ]
    source = RecordedTicks([write(name, *rows) for name in ("RELIANCE.csv", "SYM0001.csv")])

    assert source.instrument_closes_at.tolist() == [at("15:15:00", day), at("15:30:00", day)]
    steps = all_steps(source)

    assert column(steps, "last") == [10000, 10000, 10100, 10100, 10200, 10200]
    bars = [source.bar_series(i, interval_ns=MINUTE, start_at=0, end_at=source.closes_at) for i in (0, 1)]
    starts = [[at("15:14:00", day)], [at(t, day) for t in ("15:14:00", "15:20:00", "15:29:00")]]
    assert [b.starts.tolist() for b in bars] == starts
