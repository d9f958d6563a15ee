"""What an import does to a file that is not quite a table of bars: it mends, chooses, drops or refuses, and says so."""

from __future__ import annotations

import zipfile
from decimal import Decimal
from pathlib import Path

import pandas as pd
import pytest

from tests.history.bars_by_hand import MINUTE
from tradebot.clock import SECOND, ManualClock
from tradebot.errors import DataError
from tradebot.history.files.rows import ParseOptions
from tradebot.history.files.text_files import symbol_from_name
from tradebot.history.importing import FileBars, ImportOptions, read_files

INDIA = ParseOptions(zone="Asia/Kolkata")
HEAD = "ts,open,high,low,close,volume\n"


def read(
    tmp_path: Path, text: str, wanted: ParseOptions = INDIA, terms: ImportOptions = ImportOptions(), name: str = "X.csv"
) -> FileBars:
    source = tmp_path / name
    source.write_text(text, encoding="utf-8")
    return read_files(source, tmp_path, parse_options=wanted, options=terms)


def rows(*times: str, values: str = "10,11,9,10.5,5") -> str:
    return "".join(f"2025-06-02 {time},{values}\n" for time in times)


def test_a_close_beyond_the_high_is_refused_with_the_two_ways_out_and_mended_when_asked(tmp_path: Path) -> None:
    text = HEAD + rows("09:15", "09:16") + rows("09:17", values="10,11,9,12,5")

    with pytest.raises(DataError, match=r"line 4: open or close outside low to high .* --skip-bad, or moves .* --mend"):
        read(tmp_path, text)
    found = read(tmp_path, text, INDIA._replace(mends_range=True))

    assert found.series["X"].high.tolist() == [1100, 1100, 1200]
    assert "bars whose high or low was moved to their open or close: 1" in found.notes


@pytest.mark.parametrize(
    ("head", "why"),
    [
        ("time,price,qty\n2025-06-02 09:15:01,10,5\n", "a file of ticks or of single prices"),
        ("date,close\n2025-06-02,10\n", "a file of closes alone"),
    ],
)
def test_a_file_without_bars_is_named_for_what_it_is(tmp_path: Path, head: str, why: str) -> None:
    with pytest.raises(DataError, match=f"holds no bars: it is {why}"):
        read(tmp_path, head)


