"""The instruments of a daemon that stays up over nights: compared with the venue's lists of each new trading day."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, time
from types import SimpleNamespace
from typing import Any

import msgspec
import pytest

from tests.told import Told
from tradebot.clock import HOUR, MINUTE, ManualClock
from tradebot.daemon.venue.instrument_check import InstrumentCheck
from tradebot.domain.commands import CommandVerb
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.messages import Command
from tradebot.domain.venue_rows import VenueRows
from tradebot.errors import DataError, LinkLost, LoginLost
from tradebot.markets.market import HOME_MARKET

TCS, INFY = Instrument(symbol="TCS", token=1), Instrument(symbol="INFY", token=2)
Answer = Sequence[Instrument] | Exception
MONDAY_NOON = HOME_MARKET.to_ns(date(2026, 11, 23), time(12))  # Tuesday the 24th is a holiday


class Enough(Exception):
    """The market's time of a test is over."""


class Lists:
    """The venue's lists: answers in turn, the last one for ever, and when each was asked for."""

    def __init__(self, clock: ManualClock, *answers: Answer) -> None:
        self._clock, self._answers, self.asked_at = clock, list(answers), list[str]()

    async def fetch_instruments(self, symbols: Sequence[str]) -> VenueRows[Instrument]:
        assert tuple(symbols) == ("TCS", "INFY")
        self.asked_at.append(str(HOME_MARKET.date_of(self._clock.now_ns)))
        answer = self._answers.pop(0) if len(self._answers) > 1 else self._answers[0]
        if isinstance(answer, Exception):
            raise answer
        return VenueRows(answer)


async def watched(*answers: Answer, hours: float) -> tuple[Lists, Told, list[Command]]:
    """Let a run that began on a Monday at noon go on for some hours of the market."""
    clock, told, commands = ManualClock(MONDAY_NOON), Told(), list[Command]()
    lists = Lists(clock, *answers)

    async def command(given: Command) -> None:
        commands.append(given)

    async def slept(seconds: float) -> None:
        clock.now_ns += MINUTE  # a look a minute instead of one a second
        if clock.now_ns > MONDAY_NOON + hours * HOUR:
            raise Enough

    clock.on_sleep = slept
    session: Any = SimpleNamespace(
        venue=SimpleNamespace(broker=lists), universe=Universe([TCS, INFY]), clock=clock, traded_market=HOME_MARKET
    )
    check = InstrumentCheck(session, ("TCS", "INFY"), command=command, tell=told)
    with pytest.raises(Enough):
        await check.check_each_day()
    return lists, told, commands


async def test_equal_lists_are_read_once_on_each_later_trading_day_and_halt_nothing() -> None:
    lists, told, commands = await watched([TCS, INFY], hours=72)
    assert lists.asked_at == ["2026-11-25", "2026-11-26"]
    assert told.names == ["instruments_checked", "instruments_checked"]
    assert commands == []


async def test_nothing_is_read_on_the_day_of_the_start_on_a_holiday_and_before_the_lists_are_out() -> None:
    lists, _, _ = await watched([TCS, INFY], hours=44)  # to Wednesday, 08:00
    assert lists.asked_at == []


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        ({"token": 7}, "token was 2 and is 7"),
        ({"has_derivatives": True}, "has_derivatives was None and is True"),
    ],
)
async def test_a_symbol_whose_row_changed_is_halted_and_the_others_are_not(changed: dict[str, Any], what: str) -> None:
    _, told, commands = await watched([TCS, msgspec.structs.replace(INFY, **changed)], hours=47)
    assert told.of("instruments_changed")[0]["changes"] == {"INFY": what}
    (halt,) = commands
    assert (halt.verb, str(halt.scope), halt.control) == (CommandVerb.HALT, "symbol:INFY", "instruments")
    assert what in halt.reason


async def test_a_symbol_that_is_not_listed_any_more_is_halted() -> None:
    gone = DataError("Kite's instrument list: NSE:INFY is not listed")
    _, told, commands = await watched(gone, hours=47)
    assert [str(command.scope) for command in commands] == ["symbol:INFY"]
    assert list(told.of("instruments_changed")[0]["changes"]) == ["INFY"]


async def test_without_a_login_or_a_venue_it_is_asked_again_until_the_list_is_there() -> None:
    lists, told, commands = await watched(LoginLost("ended"), LinkLost("502"), [TCS, INFY], hours=48)
    assert lists.asked_at == ["2026-11-25"] * 3
    assert (told.names, commands) == (["instruments_checked"], [])
