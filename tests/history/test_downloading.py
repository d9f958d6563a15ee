"""Downloads ask only for what is missing, keep each piece, and go on where they were stopped."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import msgspec
import numpy as np
import pytest

from tests.history.bars_by_hand import MINUTE, assert_same, series, walk
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.errors import LinkLost, VenueUnavailable
from tradebot.history.downloading import DownloadResult, download_bars, missing_pieces
from tradebot.history.exchange_calendar import day_number
from tradebot.history.history import History, open_history

DAY = 86_400 * SECOND
RELIANCE = Instrument(symbol="RELIANCE")
PAST = walk(days=60)
START, END = int(PAST.starts[0]), int(PAST.starts[-1]) + MINUTE


class Venue:
    """A venue with `PAST`; counts what it was asked, and fails when it is told to."""

    def __init__(self) -> None:
        self.asked: list[tuple[int, int]] = []
        self.failures = 0

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        if self.failures:
            self.failures -= 1
            raise LinkLost("the line broke")
        self.asked.append((start, end))
        first, last = np.searchsorted(PAST.starts, (start, end)).tolist()
        return PAST.select_bars(slice(first, last))


@pytest.fixture
def history(tmp_path: Path):
    with open_history(tmp_path, writes=True) as opened:
        yield opened


async def fill(history: History, venue: Venue, start: int = START, end: int = END, *, now: int = END + DAY):
    clock = ManualClock(now)
    return await download_bars(
        history, [RELIANCE], MINUTE, start, end, fetch=venue.fetch_history, clock=clock, source="a venue"
    )  # fmt: skip


async def test_a_span_is_fetched_once(history: History) -> None:
    venue = Venue()

    (first,) = await fill(history, venue)
    (again,) = await fill(history, venue)

    assert (first.requests, first.counts.added) == (len(venue.asked), len(PAST))
    assert again == DownloadResult("RELIANCE", 0, again.counts)
    assert again.counts == (0, 0, 0)
    assert_same(history.load_series(["RELIANCE"], MINUTE)["RELIANCE"], PAST)


async def test_only_gaps_are_asked_for(history: History) -> None:
    venue = Venue()
    await fill(history, venue, START + 10 * DAY, START + 20 * DAY)
    venue.asked.clear()

    await fill(history, venue, START, START + 40 * DAY)

    assert venue.asked[0] == (START, START + 10 * DAY)
    assert venue.asked[1][0] == START + 20 * DAY
    assert venue.asked[-1][1] == START + 40 * DAY


async def test_an_interruption_keeps_the_pieces_before_it(history: History) -> None:
    venue = Venue()
    whole = missing_pieces(history, RELIANCE, MINUTE, START, END)
    reached: list[int] = []

    async def breaks(instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        if len(venue.asked) == 1:
            reached.append(start)
            raise LinkLost("the line broke")
        return await venue.fetch_history(instrument, interval=interval, start=start, end=end)

    clock = ManualClock(END + DAY)
    with pytest.raises(VenueUnavailable, match=f"1 of {len(whole)} pieces are in the history"):
        await download_bars(history, [RELIANCE], MINUTE, START, END, fetch=breaks, clock=clock, source="a venue")
    assert len(reached) == 4  # tries
    venue.asked.clear()
    await fill(history, venue)

    assert venue.asked[0][0] == reached[0]
    assert_same(history.load_series(["RELIANCE"], MINUTE)["RELIANCE"], PAST)


async def test_a_line_that_breaks_once_is_tried_again(history: History) -> None:
    venue = Venue()
    venue.failures = 2

    (done,) = await fill(history, venue)

    assert done.counts.added == len(PAST)


async def test_what_is_not_complete_yet_is_asked_for_again_later(history: History) -> None:
    venue, now = Venue(), int(PAST.starts[100]) + 30 * SECOND
    await fill(history, venue, START, END, now=now)
    before = len(history.bar_starts("RELIANCE", MINUTE))

    await fill(history, venue, START, END, now=now + 10 * MINUTE)

    assert (before, len(history.bar_starts("RELIANCE", MINUTE))) == (100, 110)


async def test_days_without_a_session_are_never_asked_for(history: History) -> None:
    saturday = day_number(date(2025, 6, 7)) * DAY

    assert missing_pieces(history, RELIANCE, MINUTE, saturday, saturday + 2 * DAY - 6 * 3_600 * SECOND) == []
    assert (
        len(missing_pieces(history, Instrument(symbol="BTC", exchange="BINANCE"), MINUTE, saturday, saturday + DAY))
        == 1
    )


async def test_a_symbol_that_had_no_bars_then_is_not_asked_again(history: History) -> None:
    venue = Venue()
    early = START - 20 * DAY

    await fill(history, venue, early, START)
    count = len(venue.asked)
    await fill(history, venue, early, START)

    assert count == len(venue.asked) == 1
    assert history.list_series() == []


def test_bars_by_hand_are_on_the_calendar() -> None:
    assert len(series("X", PAST.starts)) == 60 * 375


class Venues(Venue):
    """A venue that has no answer for some symbols, and odd bars among the others."""

    def __init__(self, *missing: str) -> None:
        super().__init__()
        self.missing, self.tried = missing, list[str]()

    async def fetch_history(self, instrument: Instrument, *, interval: int, start: int, end: int) -> BarSeries:
        self.tried.append(instrument.symbol)
        if instrument.symbol in self.missing:
            raise LinkLost("candles: null is not a list")
        found = await super().fetch_history(instrument, interval=interval, start=start, end=end)
        return msgspec.structs.replace(found, symbol=instrument.symbol, unread_starts=np.array([start, 0]))


async def bring(history: History, venue: Venue, *symbols: str) -> list[DownloadResult]:
    return await download_bars(
        history, [Instrument(symbol=s) for s in symbols], MINUTE, START, START + 5 * DAY, fetch=venue.fetch_history,
        clock=ManualClock(END + DAY), source="a venue",
    )  # fmt: skip


async def test_a_symbol_that_cannot_be_had_is_named_and_keeps_no_later_one(history: History) -> None:
    venue = Venues("TCS")
    with pytest.raises(VenueUnavailable, match=r"^TCS: the venue gave no bars in 4 tries: candles: null"):
        await bring(history, venue, "RELIANCE", "TCS", "INFY")
    assert {line.symbol for line in history.list_series()} == {"RELIANCE", "INFY"}


async def test_a_venue_that_has_nothing_for_three_symbols_in_a_row_is_away(history: History) -> None:
    venue = Venues("A", "B", "C", "D")
    with pytest.raises(VenueUnavailable, match=r"^A, B, C: "):
        await bring(history, venue, "A", "B", "C", "D", "RELIANCE")
    assert set(venue.tried) == {"A", "B", "C"}


async def test_odd_bars_are_counted_of_each_symbol(history: History) -> None:
    (one, two) = await bring(history, Venues(), "RELIANCE", "INFY")
    assert (one.odd, two.odd) == (2, 2)
    assert one.counts.added > 0
