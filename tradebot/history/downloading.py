"""Downloads: past bars from a venue into the history, piece by piece, only spans that were not requested before.

Each piece is on disk before the next is requested. So an interrupted download continues where it stopped.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import NamedTuple

import numpy as np

from tradebot.clock import DAY, SECOND, Clock
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import BarSeries
from tradebot.errors import LinkLost, VenueUnavailable
from tradebot.history.exchange_calendar import ExchangeCalendar, calendar_of, exchange_days
from tradebot.history.history import History
from tradebot.history.merging import WriteCounts

MAX_TRIES = 4
MAX_FAILURES_IN_A_ROW = (
    3  # after so many failed symbols in a row the venue counts as down; each failure costs seconds of retries
)
PIECE_DAYS = 30  # for intraday bars: one request at most venues, and only seconds of work to lose
DAILY_PIECE_DAYS = 2_000  # for daily bars

# (instrument, *, interval, start, end) -> complete bars, as `Broker.history`.
Fetch = Callable[..., Awaitable[BarSeries]]
Progress = Callable[[str, int, int], None]  # (what, done, total)


class DownloadPiece(NamedTuple):
    """A span [starts_at, ends_at) in ns UTC to request."""

    instrument: Instrument
    starts_at: int
    ends_at: int


class DownloadResult(NamedTuple):
    """The result of a download for one symbol; `requests` is 0 when the history already had everything.

    `odd` counts bars that could not be read and were left out.
    """

    symbol: str
    requests: int
    counts: WriteCounts
    odd: int = 0


def missing_pieces(
    history: History, instrument: Instrument, interval: int, start_at: int, end_at: int, *, venue: str = ""
) -> list[DownloadPiece]:
    """Return the pieces of [start_at, end_at) (ns UTC) not yet requested from a venue that contain a session."""
    calendar = calendar_of(instrument.exchange)
    length = (PIECE_DAYS if interval < DAY else DAILY_PIECE_DAYS) * DAY
    pieces: list[DownloadPiece] = []
    at = start_at
    for since, until in [*history.requested_spans(instrument, interval, venue=venue), (end_at, end_at)]:
        while at < min(since, end_at):
            stop = min(at + length, since, end_at)
            if _has_session(calendar, at, stop, interval):
                pieces.append(DownloadPiece(instrument, at, stop))
            at = stop
        at = max(at, until)
    return pieces


async def download_bars(
    history: History,
    instruments: Sequence[Instrument],
    interval: int,
    start_at: int,
    end_at: int,
    *,
    fetch: Fetch,
    clock: Clock,
    source: str,
    venue: str = "",
    progress: Progress = lambda what, done, total: None,
) -> list[DownloadResult]:
    """Fill [start_at, end_at) (ns UTC) of each series from a venue; the venue's own rate limits set the pace.

    Requests to another venue count only if both venues pass on the prices of one exchange.

    A failed symbol does not stop the others. `MAX_FAILURES_IN_A_ROW` failed symbols in a row end the download. Raises
    VenueUnavailable when a symbol failed, after all fetched bars are on disk; AccessDenied; DataError.
    """
    # A bar that starts later is not complete yet. Requests are in whole seconds.
    end_at = min(end_at, clock.market_ns() - interval) // SECOND * SECOND
    wanted = {i.symbol: missing_pieces(history, i, interval, start_at, end_at, venue=venue) for i in instruments}
    total, done = sum(map(len, wanted.values())), 0
    found: list[DownloadResult] = []
    failed: dict[str, LinkLost] = {}
    in_a_row = 0
    for instrument in instruments:
        put, odd = WriteCounts(0, 0, 0), 0
        try:
            for piece in wanted[instrument.symbol]:
                progress(instrument.symbol, done, total)
                series = await _fetch(fetch, piece, interval, clock)
                with history.transaction():
                    put += history.write_bars(instrument, series, source=source, venue=venue)
                    history.add_requested_span(
                        instrument, interval, piece.starts_at, piece.ends_at, source=source, venue=venue
                    )
                done, odd, in_a_row = done + 1, odd + len(series.unread_starts), 0
        except LinkLost as error:
            failed[instrument.symbol], in_a_row = error, in_a_row + 1
            if in_a_row == MAX_FAILURES_IN_A_ROW:
                break
        progress(instrument.symbol, done, total)
        found.append(DownloadResult(instrument.symbol, len(wanted[instrument.symbol]), put, odd))
    if failed:
        first = next(iter(failed.values()))
        raise VenueUnavailable(
            f"{', '.join(failed)}: the venue gave no bars in {MAX_TRIES} tries: {first};"
            f" {done} of {total} pieces are in"
            " the history, the same command goes on from there"
        ) from first
    return found


async def _fetch(fetch: Fetch, piece: DownloadPiece, interval: int, clock: Clock) -> BarSeries:
    for attempt in range(1, MAX_TRIES + 1):
        try:
            return await fetch(piece.instrument, interval=interval, start=piece.starts_at, end=piece.ends_at)
        except LinkLost:
            if attempt == MAX_TRIES:
                raise
            await clock.sleep(2.0 ** (attempt - 1))
    raise AssertionError("the loop above returns or raises")


def _has_session(calendar: ExchangeCalendar, since: int, until: int, interval: int) -> bool:
    first, last = exchange_days(np.array([since, until - 1]), calendar.exchange).tolist()
    for day in range(first, last + 1):
        hours = calendar.session_hours(day)
        # A daily bar starts at midnight, before its session opens.
        if hours is not None and (interval >= DAY or (hours.opens_at < until and hours.closes_at > since)):
            return True
    return False
