"""The host's clock steps while the venue's time goes on: bars close in time, nothing is opened, and it is said."""

from __future__ import annotations

import numpy as np
import pytest

from tradebot.clock import SECOND, VenueClock
from tradebot.domain.market import Quotes
from tradebot.ops.events.event import Event
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.clock_monitor import ClockMonitor
from tradebot.trading.desk.book.conditions import Conditions
from tradebot.trading.quote_filter import SessionBounds

OPEN = 1_700_000_100 * SECOND
MINUTE, HOUR = 60 * SECOND, 3600 * SECOND
TICK = SECOND // 20
LENGTH = 375 * MINUTE


class Host:
    """A machine: `mono` is its monotonic time, its wall clock is `offset` ahead of the venue's."""

    def __init__(self, offset: int = 0) -> None:
        self.true, self.mono, self.offset = OPEN, 1000 * SECOND, offset

    def wall_ns(self) -> int:
        return self.true + self.offset

    def monotonic_ns(self) -> int:
        return self.mono

    def market_ns(self) -> int:
        return self.wall_ns()

    speed = 1.0

    async def sleep(self, seconds: float) -> None:
        raise AssertionError("nobody sleeps here")


class OneDay:
    def session_at(self, market_at: int) -> SessionBounds:
        full = np.full(2, OPEN, dtype=np.int64)
        return SessionBounds(full, full + LENGTH, OPEN + LENGTH, OPEN + LENGTH, OPEN + 86_400 * SECOND)


class Market:
    """Clock, bars and watch over a host, driven as the engine drives them; a quote comes twice a second."""

    def __init__(self, offset: int = 0) -> None:
        self.host = Host(offset)
        self.clock = VenueClock(self.host)
        self.said: list[str] = []
        self.watch = ClockMonitor(self.clock, self._tell)
        self.bars = BarBuilder(2, interval_ns=MINUTE, grace_ns=SECOND // 10, sessions=OneDay(), max_ahead_ns=5 * SECOND)
        self.conditions = Conditions()
        self.closes: list[tuple[int, int]] = []  # (end of a bar, true time of its close)
        self.denied: set[int] = set()  # seconds in which nothing may be opened
        self._volume = 0
        self.stamps = True

    def _tell(self, event: Event) -> None:
        fields = event.log_fields()
        self.said.append(f"{event.name} {fields.get('offset_s', fields.get('by_s', ''))}".strip())

    def run(self, seconds: float) -> None:
        for _ in range(int(seconds * 20)):
            host = self.host
            host.true += TICK
            host.mono += TICK
            if self.stamps and host.true % (SECOND // 2) == 0:
                self._quote(host.true - SECOND // 4)
            now = self.clock.market_ns()
            if (apart := self.watch.compare_clocks()) is not None:
                self.conditions.take_clock_offset(apart)
            self.bars.roll_session(now)
            self.closes += [(batch.ends_at, host.true) for batch in self.bars.close_due_bars(now, mono=host.mono)]
            if self.conditions.clock_offset_reason:
                self.denied.add((host.true - OPEN) // SECOND)

    def _quote(self, stamp: int) -> None:
        self._volume += 1
        one = {name: np.array([value], dtype=np.int64) for name, value in {
            "ids": 0, "sent_at": stamp, "last": 100, "volume": self._volume, "bid": 99, "ask": 101, "bid_size": 1,
            "ask_size": 1,
        }.items()}  # fmt: skip
        quotes = Quotes(source="t", seen_at=self.host.mono, **one)
        self.watch.on_quotes(quotes)
        self.bars.add_quotes(quotes)


@pytest.mark.parametrize("step", [HOUR, 5 * HOUR, -HOUR])
def test_bars_go_on_and_entries_do_not_while_the_wall_clock_is_wrong(step: int) -> None:
    market = Market()
    market.run(90)
    market.host.offset = step
    market.run(14)
    market.host.offset = 0
    market.run(137)
    assert [end - OPEN for end, _ in market.closes] == [
        2 * MINUTE,
        3 * MINUTE,
        4 * MINUTE,
    ]  # it joined within the first
    assert all(0 <= at - end <= SECOND // 5 for end, at in market.closes)
    assert market.bars.late_quotes.total_count == 0
    assert market.denied == set(range(90, 105))
    assert market.said == [f"clock_stepped {step / SECOND}", "clock_agreed"]


def test_the_reason_names_the_offset() -> None:
    market = Market()
    market.run(1)
    market.host.offset = -HOUR
    market.run(1)
    assert market.conditions.entries_closed("AAA") == "the host's clock is 3600.0 s behind the venue's time"


def test_a_machine_that_slept_goes_on_with_the_venues_time() -> None:
    market = Market()
    market.run(90)
    market.host.true += 600 * SECOND  # the monotonic clock stood
    market.run(60)
    assert abs(market.clock.market_ns() - market.host.true) < SECOND
    assert market.conditions.clock_offset_reason == ""
    assert max(market.denied) - min(market.denied) <= 3
    assert market.said == ["clock_stepped 600.0", "market_time_set 600.0", "clock_agreed"]
    assert market.closes[-1][0] - OPEN == 12 * MINUTE


@pytest.mark.parametrize("wrong", [HOUR, -HOUR, 300 * 86_400 * SECOND])
def test_a_clock_that_is_set_right_after_boot_is_followed(wrong: int) -> None:
    market = Market(offset=wrong)
    market.stamps = False
    market.run(30)  # nothing came from the venue yet
    market.host.offset = 0
    market.run(30)
    market.stamps = True
    market.run(181)
    assert abs(market.clock.market_ns() - market.host.true) < SECOND
    assert market.conditions.clock_offset_reason == ""
    assert [end - OPEN for end, _ in market.closes][-1] == 4 * MINUTE
    assert market.said[-2:] == [f"market_time_set {-wrong / SECOND}", "clock_agreed"]


def test_a_small_correction_is_followed_and_not_said() -> None:
    market = Market()
    market.run(10)
    market.host.offset = SECOND // 2
    market.run(10)
    assert market.said == []
    assert market.clock.market_ns() - market.host.true == SECOND // 2


def test_stamps_of_a_quiet_symbol_set_no_clock() -> None:
    host = Host()
    clock = VenueClock(host)
    host.offset = -HOUR
    for n in range(20):
        assert not clock.compare_clocks(host.true - HOUR // 2 + n * SECOND)  # half an hour old: nearer to neither
    assert clock.wall_lead_ns == -HOUR
