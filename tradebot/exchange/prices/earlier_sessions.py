"""The sessions that an exchange streamed before the present one: their bars and closes, as clients saw them."""

from __future__ import annotations

from datetime import date, timedelta
from typing import NamedTuple

from tradebot.domain.market import Ints
from tradebot.exchange.prices.bar_aggregation import BarColumns
from tradebot.exchange.prices.intraday_bars import IntradayBars
from tradebot.exchange.prices.past_bars import LONGEST_PAST, PastBars
from tradebot.markets.hours import NEVER


class StreamedSession(NamedTuple):
    """A session that is over: its bars, and the closing time of each instrument (market ns, shape (n,))."""

    bars: IntradayBars
    instrument_closes_at: Ints

    def session_bars(self, id_: int, interval_ns: int) -> BarColumns:
        """Return every bar of instrument `id_`."""
        closes_at = int(self.instrument_closes_at[id_])
        return self.bars.bars_until(id_, interval_ns=interval_ns, until_at=NEVER, closes_at=closes_at)


class EarlierSessions:
    """The streamed sessions by day.

    `closed_at` is the close of the session before the present one (market ns), which stands on the quotes of a client
    that connects before the open; 0 where that is not known.
    """

    def __init__(self, *, closed_at: int = 0) -> None:
        self.closed_at = closed_at
        self._days: dict[date, StreamedSession] = {}  # ascending

    def add_session(self, day: date, session: StreamedSession) -> None:
        """Add the session of a day later than all before."""
        assert not self._days or day > max(self._days), f"{day} is not later than {max(self._days)}"
        self._days[day] = session

    def closes_on_day(self, day: date) -> Ints | None:
        """Return the last prices of `day`, in price units, shape (n,); None for a day that was not streamed."""
        session = self._days.get(day)
        return None if session is None else session.bars.figures.last

    def streamed_between(self, first: date, before: date) -> list[tuple[date, StreamedSession]]:
        """Return the streamed sessions of [first, before), oldest first."""
        return [(day, session) for day, session in self._days.items() if first <= day < before]


class KnownPast(NamedTuple):
    """The days before a session: those that were streamed, and the invented ones for all others."""

    invented: PastBars
    streamed: EarlierSessions

    def bars_between(self, id_: int, *, interval_ns: int, first: date, before: date) -> list[BarColumns]:
        """Return the bars of every trading day in [first, before), one part per day."""
        parts: list[BarColumns] = []
        first = max(first, before - LONGEST_PAST)
        for day, session in self.streamed.streamed_between(first, before):
            parts += self.invented.bars_between(id_, interval_ns=interval_ns, first=first, before=day)
            parts.append(session.session_bars(id_, interval_ns))
            first = day + timedelta(days=1)
        return parts + self.invented.bars_between(id_, interval_ns=interval_ns, first=first, before=before)
