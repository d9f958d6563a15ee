"""Quotes in doubt through bars and desk: far prices, silent and frozen instruments, and what the venue answers."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from tests.told import Told
from tests.trading.quotes_by_hand import OPEN, OneDay, quotes
from tradebot.clock import SECOND, ManualClock
from tradebot.domain.commands import CommandVerb, Scope
from tradebot.domain.instrument import Instrument, Universe
from tradebot.domain.market import Quotes
from tradebot.domain.messages import Command, FetchedQuotes
from tradebot.errors import LinkLost
from tradebot.trading.bar_builder import BarBuilder
from tradebot.trading.feed_monitor import SilenceMonitor
from tradebot.trading.frozen_quotes import FROZEN_AFTER_SAMPLES, FrozenQuoteDetector
from tradebot.trading.price_band import PriceBand
from tradebot.trading.quote_filter import QuoteFilter
from tradebot.trading.quote_quality import QuoteQualityMonitor
from tradebot.trading.quote_requester import QuoteRequester

MINUTE = 60 * SECOND
UNIVERSE = Universe([Instrument(symbol=name, token=256 * n) for n, name in enumerate(("AAA", "BBB", "CCC"), 1)])


class Desk:
    """Bars and care, what they told, asked and halted."""

    def __init__(self) -> None:
        size = len(UNIVERSE)
        self.bars = BarBuilder(
            size, interval_ns=MINUTE, grace_ns=0, sessions=OneDay(size), price_band=PriceBand([5] * size)
        )
        self.bars.roll_session(OPEN)
        self.told = Told()
        self.halts: list[Command] = []
        self.asked: list[int] = []
        self.again: list[int] = []
        self.care = QuoteQualityMonitor(
            bars=self.bars, universe=UNIVERSE, quote_requester=self,
            silence_monitor=SilenceMonitor(stale_after_s=15.0, speed=1.0),
            frozen_detector=FrozenQuoteDetector(size), halt=self.halts.append, tell=self.told,
        )  # type: ignore[arg-type]  # fmt: skip
        self.guarded = np.array([True, False, False])

    def request_quotes(self, ids: Sequence[int], *, resubscribe: bool = False) -> None:
        self.asked += ids
        self.again += ids if resubscribe else ()

    def quote(self, id_: int, price: int, *, at_s: float, volume: int = 100) -> list[int]:
        sound = self.bars.add_quotes(quotes((id_, at_s, price, volume), seen_at=int((1 + at_s) * SECOND)))
        self.care.on_filtered_quotes(sound)
        return sound.last.tolist()

    def answer(self, id_: int, price: int, *, at_s: float, volume: int = 100, seen_s: float = 0) -> list[int]:
        told = quotes((id_, at_s, price, volume), seen_at=int((1 + (seen_s or at_s)) * SECOND))
        self.care.on_venue_answer(told, ~self.bars.quote_filter.repeats_newest(told))
        true = self.bars.add_venue_answer(told)
        self.care.on_filtered_quotes(true)
        return true.last.tolist()

    def step(self, at_s: float, held: Sequence[int] = (0,)) -> Any:
        return self.care.check_instruments(int((1 + at_s) * SECOND), held=held, guarded=self.guarded)

    @property
    def events(self) -> list[str]:
        return [event for event, _ in self.told]


def test_a_far_price_reaches_neither_bars_nor_desk_and_the_venue_is_asked() -> None:
    desk = Desk()
    desk.quote(0, 100_000, at_s=1)
    assert desk.quote(0, 1_000, at_s=2) == []
    assert desk.quote(0, 100_100, at_s=3) == [100_100]

    (batch,) = desk.bars.close_due_bars(OPEN + MINUTE, mono=99 * SECOND)
    assert (batch.low.tolist(), batch.ticks.tolist()) == ([100_000], [2])
    assert desk.bars.quote_filter.dropped_counts["doubted"] == 1
    assert desk.bars.quote_filter.accepted_count == 2
    assert desk.asked == [0]
    (told,) = desk.told
    assert told[0] == "quote_doubted"
    assert (told[1]["symbol"], told[1]["price"], told[1]["median"]) == ("AAA", Decimal("10.00"), Decimal("1000.00"))


def test_the_venues_answer_lets_a_crash_through_that_no_second_quote_confirms() -> None:
    desk = Desk()
    desk.quote(0, 100_000, at_s=1)
    assert desk.quote(0, 80_000, at_s=2) == []

    assert desk.answer(0, 80_000, at_s=2) == [80_000]

    assert desk.quote(0, 79_500, at_s=3) == [79_500]
    (batch,) = desk.bars.close_due_bars(OPEN + MINUTE, mono=99 * SECOND)
    assert batch.low.tolist() == [79_500]


def test_an_answer_as_of_before_leaves_the_doubt_and_moves_nothing_back() -> None:
    desk = Desk()
    desk.quote(0, 100_000, at_s=1)
    desk.quote(0, 80_000, at_s=3)
    assert desk.answer(0, 99_000, at_s=2) == []
    assert desk.quote(0, 80_100, at_s=4) == [80_100]


def test_three_doubted_prices_in_a_minute_halt_the_symbol_once() -> None:
    desk = Desk()
    desk.quote(0, 100_000, at_s=1)
    for n, price in enumerate((1_000, 300_000, 10, 500_000, 7)):
        assert desk.quote(0, price, at_s=2 + n) == []

    (halt,) = desk.halts
    assert (halt.verb, halt.scope, halt.control) == (CommandVerb.HALT, Scope.for_symbol("AAA"), "market_data")
    assert desk.events.count("quote_doubted") == 2  # the first, and the one too many


def test_a_held_symbol_that_falls_silent_is_asked_for_and_quiet_where_the_venue_has_no_news() -> None:
    desk = Desk()
    desk.quote(0, 100_000, at_s=1)
    for second in range(2, 60):
        desk.quote(1, 50_000 + second, at_s=second, volume=second)
        desk.step(second)
        if desk.asked:
            assert desk.answer(0, 100_000, at_s=1, seen_s=second) == [100_000]  # true still, as of now
            assert desk.again == [0] * len(desk.again)
            desk.asked.clear()

    assert desk.again == [0, 0, 0]  # after 15 s of silence, and every 15 s
    assert desk.told == []


def test_trades_that_the_stream_does_not_tell_are_told_and_mark_the_position() -> None:
    desk = Desk()
    desk.quote(0, 100_000, at_s=1)
    desk.step(17)
    assert desk.answer(0, 100_500, at_s=16, volume=300, seen_s=17) == [100_500]
    assert desk.events == ["quotes_stalled"]

    desk.step(33)
    assert desk.answer(0, 100_600, at_s=32, volume=400, seen_s=33) == [100_600]
    assert desk.events == ["quotes_stalled"]
    assert desk.asked == [0, 0]

    desk.quote(0, 100_700, at_s=40, volume=500)
    desk.step(41)
    assert desk.events == ["quotes_stalled", "quotes_resumed"]


@pytest.mark.parametrize(("id_", "name", "level"), [(0, "stop_blinded", "error"), (1, "quotes_lost", "warning")])
def test_a_symbol_that_the_venue_says_nothing_of_either_is_alarmed_once(id_: int, name: str, level: str) -> None:
    desk = Desk()
    desk.quote(id_, 100_000, at_s=1)
    for second in range(2, 200):
        desk.step(second, held=(id_,))

    ((event, fields),) = desk.told
    assert (event, fields["level"], fields["symbol"]) == (name, level, UNIVERSE[id_].symbol)


def test_what_is_not_held_may_be_silent_and_what_never_had_a_quote_may_not() -> None:
    desk = Desk()
    desk.quote(0, 100_000, at_s=1)
    for second in range(2, 60):
        desk.step(second, held=())
    assert desk.asked == []
    desk.step(60, held=(2,))
    desk.step(76, held=(2,))
    assert desk.asked == [2]


def frozen_after(*, moves: bool, trades: bool) -> list[bool]:
    quote_filter, frozen_detector = QuoteFilter(2, OneDay(2)), FrozenQuoteDetector(2)
    quote_filter.roll_session(OPEN)
    changes = []
    for n in range(FROZEN_AFTER_SAMPLES + 3):
        for id_, price, volume in ((0, 100, 7 + n * trades), (1, 100 + n * moves, 7)):
            frozen_detector.update_book(quote_filter.filter_quotes(quotes((id_, n * 5.0, price, volume), seen_at=1)))
        if frozen_detector.sample_quotes(n * 5 * SECOND + SECOND, quote_filter):
            changes.append(bool(frozen_detector.is_frozen[0]))
    return changes


def test_quotes_that_only_get_new_times_while_others_move_are_frozen() -> None:
    assert frozen_after(moves=True, trades=False) == [True]
    assert frozen_after(moves=True, trades=True) == []
    assert frozen_after(moves=False, trades=False) == []  # the market rests


class Venue:
    def __init__(self) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.is_down = False

    async def fetch_quotes(self, universe: Universe) -> Quotes:
        self.asked.append(universe.symbols)
        if self.is_down:
            raise LinkLost("cut")
        return quotes(*((id_, 1.0, 100 + id_, 7) for id_ in range(len(universe))))


async def test_an_inquiry_asks_once_for_all_that_is_wanted_and_numbers_the_answer_as_the_run_does() -> None:
    venue, answers, told, again = Venue(), asyncio.Queue[FetchedQuotes](), asyncio.Queue[str](), []

    async def resubscribe(ids: Sequence[int]) -> None:
        again.append(list(ids))

    quote_requester = QuoteRequester(
        broker=venue, universe=UNIVERSE, clock=ManualClock(10**18), put_answer=answers.put, resubscribe=resubscribe,
        tell=lambda event: told.put_nowait(event.name), pause_s=0.0,
    )  # type: ignore[arg-type]  # fmt: skip
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        running = tasks.create_task(quote_requester.send_requests())
        quote_requester.request_quotes([2])
        quote_requester.request_quotes([0, 2], resubscribe=True)
        answer = await answers.get()
        assert venue.asked == [("CCC", "AAA")]
        assert answer.quotes.ids.tolist() == [2, 0]
        assert answer.quotes.last.tolist() == [100, 101]
        assert again == [[0, 2]]
        venue.is_down = True
        quote_requester.request_quotes([1])
        assert await told.get() == "quotes_not_answered"
        venue.is_down = False
        quote_requester.request_quotes([1])
        assert (await answers.get()).quotes.ids.tolist() == [1]
        running.cancel()
