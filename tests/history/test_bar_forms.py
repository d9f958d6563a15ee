"""Every form of file that people have their bars in: what is read of each, or the sentence that refuses it.

The right values were read from the files by eye. A file of the folder without a row here fails.
"""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path
from typing import NamedTuple

import pandas as pd
import pytest

from tradebot.errors import DataError
from tradebot.history.files.rows import ParseOptions
from tradebot.history.importing import ImportOptions, read_files
from tradebot.history.interval import interval_name

INDIA, NEW_YORK, UTC = "Asia/Kolkata", "America/New_York", "UTC"


class Right(NamedTuple):
    """What a file holds: the starts of its first and last bar as they read in `zone`, its first row, all its volume."""

    first: str
    last: str
    row: str  # open high low close volume
    volume: str
    interval: str = "1m"
    symbol: str = ""  # else the file's name
    says: str = ""  # what the import must tell
    zone: str = INDIA


class Refused(NamedTuple):
    """A piece of the sentence that refuses a file."""

    why: str


class Form(NamedTuple):
    file: str
    right: Right | Refused
    wanted: ParseOptions = ParseOptions(zone=INDIA)
    terms: ImportOptions = ImportOptions()


def K(**how: object) -> ParseOptions:
    return ParseOptions(zone=INDIA, **how)  # type: ignore[arg-type]


def minutes(last: str = "09:17", volume: str = "30", **more: str) -> Right:
    return Right("2024-01-02 09:15", f"2024-01-02 {last}", "100 101 99 100.5 10", volume, **more)


def days(row: str = "100.5 101.25 99.75 100.5 5", volume: str = "10", last: str = "03", **more: str) -> Right:
    return Right("2024-01-02 00:00", f"2024-01-{last} 00:00", row, volume, "1d", **more)


def two(volume: str = "10", **more: str) -> Right:
    return Right("2024-01-02 09:15", "2024-01-02 09:16", "1 2 1 2 5", volume, **more)


def fixed(time_format: str) -> ParseOptions:
    return K(time_format=time_format)


FOUR_DAYS = days("100 101 99 100.5 10", "40", "05")
PARQUET_DAYS = days("100 101 99 100.5 10", "46", "05")
NEW_YEAR = Right("2025-01-01 05:29", "2025-01-01 05:32", "100 101 99 100.5 12.5", "50")
BINANCE, FOREX, NO_ZONE = ImportOptions(exchange="BINANCE"), ImportOptions(exchange="FOREX"), ParseOptions()
TICKS = "volume is the number of ticks"
ENDS = "times look like the ends of their bars"
TCS_OF_JULY = Right("2024-07-04 00:00", "2024-07-04 00:00", "3500 3600 3450 3550 500000", "500000", "1d", "TCS")
OTHERS = "rows of other symbols left out: 1"

