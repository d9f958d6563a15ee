"""What guards a position outlives the run: the best price of a trailing stop, and an exit that the gate held back."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal

import numpy as np
import pytest

from tests.trading.desk.desk_rig import OPEN, DeskRig, submitted
from tradebot.clock import SECOND
from tradebot.domain.commands import CommandVerb
from tradebot.domain.market import Quotes
from tradebot.domain.messages import Action, Command, FrozenSymbols, TrailingStopPrices
from tradebot.domain.order import OrderEvent, OrderEventType, OrderPurpose, Side
from tradebot.trading.desk.gate.limits import Limits, build_gate

D = Decimal


class Kept(DeskRig):
    """A desk whose events and words on trailing stops are kept, as the journal keeps them."""

    def __init__(self, **settings: object) -> None:
        self.kept: list[object] = []
        super().__init__(**settings)
        apply = self.desk.apply_message

        def keeping(message: object) -> list:
            out = apply(message)  # type: ignore[arg-type]
            self.kept += out
            return out

        self.desk.apply_message = keeping  # type: ignore[method-assign]

    @property
    def trailing(self) -> list[TrailingStopPrices]:
        return [one for one in self.kept if isinstance(one, TrailingStopPrices)]

    def restarted(self, *, best: Mapping[str, Decimal] | None = None) -> DeskRig:
        """Return a new desk that recovered what this one told, or `best_prices` instead."""
        events = [one for one in self.kept if isinstance(one, OrderEvent)]
        sent = [OrderEvent(order_id=f.order_id, type=OrderEventType.SENDING, at=OPEN) for f in events if f.request]
        told: dict[str, Decimal] = {}
        for one in self.trailing:
            told |= one.best_prices
        fresh = DeskRig()
        fresh.desk.recover_state(
            [events[0], *sent[:1], *events[1:]], adopted=(), halted="", opens_at=OPEN,
            best=told if best is None else best,
        )  # fmt: skip
        return fresh


@pytest.mark.parametrize("stops", [True, False])
def test_a_trailing_stop_stands_after_a_restart_where_it_stood(*, stops: bool) -> None:
    rig = Kept()
    rig.bought(trail_by=10.0)
    for price in ("1020", "1050"):
        rig.quote("AAA", price)
        rig.tick(1.0)
    if stops:
        rig.quote("AAA", "1060")
        rig.desk.apply_message(Command(verb=CommandVerb.STOP))

    fresh = rig.restarted()

    assert submitted(fresh.quote("AAA", "1051" if stops else "1044")) == []
    (exit_,) = submitted(fresh.quote("AAA", "1050" if stops else "1040"))
    assert exit_.purpose is OrderPurpose.TRAIL


def test_of_a_run_that_is_cut_off_no_best_price_is_older_than_a_second() -> None:
    rig = Kept()
    rig.bought(trail_by=10.0)
    rises = []
    for n in range(200):
        rig.quote("AAA", f"{1001 + n}")
        rises.append((rig.mono, D(1001 + n)))
        rig.tick(0.05)
        told = next((one.best_prices["T00001"] for one in reversed(rig.trailing)), D(0))
        assert told >= max((p for mono, p in rises if mono <= rig.mono - SECOND), default=D(0))
    assert len(rig.trailing) <= 11  # 10 s, and the one that begins


def test_a_stop_that_does_not_trail_and_a_price_that_is_no_better_are_not_written_down() -> None:
    rig = Kept()
    rig.bought(stop_loss=900.0)
    for price in ("1020", "1050"):
        rig.quote("AAA", price)
        rig.tick(1.0)
    assert rig.trailing == []

    other = Kept()
    other.bought(trail_by=100.0)
    for price in ("1020", "1010", "1015", "1019"):
        other.quote("AAA", price)
        other.tick(1.0)
    assert [one.best_prices for one in other.trailing] == [{"T00001": D("1020.00")}]


def test_another_entry_does_not_inherit_the_best_price_of_the_one_before() -> None:
    rig = Kept()
    rig.bought(trail_by=10.0)

    fresh = rig.restarted(best={"T00000": D(1200)})

    assert submitted(fresh.quote("AAA", "1000")) == []


def test_an_exit_that_the_gate_held_back_is_wanted_after_a_restart() -> None:
    reason = ["the file"]
    rig = Kept()
    rig.bought(stop_loss=990.0)
    rig.desk.placement._gate = build_gate(Limits(), kill_reason=lambda: reason[0])
    assert submitted(rig.quote("AAA", "989")) == []  # the stop fired, and nothing may leave

    fresh = rig.restarted()

    fresh.quote("AAA", "1000")  # back above the stop
    (exit_,) = submitted(fresh.tick())
    assert (exit_.purpose, exit_.side, exit_.quantity) == (OrderPurpose.STOP, Side.SELL, D(10))


def crossed(rig: DeskRig) -> None:
    column = np.array
    rig.desk.apply_message(
        Quotes(
            source="t", seen_at=rig.mono, ids=column([0]), sent_at=column([rig.at]), last=column([100_000]),
            volume=column([9]), bid=column([100_200]), ask=column([99_800]), bid_size=column([1]), ask_size=column([1]),
        )
    )  # fmt: skip


def test_a_crossed_book_opens_nothing_and_closes_what_is_open() -> None:
    rig = DeskRig()
    crossed(rig)
    (event,) = rig.signal("AAA", Action.ENTER_LONG)
    assert isinstance(event, OrderEvent)
    assert event.type is OrderEventType.DENIED
    assert event.reason == "fresh_data: the book is crossed: bid 1002.00 is above ask 998.00"

    rig.tick(10)
    rig.bought()
    crossed(rig)
    (exit_,) = submitted(rig.signal("AAA", Action.EXIT_LONG))
    assert exit_.quantity == D(10)


def test_frozen_quotes_open_nothing_in_their_symbol_until_they_move() -> None:
    rig = DeskRig()
    for symbol in ("AAA", "BBB"):
        rig.quote(symbol, "1000")
    rig.desk.apply_message(FrozenSymbols(symbols=("AAA",), mono=rig.mono))
    (event,) = rig.signal("AAA", Action.ENTER_LONG)
    assert isinstance(event, OrderEvent)
    assert event.reason == "fresh_data: the quotes of AAA only repeat themselves"
    assert submitted(rig.signal("BBB", Action.ENTER_LONG))

    rig.desk.apply_message(FrozenSymbols(symbols=(), mono=rig.mono))
    assert submitted(rig.signal("AAA", Action.ENTER_LONG, n=2))


def test_a_book_far_from_the_last_price_sizes_nothing() -> None:
    rig = DeskRig()
    rig.quote("AAA", "1000")
    rig.desk.book.marks.bid[0], rig.desk.book.marks.ask[0] = 1_000, 1_001
    assert rig.desk.book.marks.reference_price("AAA") == D(1000)
    rig.desk.book.marks.bid[0], rig.desk.book.marks.ask[0] = 95_500, 95_600
    assert rig.desk.book.marks.reference_price("AAA") == D("955.50")
