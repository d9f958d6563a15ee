"""Until when an instrument trades: by what it is, and cautiously where it was not said."""

from __future__ import annotations

from datetime import date

import msgspec
import pytest

from tradebot.clock import IST, format_iso
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.markets.calendar import TradingCalendar
from tradebot.markets.hours import NEVER, auction_starts, closing_times, hours_class_of, risk_desk_times
from tradebot.markets.listing import universe_for
from tradebot.markets.market import HOME_MARKET, market_of

CALENDAR = TradingCalendar()
BEFORE, SINCE, MUHURAT = date(2026, 7, 31), date(2026, 8, 3), date(2026, 11, 8)
SHARE = Instrument(symbol="ACME", has_derivatives=False)
EVERY_KIND = Universe(
    [
        SHARE,
        msgspec.structs.replace(SHARE, symbol="BIG", has_derivatives=True),
        Instrument(symbol="BIG26DECFUT", exchange="NFO", kind=InstrumentKind.FUTURE),
        Instrument(symbol="BIG26DEC100CE", exchange="NFO", kind=InstrumentKind.OPTION, has_derivatives=False),
        Instrument(symbol="NOBODY SAID"),
    ]
)


def closes(universe: Universe, day: date) -> list[str]:
    return [format_iso(int(at), IST)[11:16] for at in closing_times(universe, day, CALENDAR)]


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (BEFORE, ["15:30", "15:30", "15:30", "15:30", "15:30"]),
        (SINCE, ["15:30", "15:15", "15:40", "15:40", "15:15"]),
        (MUHURAT, ["19:15"] * 5),
    ],
)
def test_since_the_closing_auction_a_share_with_derivatives_ends_early_and_its_contracts_late(
    day: date, expected: list[str]
) -> None:
    assert closes(EVERY_KIND, day) == expected


def test_the_listing_knows_shares_and_indices_with_derivatives() -> None:
    universe = universe_for(["RELIANCE", "SYM0001", "NIFTY 50", "INDIA VIX"])
    assert closes(universe, SINCE) == ["15:15", "15:30", "15:15", "15:30"]


def test_a_day_off_has_no_closes() -> None:
    with pytest.raises(ValueError, match="2026-12-25 is no trading day"):
        closing_times(EVERY_KIND, date(2026, 12, 25), CALENDAR)


@pytest.mark.parametrize(("day", "expected"), [(BEFORE, []), (SINCE, ["BIG", "NOBODY SAID"]), (MUHURAT, [])])
def test_a_closing_auction_follows_the_early_close_of_a_share_alone(day: date, expected: list[str]) -> None:
    universe = Universe([*EVERY_KIND, Instrument(symbol="NIFTY 50", kind=InstrumentKind.INDEX)])
    starts = auction_starts(universe, day, HOME_MARKET)
    found = {i.symbol: format_iso(int(at), IST)[11:16] for i, at in zip(universe, starts, strict=True) if at != NEVER}
    assert found == dict.fromkeys(expected, "15:15")


def test_a_day_off_and_a_market_without_a_calendar_have_no_auction() -> None:
    assert set(auction_starts(EVERY_KIND, date(2026, 12, 25), HOME_MARKET)) == {NEVER}
    assert set(auction_starts(EVERY_KIND, SINCE, market_of("NASDAQ"))) == {NEVER}


@pytest.mark.parametrize(
    ("day", "expected"),
    [
        (BEFORE, ["15:25", "15:25", "15:25", "15:25", "15:25"]),
        (SINCE, ["15:25", "15:12", "15:35", "15:35", "15:12"]),
        (MUHURAT, ["19:10", "19:12", "19:10", "19:10", "19:12"]),
    ],
)
def test_the_risk_desk_acts_before_each_close_and_after_our_own_exit(day: date, expected: list[str]) -> None:
    times = risk_desk_times(EVERY_KIND, day, CALENDAR)
    assert [format_iso(int(at), IST)[11:16] for at in times] == expected
    for instrument, at in zip(EVERY_KIND, times, strict=True):
        session = CALENDAR.session_on(day, hours_class_of(instrument))
        assert session is not None
        assert session.square_off_at < at < session.closes_at


def test_on_a_day_off_the_risk_desk_has_no_time() -> None:
    with pytest.raises(ValueError, match="2026-12-25 is no trading day"):
        risk_desk_times(EVERY_KIND, date(2026, 12, 25), CALENDAR)