FORMS = (
    # ---- the usual forms
    Form("adj_all.csv", days("199 202 198 200 50", "100", says="columns not read: Adj Close")),
    Form("adj_folded.csv", days("200 202 198 201 5", "10")),
    Form("binance_fut_head.csv", NEW_YEAR, NO_ZONE, BINANCE),
    Form("blank_in.csv", days()),
    Form("bom.csv", minutes()),
    Form("breeze.csv", two()),
    Form("c8.csv", FOUR_DAYS),
    Form("crlf.csv", minutes()),
    Form("desc.csv", minutes("09:20", "60")),
    Form("dots.csv", minutes()),
    Form("dupsame.csv", two()),
    *(Form(f"ep_{unit}.csv", minutes("09:19", "50"), NO_ZONE) for unit in ("s", "ms", "us", "ns")),
    Form("fyers.csv", two()),
    Form("oi.csv", two(says="columns not read: oi"), NO_ZONE),
    Form("semi_vol.csv", days("100.5 101.25 99.75 100.5 1", "13")),
    Form("spacehead.csv", days()),
    Form("trailcomma.csv", days()),
    Form("tv_epoch.csv", Right("2024-01-02 09:15", "2024-01-02 09:18", "10 11 9 10.5 100", "406"), NO_ZONE),
    Form("tv_iso.csv", Right("2024-01-02 09:15", "2024-01-02 09:18", "10 11 9 10.5 100", "406"), NO_ZONE),
    Form("tz2.csv", minutes(), NO_ZONE),
    Form("tzspace.csv", minutes(), NO_ZONE),
    Form("unpadded.csv", minutes()),
    Form("upstox.csv", two(), NO_ZONE),
    Form("zero.csv", Right("2024-01-02 09:16", "2024-01-02 09:17", "1 2 1 2 5", "10"), K(skips_bad=True)),
    Form("zero.csv", Refused("line 2: a price of 0 or less")),
    Form("date.parquet", PARQUET_DAYS),
    Form("floatep.parquet", minutes("09:18", "46"), NO_ZONE),
    Form("ts.parquet", minutes("09:18", "46")),
    Form("tz.parquet", minutes("09:18", "46"), NO_ZONE),
    # ---- times that need their format, which the refusal gives
    Form("12h_pm.csv", Right("2024-01-02 14:15", "2024-01-02 14:17", "100 101 99 100.5 10", "30"),
         fixed("%Y-%m-%d %I:%M:%S %p")),
    Form("12h_pm.csv", Right("2024-01-02 14:15", "2024-01-02 14:17", "100 101 99 100.5 10", "30")),
    Form("c6_yymmdd.csv", FOUR_DAYS, fixed("%y%m%d")),
    Form("c6_yymmdd.csv", Refused("--time-format '%y%m%d'")),
    Form("c8_ddmm.csv", FOUR_DAYS, fixed("%d%m%Y")),
    Form("c8_ddmm.csv", Refused("--time-format '%d%m%Y' or '%m%d%Y'")),
    Form("datetime2.csv", minutes(), fixed("%d-%m-%Y %H:%M")),
    Form("datetime2.csv", Refused("'%d-%m-%Y %H:%M' or '%m-%d-%Y %H:%M'")),
    Form("ddmmyyyy.csv", minutes(), fixed("%d-%m-%Y %H:%M")),
    Form("ddmmyyyy_sl.csv", FOUR_DAYS, fixed("%d/%m/%Y")),
    Form("ddmmyyyy_sl.csv", Refused("--time-format '%d/%m/%Y' or '%m/%d/%Y'")),
    Form("ib2.csv", minutes(), fixed("%Y%m%d  %H:%M:%S")),
    Form("ib2.csv", minutes()),
    Form("mdy12h.csv", minutes(), fixed("%m/%d/%Y %I:%M:%S %p")),
    Form("c10.csv", minutes("09:18", "40"), fixed("%y%m%d%H%M")),
    Form("c10.csv", Refused("line 2: a time that cannot be read (stamp 2401020915")),
    Form("c10.csv", Refused("--time-format '%y%m%d%H%M' or 'epoch'")),
    Form("c12.csv", minutes("09:18", "40"), fixed("%Y%m%d%H%M")),
    Form("c12.csv", Refused("--time-format '%Y%m%d%H%M'")),
    Form("c12day.csv", FOUR_DAYS, fixed("%Y%m%d%H%M")),
    Form("c12day.csv", Refused("--time-format '%Y%m%d%H%M'")),
    Form("c14.csv", minutes("09:18", "40"), fixed("%Y%m%d%H%M%S")),
    Form("c14.csv", Refused("--time-format '%Y%m%d%H%M%S'")),
    # ---- times
    Form("hhmm.csv", Right("2024-01-02 09:15", "2024-01-02 10:01", "10 11 9 10.5 5", "20", symbol="TCS")),
    Form("hhmmss0.csv", Right("2024-01-02 09:35", "2024-01-02 10:00", "10 11 9 10.5 5", "20", "5m", "TCS")),
    Form("hhmmss_short.csv", Right("2024-01-02 09:15", "2024-01-02 10:00", "10 11 9 10.5 5", "20")),
    Form("ep_float.csv", minutes("09:19", "50"), NO_ZONE),
    Form("ep_frac.csv", Right("2024-01-02 09:15:00.25", "2024-01-02 09:19:00.25", "100 101 99 100.5 10", "50"),
         NO_ZONE),
    Form("ep_sci.csv", minutes("09:19", "50"), NO_ZONE),
    Form("ep_mixed_binance.csv", Right("2025-01-01 05:27", "2025-01-01 05:32", "100 101 99 100.5 10", "60"), NO_ZONE),
    Form("epoch_time.csv", two(), NO_ZONE),
    Form("excel_day.csv", FOUR_DAYS._replace(says="days as Excel counts them")),
    Form("excel_serial.csv", minutes(says="days as Excel counts them")),
    Form("dst.csv", Right("2024-11-03 00:30", "2024-11-03 02:00", "100 101 99 100.5 10", "60", "30m", zone=NEW_YORK),
         ParseOptions(zone=NEW_YORK), FOREX),
    Form("dst.csv", Refused("start at 2024-11-03T01:00:00+05:30 and differ")),
    Form("ibtz.csv", minutes()._replace(first="2024-01-02 09:30", last="2024-01-02 09:32", zone=NEW_YORK), NO_ZONE,
         ImportOptions(exchange="NASDAQ")),
    Form("namedtz.csv", minutes(says="the zone IST of its times is Asia/Kolkata"), NO_ZONE),
    Form("utcword.csv", minutes(zone=UTC), NO_ZONE, BINANCE),
    Form("59.csv", minutes("09:20", "60"), terms=ImportOptions(are_end_stamps=True)),
    Form("59.csv", Right("2024-01-02 09:15:59", "2024-01-02 09:20:59", "100 101 99 100.5 10", "60", says=ENDS)),
    Form("endstamp.csv", minutes("09:20", "60"), terms=ImportOptions(are_end_stamps=True)),
    Form("endstamp.csv", Right("2024-01-02 09:16", "2024-01-02 09:21", "100 101 99 100.5 10", "60", says=ENDS)),
    Form("week.csv", Right("2024-01-01 00:00", "2024-01-29 00:00", "10 11 9 10 5", "25", "1w")),
    Form("null.csv", days("100.5 101.25 99.75 100.5 5", "10", "04"), K(skips_bad=True)),
    Form("null.csv", Refused("line 3: a price that is no number")),
    Form("partial_last.csv", minutes("09:20", "60", says="last bars that were still running, left out (the first at "
                                                         "2024-01-02T09:20:37+05:30): 1")),
    # ---- volumes by whatever name, and numbers as people write them
    Form("bhav_old.csv", TCS_OF_JULY._replace(says=OTHERS), K(symbol="TCS")),
    Form("bhav_full.csv", TCS_OF_JULY._replace(says=OTHERS), K(symbol="TCS")),
    Form("bhav_series.csv", TCS_OF_JULY._replace(says="rows of series BL left out: 1")),
    Form("bhav_series.csv", TCS_OF_JULY._replace(row="3510 3510 3510 3510 5000", volume="5000"), K(series=("BL",))),
    Form("bhav_udiff.csv", TCS_OF_JULY._replace(first="2024-07-08 00:00", last="2024-07-08 00:00")),
    Form("volbtc.csv", Right("2011-12-31 07:52", "2011-12-31 07:53", "4.39 4.39 4.39 4.39 0.45558087", "0.91116174",
                             says="columns not read: Volume_(Currency)", zone=UTC), NO_ZONE, BINANCE),
    *(Form(name, Right("2024-01-02 00:00", "2024-01-02 01:00", "100 101 99 100.5 2.5", "5", "1h", "BTC/USDT",
                       "columns not read: Date, Volume USDT", UTC), NO_ZONE, BINANCE)
      for name in ("cdd.csv", "cdd_nourl.csv")),
    Form("mt5.csv", Right("2024-01-02 00:00", "2024-01-02 00:03", "1.10432 1.105 1.103 1.1045 1234", "4942",
                          says=TICKS, zone=UTC), ParseOptions(zone=UTC), FOREX),
    Form("mt5_day.csv", Right("2024-01-02 00:00", "2024-01-05 00:00", "1.10432 1.105 1.103 1.1045 1234", "4942", "1d",
                              says=TICKS, zone=UTC), ParseOptions(zone=UTC), FOREX),
    Form("nifty_site.csv", Right("2024-11-28 00:00", "2024-11-29 00:00",
                                 "24274.15 24345.75 23873.35 23914.15 351231000", "609462000", "1d")),
    Form("nse_site.csv", Right("2024-11-28 00:00", "2024-11-29 00:00", "1290 1299 1265 1270.9 15027735", "26055470",
                               "1d")),
    Form("quoted.csv", days("1100.5 1101.25 1099.75 1100.5 12345", "24690")),
    Form("quotedvol.csv", days("100.5 101.25 99.75 100.5 12345", "24690")),
    Form("investing.csv", days("100 101 99 100.5 1100000", "2330000"), fixed("%m/%d/%Y")),
    Form("investing.csv", Refused("--time-format '%d/%m/%Y' or '%m/%d/%Y'")),
    Form("kmvol.csv", days("100.5 101.25 99.75 100.5 1200000", "1235000")),
    Form("emptyvol.csv", days("100.5 101.25 99.75 100.5 0", "0", says="rows without a volume, taken as 0: 2")),
    Form("dashvol.csv", days("100.5 101.25 99.75 100.5 0", "0", says="rows without a volume, taken as 0: 2")),
    Form("semi_decomma.csv", days("100.5 101.25 99.75 100.5 1000", "2000")),
    Form("semi_thou.csv", days("1100.5 1101.25 1099.75 1100.5 1000", "2000")),
    Form("currency.csv", days(last="02", volume="5")),
    Form("unithead.csv", days(last="02", volume="5")),
    Form("float_noise.csv", days("1370.1 1383.275 1368.825 1372.1 50", "100", says="noise of floats, rounded to 3")),
    # ---- heads, ends and letters
    Form("yf_multi.csv", days("100 101 99 100.5 50", "110", symbol="TCS")),
    Form("yf_multi.csv", Refused("there are no bars of INFY; it has TCS.NS"), K(symbol="INFY")),
    Form("pandas_index.csv", days("100 101 99 100.5 50", "100")),
    Form("idx.parquet", PARQUET_DAYS),
    Form("idxlevel.parquet", PARQUET_DAYS),
    Form("binance_nohead.csv", NEW_YEAR._replace(says="has no head: read as klines of Binance"), NO_ZONE, BINANCE),
    Form("binance.zip", NEW_YEAR._replace(symbol="BTCUSDT"), NO_ZONE, BINANCE),
    Form("ami.txt", Right("2024-01-02 09:16", "2024-01-02 09:19", "21700 21710 21690 21705 0", "0", symbol="NIFTY",
                          says="has no head: read as bars of AmiBroker")),
    Form("histdata.csv", Right("2024-01-02 00:00:00", "2024-01-02 00:00:03", "1.1 1.2 1 1.15 0", "0", "1s",
                               says="has no head: read as bars of HistData", zone=UTC), ParseOptions(zone=UTC), FOREX),
    Form("comment.csv", days(says="not read: '# exported by me', above the head")),
    Form("ohlc_short.csv", two(), NO_ZONE),
    Form("utf16.csv", minutes()),
    Form("latin1.csv", minutes(says="is no UTF-8: read as Windows-1252")),
    Form("bom2.csv", minutes()),
    Form("footer.csv", days(says="rows below the table that are no bars: 1")),
    Form("cr.csv", minutes()),
    Form("blank.csv", days()),
    # ---- bars that are there twice, and of others
    Form("dupdiff.csv", Right("2024-01-02 09:15", "2024-01-02 09:16", "1 2 1 1.5 7", "12", says="the last kept: 1"),
         terms=ImportOptions(keep="last")),
    Form("dupdiff.csv", two(), terms=ImportOptions(keep="first")),
    Form("dupdiff.csv", Refused("start at 2024-01-02T09:15:00+05:30 and differ; choose one with --keep last")),
    Form("two_sym.csv", Right("2024-01-02 09:15", "2024-01-02 09:17", "1 2 1 2 5", "10", "2m", "TCS",
                              "rows of other symbols left out: 2"), K(symbol="TCS")),
    Form("two_sym.csv", Refused("there are no bars of HDFC; it has TCS, INFY"), K(symbol="HDFC")),
    Form("mixed_int.csv", Refused("from 2024-01-02T09:25:00+05:30 on are 5m apart, others 1m")),
    # ---- no bars
    Form("hl.csv", Refused("line 2: a high below the low")),
    Form("neg.csv", Refused("line 2: a price of 0 or less")),
    Form("ydm.csv", Refused("line 2: a time that cannot be read (stamp 2024-13-01")),
    Form("c6_2002.csv", Refused("line 2: a time that cannot be read (stamp 200102")),
    Form("unqthou.csv", Refused("line 2: more values than the 6 columns of the header; numbers with separators of")),
)  # fmt: skip