@pytest.mark.parametrize(("members", "why"), [
    ({"readme.md": "x"}, "there is no file of bars .* in it; it has readme.md"),
    ({"a.csv": HEAD, "b.csv": HEAD}, "holds 2 files; unpack it"),
    ({"xl/workbook.xml": "x", "a.xml": "y"}, "is a workbook of Excel; save its sheet as CSV"),
])  # fmt: skip
def test_an_archive_that_holds_not_one_table_is_refused(tmp_path: Path, members: dict[str, str], why: str) -> None:
    with zipfile.ZipFile(tmp_path / "bars.zip", "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)

    with pytest.raises(DataError, match=why):
        read_files(tmp_path / "bars.zip", tmp_path, parse_options=INDIA, options=ImportOptions())


@pytest.mark.parametrize(("exchange", "why"), [
    ("NES", "there is no such exchange; did you mean NSE"), ("MCX", "its hours and contracts are not known here"),
    ("CDS", "its hours and contracts are not known here"),
])  # fmt: skip
def test_an_exchange_that_is_not_known_is_no_market_around_the_clock(tmp_path: Path, exchange: str, why: str) -> None:
    with pytest.raises(DataError, match=why):
        read(tmp_path, HEAD + rows("09:15", "09:16"), terms=ImportOptions(exchange=exchange))


def test_columns_without_a_head_can_be_named(tmp_path: Path) -> None:
    text = "7,20250602,0915,10,9,11,10.5\n7,20250602,0916,10,9,11,10.5\n"

    with pytest.raises(DataError, match=r"it has no head \(7,20250602.*--columns date,time,open,high"):
        read(tmp_path, text)
    found = read(tmp_path, text, INDIA._replace(columns=("-", "date", "time", "open", "low", "high", "close")))

    assert found.series["X"].high.tolist() == [1100, 1100]


def test_a_bar_that_is_not_over_yet_is_left_out(tmp_path: Path) -> None:
    source = tmp_path / "X.csv"
    source.write_text(HEAD + rows("09:15", "09:16", "09:17"), encoding="utf-8")
    now = pd.Timestamp("2025-06-02 09:17:30", tz="Asia/Kolkata").value

    found = read_files(source, tmp_path, parse_options=INDIA, options=ImportOptions(), clock=ManualClock(now))

    assert len(found.series["X"]) == 2
    assert any("last bars that were still running" in note for note in found.notes)


def test_today_counts_as_a_day_once_its_session_is_over(tmp_path: Path) -> None:
    source = tmp_path / "X.csv"
    source.write_text("date,open,high,low,close\n2025-05-30,1,2,1,2\n2025-06-02,1,2,1,2\n", encoding="utf-8")

    def bars_at(time: str) -> int:
        now = pd.Timestamp(f"2025-06-02 {time}", tz="Asia/Kolkata").value
        clock = ManualClock(now)
        return len(read_files(source, tmp_path, parse_options=INDIA, options=ImportOptions(), clock=clock).series["X"])

    assert (bars_at("12:00"), bars_at("15:31")) == (1, 2)


def test_a_time_still_to_come_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "X.csv"
    source.write_text(HEAD + rows("09:15") + "2052-06-02 09:15,1,2,1,2,5\n", encoding="utf-8")
    now = pd.Timestamp("2025-06-02 16:00", tz="Asia/Kolkata").value

    with pytest.raises(DataError, match="line 3: a time that is still to come"):
        read_files(
            source, tmp_path, parse_options=INDIA, options=ImportOptions(interval=MINUTE), clock=ManualClock(now)
        )


def test_tickers_side_by_side_are_chosen_from(tmp_path: Path) -> None:
    text = (
        "Price,Close,Close,High,High,Low,Low,Open,Open,Volume,Volume\n"
        "Ticker,INFY.NS,TCS.NS,INFY.NS,TCS.NS,INFY.NS,TCS.NS,INFY.NS,TCS.NS,INFY.NS,TCS.NS\n"
        "Date,,,,,,,,,,\n2025-06-02,10,20,11,21,9,19,10,20,5,6\n2025-06-03,10,20,11,21,9,19,10,20,5,6\n"
    )

    with pytest.raises(DataError, match=r"holds INFY\.NS, TCS\.NS side by side; choose one with --symbol"):
        read(tmp_path, text)
    with pytest.raises(DataError, match=r"INFY\.NS trades on NSE: say --exchange NSE"):
        read(tmp_path, text, INDIA._replace(symbol="INFY"), ImportOptions(exchange="BSE"))
    found = read(tmp_path, text, INDIA._replace(symbol="TCS"))

    assert found.series["TCS"].close.tolist() == [2000, 2000]
    assert found.series["TCS"].volume.tolist() == [6, 6]


def test_real_volumes_count_before_ticks(tmp_path: Path) -> None:
    text = "<DATE>\t<TIME>\t<OPEN>\t<HIGH>\t<LOW>\t<CLOSE>\t<TICKVOL>\t<VOL>\n" + "".join(
        f"2025.06.02\t09:1{n}:00\t1\t2\t1\t2\t7\t{n}00\n" for n in (5, 6)
    )

    assert read(tmp_path, text).series["X"].volume.tolist() == [500, 600]


def test_hours_stamped_at_their_end_begin_with_the_session(tmp_path: Path) -> None:
    ends = ("10:15", "11:15", "12:15", "13:15", "14:15", "15:15", "15:30")

    found = read(tmp_path, HEAD + rows(*ends), terms=ImportOptions(are_end_stamps=True))

    local = pd.DatetimeIndex(found.series["X"].starts, tz="UTC").tz_convert("Asia/Kolkata")
    assert local.strftime("%H:%M").tolist() == ["09:15", "10:15", "11:15", "12:15", "13:15", "14:15", "15:15"]


def test_days_stamped_at_their_close_begin_at_midnight(tmp_path: Path) -> None:
    text = HEAD + "2025-06-02 15:30,1,2,1,2,5\n2025-06-03 15:30,1,2,1,2,5\n"

    found = read(tmp_path, text, terms=ImportOptions(are_end_stamps=True))

    local = pd.DatetimeIndex(found.series["X"].starts, tz="UTC").tz_convert("Asia/Kolkata")
    assert local.strftime("%d %H:%M").tolist() == ["02 00:00", "03 00:00"]
    assert found.series["X"].interval == 86_400 * SECOND


def test_a_thin_share_is_no_mixture_of_lengths(tmp_path: Path) -> None:
    times = ("09:15", "09:16", "09:17", "09:18", "09:19", "09:24", "09:29", "09:34", "09:35", "09:40", "09:43", "09:50")

    assert len(read(tmp_path, HEAD + rows(*times)).series["X"]) == len(times)


@pytest.mark.parametrize(("first", "then"), [(1, 5), (5, 1), (1, 15)])
def test_days_of_another_length_are_refused_with_the_first(tmp_path: Path, first: int, then: int) -> None:
    def day(number: int, step: int, count: int) -> str:
        return "".join(
            f"2025-06-0{number} {9 + m // 60:02}:{m % 60:02},1,2,1,2,5\n" for m in range(15, 15 + count * step, step)
        )

    text = HEAD + day(2, first, 30 if first == 1 else 8) + day(3, then, 30 if then == 1 else 8)

    day_of_other = 2 if first > then else 3
    with pytest.raises(
        DataError, match=rf"from 2025-06-0{day_of_other}T09:15:00\+05:30 on are {max(first, then)}m apart"
    ):
        read(tmp_path, text)


@pytest.mark.parametrize(("name", "symbol"), [
    ("TCS.csv", "TCS"), ("tcs.csv.gz", "TCS"), ("BTCUSDT-1m-2025-01.zip", "BTCUSDT"), ("BTCUSDT-1d.csv", "BTCUSDT"),
    ("BTCUSDT-1mo-2025-01-31.csv", "BTCUSDT"), ("BAJAJ-AUTO.csv", "BAJAJ-AUTO"), ("TCS_1m.csv", "TCS_1M"),
])  # fmt: skip
def test_a_file_is_named_for_its_symbol(name: str, symbol: str) -> None:
    assert symbol_from_name(name) == symbol


def test_a_line_without_an_end_is_no_file_of_bars(tmp_path: Path) -> None:
    for text in ("9" * (1 << 21), HEAD + rows("09:15") + "9" * (1 << 21)):
        with pytest.raises(DataError, match="a line has more than 65536 characters: this is no file of bars"):
            read(tmp_path, text)


def test_european_and_indian_numbers_are_told_apart(tmp_path: Path) -> None:
    indian = 'date,open,high,low,close,volume\n2025-06-02,"1,10,000.50","1,10,001","1,09,999",1e5,"12,34,567"\n'
    comma = "date;open;high;low;close;volume\n2025-06-02;1,104;1,105;1,103;1,104;7\n"

    with pytest.raises(DataError, match="open or close outside"):
        read(tmp_path, indian)
    (bar,) = read(tmp_path, indian.replace("1e5", '"1,10,000"')).series["X"].close.tolist()
    assert bar == 11_000_000
    assert read(tmp_path, comma).series["X"].open.tolist() == [1104]


def tick(tmp_path: Path, symbol: str, *bars: str, exchange: str = "NSE") -> Decimal:
    text = "date,open,high,low,close\n" + "".join(f"{day},{p},{p},{p},{p}\n" for day, p in (b.split() for b in bars))
    found = read(tmp_path, text, terms=ImportOptions(exchange=exchange), name=f"{symbol}.csv")
    return found.instruments[0].tick_size


@pytest.mark.parametrize(
    ("bars", "right"),
    [
        (("2025-05-29 900", "2025-06-02 1500"), "0.05"),  # the close of the month before counts
        (("2025-05-29 1500", "2025-06-02 900"), "0.10"),
        (("2025-05-29 6000", "2025-06-02 6000.5"), "0.50"),
        (("2025-05-29 15000", "2025-06-02 15001"), "1"),
        (("2025-05-29 130000", "2025-06-02 130005"), "5"),
        (("2025-05-29 130000.05", "2025-06-02 130005"), "0.05"),  # the prices show a finer step
        (("2025-03-27 1500", "2025-04-11 1500"), "0.05"),  # before the rule
        (("2025-06-02 1500", "2025-06-03 1500"), "0.10"),  # no month before
        (("2024-05-30 100.05", "2024-06-03 100"), "0.05"),
        (("2024-05-30 100.05", "2024-06-10 100"), "0.01"),
    ],
)
def test_the_tick_of_a_share_follows_the_last_close_of_the_month_before(
    tmp_path: Path, bars: tuple[str, ...], right: str
) -> None:
    assert tick(tmp_path, "TCS", *bars) == Decimal(right)


def test_the_ticks_of_funds_and_of_another_exchange_are_their_own(tmp_path: Path) -> None:
    bars = ("2025-05-29 1500", "2025-06-02 1500")

    assert tick(tmp_path, "NIFTYBEES", *bars) == Decimal("0.01")
    assert tick(tmp_path, "TCS", *bars, exchange="BSE") == Decimal("0.05")


def test_weeks_are_one_bar_whatever_day_they_are_stamped_with(tmp_path: Path) -> None:
    fridays = "date,open,high,low,close\n" + "".join(f"2025-06-{day:02},1,2,1,2\n" for day in (6, 13, 20, 27))

    bars = read(tmp_path, fridays).series["X"]

    local = pd.DatetimeIndex(bars.starts, tz="UTC").tz_convert("Asia/Kolkata")
    assert local.strftime("%a %d").tolist() == ["Mon 02", "Mon 09", "Mon 16", "Mon 23"]


@pytest.mark.parametrize(
    ("text", "now", "bars"),
    [
        ("2025-05-19 2025-05-26 2025-06-02", "2025-06-05 16:00", 2),  # a Thursday
        ("2025-05-19 2025-05-26 2025-06-02", "2025-06-06 16:00", 3),  # a Friday, after the session
        ("2025-03-03 2025-04-01 2025-05-02", "2025-05-30 12:00", 2),
        ("2025-03-03 2025-04-01 2025-05-02", "2025-05-30 16:00", 3),
    ],
)
def test_a_week_and_a_month_are_over_with_their_last_session(tmp_path: Path, text: str, now: str, bars: int) -> None:
    source = tmp_path / "X.csv"
    lines = "".join(f"{day},1,2,1,2\n" for day in text.split())
    source.write_text(f"date,open,high,low,close\n{lines}", encoding="utf-8")
    clock = ManualClock(pd.Timestamp(now, tz="Asia/Kolkata").value)

    assert (
        len(read_files(source, tmp_path, parse_options=INDIA, options=ImportOptions(), clock=clock).series["X"]) == bars
    )


def test_a_file_of_which_no_row_can_be_read_names_the_format_too(tmp_path: Path) -> None:
    text = HEAD + "202506020915,1,2,1,2,5\n202506020916,1,2,1,2,5\n"

    with pytest.raises(DataError, match=r"there are no bars in it; rows left out for a time .*: 2.* '%Y%m%d%H%M'"):
        read(tmp_path, text, INDIA._replace(skips_bad=True))


def test_a_list_of_other_series_alone_says_what_was_left_out(tmp_path: Path) -> None:
    text = "SYMBOL,SERIES,DATE1,OPEN,HIGH,LOW,CLOSE\nX,GB,04-Jul-2024,1,2,1,2\n"

    with pytest.raises(DataError, match="there are no bars in it; rows of series GB left out: 1"):
        read(tmp_path, text)
    assert len(read(tmp_path, text, INDIA._replace(series=("GB",))).series["X"]) == 1


def test_a_symbol_behind_its_exchange_is_that_symbol(tmp_path: Path) -> None:
    text = f"symbol,{HEAD}" + "".join(f"NSE:TCS,2025-06-02 09:1{n},1,2,1,2,5\n" for n in (5, 6))

    assert len(read(tmp_path, text).series["TCS"]) == 2
    assert len(read(tmp_path, text, INDIA._replace(symbol="TCS")).series["TCS"]) == 2
    with pytest.raises(DataError, match="NSE:TCS trades on NSE: say --exchange NSE"):
        read(tmp_path, text, terms=ImportOptions(exchange="BSE"))


def test_a_colon_of_no_exchange_belongs_to_the_symbol(tmp_path: Path) -> None:
    text = f"symbol,{HEAD}" + "".join(f"BTC:USDT,2025-06-02 09:1{n},1,2,1,2,5\n" for n in (5, 6))

    assert len(read(tmp_path, text).series["BTC:USDT"]) == 2
