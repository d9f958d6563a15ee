"""Makes the sessions of earlier days again from their records, so that a later day goes on where they ended."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

import msgspec

from tradebot.domain.instrument import Universe
from tradebot.errors import DataError
from tradebot.exchange.earlier_days import PriceRecord
from tradebot.exchange.prices.earlier_sessions import EarlierSessions
from tradebot.exchange.prices.synthetic import SyntheticPrices
from tradebot.markets.calendar import TradingCalendar, ist_date
from tradebot.markets.hours import closing_times

MOST_DAYS = 250  # a day of 100 symbols takes 0.7 s and 1.5 MB


def replay_sessions(
    universe: Universe, records: Sequence[PriceRecord], *, day: date, calendar: TradingCalendar, closed_at: int = 0
) -> EarlierSessions:
    """Return every session from the first record to the trading day before `day`, each from where the last one ended.

    A trading day without a record goes on as the one before it. `closed_at`: see `EarlierSessions`. Raises DataError
    for a log of more than MOST_DAYS days.
    """
    done = EarlierSessions(closed_at=closed_at)
    days = list(_records_by_day(universe, records, day=day, calendar=calendar))
    if len(days) > MOST_DAYS:
        raise DataError(
            f"the exchange log begins {len(days)} trading days before {day}; at most {MOST_DAYS} can be made again"
        )
    for record_day, record in days:
        source = SyntheticPrices(
            universe,
            seed=record.seed,
            opens_at=record.opens_at,
            closes_at=record.closes_at,
            every_step=record.every_step,
            calendar=calendar,
            earlier=done,
        )
        done.add_session(record_day, source.finish_session())
    return done


def _records_by_day(
    universe: Universe, records: Sequence[PriceRecord], *, day: date, calendar: TradingCalendar
) -> Iterator[tuple[date, PriceRecord]]:
    known = {ist_date(record.opens_at): record for record in records if ist_date(record.opens_at) < day}
    if not known:
        return
    today, last = min(known), known[min(known)]
    while today < day:
        session = calendar.session_on(today)
        assert session is not None, f"{today} is no trading day"
        closes_at = int(closing_times(universe, today, calendar).max())
        usual = msgspec.structs.replace(last, opens_at=session.opens_at, closes_at=closes_at)
        last = known.get(today, usual)
        yield today, last
        today = calendar.next_trading_day(today)
