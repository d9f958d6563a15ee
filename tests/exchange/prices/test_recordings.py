"""Recorded prices by their first line: ticks or bars, never a mix."""

from __future__ import annotations

from pathlib import Path

import pytest

from tradebot.errors import DataError
from tradebot.exchange.prices.recorded_bars import RecordedBars
from tradebot.exchange.prices.recorded_ticks import RecordedTicks
from tradebot.exchange.prices.recordings import open_recording

TICKS = "timestamp,ltp,volume\n2021-06-11 09:15:00,100.5,10\n2021-06-11 09:15:02,100.6,12\n"
BARS = (
    "date,Open,High,Low,Close,Volume\n2021-06-11 09:15:00,100,101,99,100.5,400\n2021-06-11 09:16:00,100,101,99,100,40\n"
)


def test_a_file_of_ticks_and_a_file_of_bars_are_told_apart(tmp_path: Path) -> None:
    (tmp_path / "t").mkdir()
    (tmp_path / "b").mkdir()
    (tmp_path / "t/AAA.csv").write_text(TICKS)
    (tmp_path / "b/AAA.csv").write_text(BARS)
    assert isinstance(open_recording(tmp_path / "t"), RecordedTicks)
    bars = open_recording(tmp_path / "b", symbols=("AAA",))
    assert isinstance(bars, RecordedBars)
    assert [int(s.last[0]) for s in bars.steps_until(bars.closes_at)][:4] == [10000, 9900, 10100, 10050]


def test_a_mix_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "AAA.csv").write_text(TICKS)
    (tmp_path / "BBB.csv").write_text(BARS)
    with pytest.raises(DataError, match=r"BBB\.csv holds bars and AAA\.csv ticks"):
        open_recording(tmp_path)


def test_a_symbol_without_a_file_is_named_with_those_there_are(tmp_path: Path) -> None:
    (tmp_path / "AAA.csv").write_text(TICKS)
    with pytest.raises(DataError, match="no prices of CCC; there are AAA"):
        open_recording(tmp_path, symbols=("CCC",))
