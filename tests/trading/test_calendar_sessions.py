"""The session of a day for each instrument: its close, the end of entries before it, and the square-off between."""

from __future__ import annotations

from datetime import date, time

from hypothesis import given
from hypothesis import strategies as st

from tradebot.clock import IST, format_iso
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.markets.calendar import TradingCalendar, ist_to_ns
from tradebot.trading.calendar_sessions import CalendarSessions
from tradebot.trading.quote_filter import SessionBounds

BIG, SMALL = (Instrument(symbol=symbol, has_derivatives=symbol == "BIG") for symbol in ("BIG", "SMALL"))
FUTURE = Instrument(symbol="BIG26DECFUT", exchange="NFO", kind=InstrumentKind.FUTURE)
BEFORE, SINCE, MUHURAT = date(2026, 7, 31), date(2026, 11, 23), date(2026, 11, 8)


def times(
    *instruments: Instrument, day: date = SINCE, entries_until: time = time(15), square_off_at: time = time(15, 10)
) -> SessionBounds:
    sessions = CalendarSessions(
        calendar=TradingCalendar(), universe=Universe(instruments), entries_until=entries_until,
        square_off_at=square_off_at,
    )  # fmt: skip
    return sessions.session_at(ist_to_ns(day, time(9)))


def clocks(*moments: int) -> list[str]:
    return [format_iso(int(at), IST)[11:16] for at in moments]


def test_a_share_with_derivatives_is_squared_off_before_its_own_close_and_others_before_theirs() -> None:
    found = times(BIG, SMALL, square_off_at=time(15, 18))

    assert clocks(*found.closes_at) == ["15:15", "15:30"]
    assert clocks(found.entries_until, found.square_off_at) == ["15:00", "15:18"]
    (ending,) = found.early_ends
    assert ending.symbols == ("BIG",)
    assert clocks(ending.closes_at, ending.entries_until, ending.square_off_at) == ["15:15", "15:00", "15:05"]


def test_nothing_is_opened_on_a_day_past_the_calendars_data_and_what_is_open_is_closed() -> None:
    found = times(SMALL, day=date(2027, 3, 2))

    assert clocks(found.entries_until, found.square_off_at, *found.closes_at) == ["09:15", "15:10", "15:30"]


def test_contracts_trade_on_after_the_shares_and_the_operator_may_use_that() -> None:
    found = times(BIG, SMALL, FUTURE, entries_until=time(15, 20), square_off_at=time(15, 28))

    assert clocks(found.entries_until, found.square_off_at) == ["15:20", "15:28"]
    ends = {end.symbols: clocks(end.entries_until, end.square_off_at, end.closes_at) for end in found.early_ends}
    assert ends == {("BIG",): ["15:05", "15:05", "15:15"], ("SMALL",): ["15:20", "15:20", "15:30"]}


def test_before_the_closing_auction_and_on_a_special_day_all_end_alike() -> None:
    assert times(BIG, SMALL, FUTURE, day=BEFORE).early_ends == ()
    muhurat = times(BIG, SMALL, FUTURE, day=MUHURAT)
    assert muhurat.early_ends == ()
    assert clocks(muhurat.square_off_at, *muhurat.closes_at) == ["19:05", "19:15", "19:15", "19:15"]


def test_a_universe_of_one_line_has_its_times_and_no_exceptions() -> None:
    found = times(BIG)
    assert clocks(found.as_message.square_off_at, found.as_message.closes_at) == ["15:05", "15:15"]
    assert found.early_ends == ()


@given(
    entries_until=st.times(), square_off_at=st.times(), day=st.sampled_from([BEFORE, SINCE, MUHURAT]),
    instruments=st.lists(st.sampled_from([BIG, SMALL, FUTURE]), unique=True, min_size=1),
)  # fmt: skip
def test_whatever_the_operator_sets_each_instrument_is_squared_off_inside_its_own_session(
    entries_until: time, square_off_at: time, day: date, instruments: list[Instrument]
) -> None:
    found = times(*instruments, day=day, entries_until=entries_until, square_off_at=square_off_at)
    begins = found.as_message
    endings = {symbol: end for end in begins.early_ends for symbol in end.symbols}

    for instrument, closes_at in zip(instruments, found.closes_at.tolist(), strict=True):
        end = endings.get(instrument.symbol, begins)
        assert end.closes_at == closes_at
        assert begins.opens_at < end.entries_until <= end.square_off_at < closes_at
