"""Files that other programs wrote come into the history as they are, dirt named: Yahoo's, Binance's and Bitstamp's."""

from __future__ import annotations

import csv
import gzip
from decimal import Decimal
from pathlib import Path

import numpy as np
import pytest

from tests.history.bars_by_hand import MINUTE, assert_same
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.errors import DataError
from tradebot.history.data_quality import examine_series, require_testable
from tradebot.history.files.rows import ParseOptions
from tradebot.history.importing import FileBars, ImportOptions, read_files

NEW_YORK = ParseOptions(zone="America/New_York", symbol="ORCL")


def read(path: Path, scratch: Path, wanted: ParseOptions, exchange: str) -> FileBars:
    return read_files(path, scratch, parse_options=wanted, options=ImportOptions(exchange=exchange))


def one(found: FileBars) -> tuple[Instrument, BarSeries]:
    (instrument,) = found.instruments
    return instrument, found.series[instrument.symbol]


def test_yahoo_days_newest_first_are_the_days_oldest_first(conformance: Path, tmp_path: Path) -> None:
    dirty = read(conformance / "basana/orcl-2000-yahoo.csv", tmp_path, NEW_YORK, "NASDAQ")
    clean = read(conformance / "basana/orcl-2000-yahoo-sorted.csv", tmp_path, NEW_YORK, "NASDAQ")

    assert dirty.unsorted["ORCL"] == 251
    assert clean.unsorted["ORCL"] == 0
    assert_same(dirty.series["ORCL"], clean.series["ORCL"])


def test_both_splits_of_oracle_in_2000_are_named_by_their_day(conformance: Path, tmp_path: Path) -> None:
    instrument, bars = one(read(conformance / "basana/orcl-2000-yahoo.csv", tmp_path, NEW_YORK, "NASDAQ"))

    found = examine_series(bars, "NASDAQ")

    assert [finding.kind for finding in found] == ["split", "split"]
    assert "2000-01-19: 1 share became 2" in found[0].description
    assert "2000-10-13: 1 share became 2" in found[1].description
    with pytest.raises(DataError, match="looks like a split that was not adjusted"):
        require_testable({"ORCL": bars}, [instrument])


@pytest.mark.parametrize(
    ("name", "exchange"),
    [("basana/binance_btcusdt_day_2020.csv", "BINANCE"), ("basana/bitstamp_btcusd_min_2020_01_01.csv", "BITSTAMP")],
)
def test_every_digit_of_a_coin_is_kept(conformance: Path, tmp_path: Path, name: str, exchange: str) -> None:
    instrument, bars = one(read(conformance / name, tmp_path, ParseOptions(zone="UTC"), exchange))

    with (conformance / name).open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    for column in ("open", "high", "low", "close"):
        assert [instrument.price_from_units(v) for v in getattr(bars, column)] == [Decimal(row[column]) for row in rows]
    assert [instrument.quantity_from_units(v) for v in bars.volume] == [Decimal(row["volume"]) for row in rows]
    assert examine_series(bars, exchange) == []


def test_a_month_of_minutes_has_no_gap(conformance: Path, tmp_path: Path) -> None:
    source = conformance / "nautilus-binance/btc-perp-20211231-20220201_1m.csv.gz"
    _, bars = one(read(source, tmp_path, ParseOptions(zone="UTC"), "BINANCE"))

    with gzip.open(source, "rt", encoding="utf-8") as file:
        assert len(bars) == sum(1 for _ in file) - 1
    assert bars.interval == MINUTE
    assert (np.diff(bars.starts) == MINUTE).all()
    assert examine_series(bars, "BINANCE") == []
