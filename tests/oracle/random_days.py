"""Random days, step by step, with limits and faults: every way of the desk held against the frozen one.

The desk that trades and the one of a backtest, each against a frozen desk that knows no short way.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from decimal import Decimal
from typing import Any

from tests.oracle import seam
from tests.oracle.dice import Dice
from tests.oracle.pair import Heard, Look, Pair
from tests.oracle.random_steps import CALM
from tests.oracle.random_trouble import TROUBLE, RandomSteps
from tests.oracle.vendor import seam as frozen_seam
from tests.trading.desk.recorded_day import SETTINGS, VENUE
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, InstrumentKind, Universe
from tradebot.domain.market import BarBatch
from tradebot.domain.messages import ClockTick, Command, ReconciliationResult, RequestResult, TrailingStopPrices
from tradebot.domain.order import OrderEvent, OrderEventType

STEPS = 20, 140
SHARES = [Instrument(symbol=name, token=256 * n) for n, name in enumerate("ABCDEF", 1)]
OTHERS = [
    Instrument(symbol="BSE", token=1, exchange="BSE"),
    Instrument(symbol="INDEX", token=2, kind=InstrumentKind.INDEX),
    Instrument(symbol="FUT", token=3, exchange="NFO", kind=InstrumentKind.FUTURE, lot_size=Decimal(5)),
    Instrument(symbol="FINE", token=4, price_decimals=4, tick_size=Decimal("0.0025")),
    Instrument(symbol="PART", token=5, kind=InstrumentKind.SPOT, lot_size=Decimal("0.25")),
    Instrument(
        symbol="TINY", token=6, kind=InstrumentKind.SPOT, lot_size=Decimal("1e-8"), tick_size=Decimal("1e-8"),
        price_decimals=8, quantity_decimals=8,
    ),
    *(Instrument(symbol=f"S{n}", token=10 + n) for n in range(6)),
]  # fmt: skip
MANY = [Instrument(symbol=f"M{n}", token=100 + n) for n in range(70)]
# What the rules of a day are drawn from; of the rest each desk has its defaults.
LIMITS: dict[str, tuple[Any, ...]] = {
    "allow_short": (True, True, True, False), "max_gross_notional": (10**9, 60_000, 25_000),
    "max_daily_loss": (10**9, 10**9, 20), "max_open_orders": (20, 20, 20, 2), "price_collar_pct": (2,),
    "orders_per_second": (8, 200), "orders_per_minute": (200, 200, 200, 3), "orders_per_day": (2_000, 2_000, 2_000, 30),
    "stale_after_s": (100.0, 100.0, 5.0), "max_order_quantity": (500, 500, 500, 8),
    "max_order_notional": (20_000, 20_000, 20_000, 4_000),
    "max_position_notional": (25_000, 25_000, 25_000, 9_000), "permitted_products": (("MIS", "CNC"),) * 5 + (("MIS",),),
    "freeze_quantity": (None, None, 7, 12), "freeze_quantities": ({}, {"B": 3, "FUT": 5}),
    "max_stop_pct": (50, 50, None, 1), "duplicate_window_s": (5.0, 0.5),
}  # fmt: skip
RULES: dict[str, tuple[Any, ...]] = {
    "order_kind": ("MARKET", "LIMIT"), "protection_pct": ("0.5", "1", "2"), "on_stop": ("cancel", "flatten", "leave"),
    "chase": ("cancel", "modify"), "fill_collar_pct": (None, "0.02", "1"), "on_daily_loss": ("close", "halt"),
    "reverses": (True, True, True, False), "product": ("MIS", "MIS", "CNC"), "order_notional": (10_000, 3_000, 6_000),
    "most_changes": (2, 25), "max_daily_loss": (10**9, 10**9, 200), "max_rejects_in_a_row": (2, 50),
    "max_rejects_per_minute": (5, 5, 3), "max_rejected_symbols": (0, 2, 50), "max_account_rejects_per_minute": (4, 100),
}  # fmt: skip


class OracleDay(RandomSteps):
    """A day that pairs live through. `is_fast` is for the desk of a backtest, which says nothing of trailing stops, is
    never started again, and hears of no signal that was made before now."""

    def __init__(self, dice: Dice, heard: Heard, *, is_fast: bool) -> None:
        limits, rules = ({name: dice.choice(of) for name, of in table.items()} for table in (LIMITS, RULES))
        self._values, self._heard = {"limits": limits, "settings": seam.plain(SETTINGS) | rules}, heard
        self._proof = VENUE | {"absence_is_proof": dice.random() < 0.5}
        self._lives = 0
        self._facts: list[Any] = []  # what a journal would hold
        self._best: dict[str, Decimal] = {}
        universe = Universe(dice.choice((SHARES,) * 10 + (SHARES + OTHERS,) * 9 + (SHARES + MANY,)))
        super().__init__(dice, universe, product=rules["product"], is_fast=is_fast)
        # A position that a run of long before took over.
        self._adopted = (("A", Decimal(30), Decimal(1000)),) if dice.random() < 0.2 else ()
        for symbol, quantity, _ in self._adopted:
            self.venue.move(("NSE", symbol, self.product), quantity)
        self._begin(halted=dice.choice(("", "an older run")) if self._adopted else "")
        self.begin_session()
        self.quote(range(len(self.universe)))

    def give(self, message: Any) -> None:
        if isinstance(message, RequestResult) and message.event.type is OrderEventType.SENDING:
            self._facts.append(message.event)  # the execution writes it, before the desk is told
        self._follow(self._desk.apply_message(message))

    def view(self) -> dict[str, Any]:
        return seam.view(self._desk, is_tick=False)

    def told(self, batch: BarBatch) -> None:
        self._desk.holdings_at(batch)

    def end(self) -> None:
        """Hand on the rest of the tape."""
        if not self.is_fast:
            self._desk.flush_inputs()
            self._desk.flush_inputs()

    def start_again(self) -> None:
        if self.is_fast:
            return
        # What was not sent lapses, as the journal's recovery has it.
        for request in self.waiting:
            lapsed = OrderEvent(order_id=request.order_id, type=OrderEventType.LAPSED, at=self.at, mono=self.mono)
            self._facts.append(lapsed)
        for waiting in (self.waiting, self.cancels, self.changes):
            waiting.clear()
        known = self.view()
        self.at, self.mono = self.at + SECOND, self.mono + SECOND
        if self.dice.random() < 0.2:  # the machine was booted
            self.mono = SECOND
        self.leave_out(self.dice.choice((0, 0, 0, 1)))
        self._begin(halts=known["halts"], flattened=known["flattened"])
        self.quote(range(self.dice.choice((0, 0, 3)), len(self.universe)))

    def _begin(self, *, halted: str = "", halts: Sequence[Command] = (), flattened: Iterable[str] = ()) -> None:
        self._desk = self._new_desk()
        self._desk.recover_state(
            self._facts, adopted=self._adopted, halted=halted, opens_at=self.opens_at, halts=halts, flattened=flattened,
            best=self._best,
        )  # fmt: skip
        self.give(ClockTick(at=self.at, mono=self.mono))
        self._follow(list(self._desk.adopt_snapshot(self.venue.books(self.mono))))

    def _follow(self, output: list[Any]) -> None:
        for what in output:
            match what:
                case OrderEvent():
                    self._facts.append(what)
                case ReconciliationResult():
                    self._facts += what.released
                case TrailingStopPrices():
                    self._best |= what.best_prices
                case _:
                    self.take(what)

    def _new_desk(self) -> Any:
        tapes: tuple[list[Any], list[Any]] = [], []
        look = Look(lambda: self.reason)
        self._lives += 1
        own = {"universe": self.universe, "killed": look, "id_prefix": f"T{self._lives}", "venue": self._proof}
        values = self._values | own
        if self.is_fast:
            present, frozen = seam.build_fast(**values, at_once=False), frozen_seam.build(**values)
        else:
            present = seam.build(**values, append=tapes[0].append)
            frozen = frozen_seam.build(**values, append=tapes[1].append)
        handle = _fast if self.is_fast else _plain
        return seam.Stand(
            Pair(present, frozen, look=look, heard=self._heard, tapes=tapes, handle=handle, handle_frozen=self._told)
        )

    def _told(self, own: Any, desk: Any, message: Any) -> Sequence[Any]:
        said: Sequence[Any] = own.handle(desk, message)
        return [what for what in said if not (self.is_fast and isinstance(what, TrailingStopPrices))]


def _fast(own: Any, desk: Any, message: Any) -> list[Any]:
    return list(own.handle_fast(desk, message))


def _plain(own: Any, desk: Any, message: Any) -> list[Any]:
    return list(own.handle(desk, message))


def play_random_day(seed: int, heard: Heard) -> None:
    """Play the random day of a seed, once for each way; the first difference is in `heard`, and raised."""
    for is_fast in (False, True):
        dice = Dice(seed, is_fast)
        day = OracleDay(dice, heard, is_fast=is_fast)
        trouble = dice.choice((0.0, 0.1, 0.3))  # how much of the day is trouble
        for _ in range(dice.between(*STEPS)):
            steps = TROUBLE if dice.random() < trouble else CALM
            getattr(day, dice.weighed(steps))()
        day.end()