@pytest.mark.parametrize("form", FORMS, ids=lambda form: form.file)
def test_a_file_is_read_as_it_was_meant_or_refused(cases: Path, tmp_path: Path, form: Form) -> None:
    source = cases / "bars" / form.file
    if source.suffix == ".parquet":
        pytest.importorskip("duckdb")
    if isinstance(form.right, Refused):
        with pytest.raises(DataError) as refused:
            read_files(source, tmp_path, parse_options=form.wanted, options=form.terms)
        assert form.right.why in str(refused.value)
        assert "\n" not in str(refused.value)
        return

    found = read_files(source, tmp_path, parse_options=form.wanted, options=form.terms)

    right = form.right
    symbol = right.symbol or source.name.split(".")[0].upper()
    (instrument,) = (i for i in found.instruments if i.symbol == symbol)
    bars = found.series[symbol]
    first, last = (pd.Timestamp(text, tz=right.zone).value for text in (right.first, right.last))
    prices = [instrument.price_from_units(int(getattr(bars, name)[0])) for name in ("open", "high", "low", "close")]
    assert (int(bars.starts[0]), int(bars.starts[-1])) == (first, last)
    assert [*prices, instrument.quantity_from_units(int(bars.volume[0]))] == [
        Decimal(number) for number in right.row.split()
    ]
    assert instrument.quantity_from_units(int(bars.volume.sum())) == Decimal(right.volume)
    assert interval_name(bars.interval) == right.interval
    assert right.says in "; ".join(found.notes)


def test_every_file_of_the_folder_has_its_row(cases: Path) -> None:
    there = {path.name for path in (cases / "bars").iterdir() if path.suffix != ".md"}

    assert there == {form.file for form in FORMS}
