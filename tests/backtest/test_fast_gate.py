"""The short way through the gate clears nothing that a control minds, over random orders near every limit."""

from __future__ import annotations

from decimal import Decimal
from functools import partial
from typing import Any, NamedTuple

import numpy as np
import pytest

from tests.trading.desk.gate.gate_contexts import request
from tradebot.backtest.fast_gate import FastGate
from tradebot.clock import SECOND
from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.domain.order import OrderKind, OrderPurpose, OrderRequest, Side
from tradebot.trading.desk.gate.gate import OrderContext
from tradebot.trading.desk.gate.limits import Limits, build_gate

D = Decimal
NAN, MUCH = D("NaN"), D(10**9)


class Asked(NamedTuple):
    """An order and what stands around it."""

    request: OrderRequest
    instrument: Instrument
    held: Decimal
    reference: Decimal
    age_ns: int
    passes_s: float  # seconds since the order before it
    working: int
    others: Decimal
    day_profit: Decimal
    killed: str


class Drawn:
    """Draws mostly the usual value, so that of many limits one at a time is met."""

    def __init__(self, seed: int) -> None:
        self._draw = np.random.default_rng(seed)

    def often(self, usual: Any, *seldom: Any) -> Any:
        return self.any(*seldom) if self._draw.random() < 0.05 else usual

    def any(self, *values: Any) -> Any:
        return values[int(self._draw.integers(len(values)))]

    def limits(self) -> Limits:
        often = self.often
        return Limits(
            permitted_products=often(("MIS",), ("CNC",)),
            allow_short=self.any(True, False),
            max_order_quantity=often(MUCH, D(9), D(10)),
            max_order_notional=often(MUCH, D(999), D(1000), D("1000.5")),
            max_position_notional=often(MUCH, D(999), D(1000), D("1499.95"), D(1500)),
            max_gross_notional=often(MUCH, D(1000), D(1500), D(1999), D(2000)),
            max_daily_loss=often(D(100), D(0), D("99.99")),
            max_open_orders=often(20, 1, 2),
            price_collar_pct=often(D(1), D("0.99"), D(2), D("0.5")),
            orders_per_second=often(1000, 1, 2, 4),
            orders_per_minute=often(1000, 2, 5),
            orders_per_day=often(1000, 3, 6),
            duplicate_window_s=often(5.0, 0.0, 60.0),
            freeze_quantity=often(None, D(9), D(10), MUCH),
            freeze_quantities=often({}, {"AAA": D(9)}, {"AAA": D(10), "BBB": D(1)}),
            max_stop_pct=often(D(50), D(5), D("4.9"), None),
            stale_after_s=often(5.0, 0.5, 100.0, float("nan")),
        )

    def asked(self, number: int) -> Asked:
        often, is_exit = self.often, self.any(True, False)
        kind = self.any(*[OrderKind.MARKET, OrderKind.LIMIT] * 4, OrderKind.STOP_LIMIT, OrderKind.STOP_MARKET)
        is_priced = often(kind in (OrderKind.LIMIT, OrderKind.STOP_LIMIT), True, False)
        is_triggered = often(kind in (OrderKind.STOP_LIMIT, OrderKind.STOP_MARKET), True, False)
        side = self.any(*Side)
        price = often(D(100), D(101), D("101.05"), D(99), D("98.95"), D("100.02"), D(0), D(-1), NAN, D(102))
        request = OrderRequest(
            order_id=f"T{number}", symbol="AAA", exchange="NSE", side=side, kind=kind,
            quantity=often(D(10), D(0), D(9), D(11), D("10.5"), D(-10), NAN, D("Infinity")),
            price=price if is_priced else None,
            trigger_price=D(100) if is_triggered else None,
            protection_pct=often(D(1), D("0.5"), D(2), D("2.01"), D(0), D(-1), NAN, None),
            purpose=self.any(OrderPurpose.EXIT, OrderPurpose.STOP) if is_exit else OrderPurpose.ENTRY,
            strategy="s",
            signal_id=often(f"s{number}", "", "s0", "s1"),
            stop_loss=self.any(None, often(D(100) - 5 * side.sign, D(100), D(105), D(95), D(0), NAN, D(49))),
            trail_by=self.any(None, often(D(2), D(0), D(5), D("5.05"), D(-1), NAN)),
            target=self.any(None, often(D(100) + 5 * side.sign, D(100), D(105), D(95), D(0), NAN)),
        )  # fmt: skip
        instrument = Instrument(
            symbol="AAA", token=256, lot_size=often(D(1), D(10), D(5), D(3)),
            kind=often(InstrumentKind.EQUITY, InstrumentKind.INDEX),
        )  # fmt: skip
        return Asked(
            request=request,
            instrument=instrument,
            held=self.any(D(0), D(5), D(9), *[D(10), D(-10)] * 3) if is_exit else often(D(0), D(5)),
            reference=often(D(100), D("99.95"), D("100.05")),
            age_ns=often(0, 5 * SECOND, 5 * SECOND + 1, 60 * SECOND, 60 * SECOND + 1, SECOND // 2),
            passes_s=often(6.0, 0.0, 0.2, 1.0, 4.9, 5.0),
            working=often(0, 1, 2),
            others=often(D(0), D(500), D(1000), NAN),
            day_profit=often(D(0), D(-100), D("-99.99"), D("-100.01"), NAN, D("-Infinity")),
            killed=often("", "the file"),
        )


def view(asked: Asked, mono: int) -> OrderContext:
    return OrderContext(
        instrument=asked.instrument, quantity=asked.held, closable_quantity=asked.held, longest=asked.held,
        shortest=asked.held, closing_quantity=D(0), unaccounted="", external_quantity=D(0),
        open_orders=asked.working, is_in_doubt=False,
        reference=asked.reference, quote_age_s=asked.age_ns / SECOND,
        feed_is_stale=False, halt_reason="", entries_closed="", gross_elsewhere=lambda: asked.others,
        day_profit=lambda: asked.day_profit, mono=mono,
    )  # fmt: skip


@pytest.mark.parametrize("seed", range(8))
def test_what_is_cleared_passes_every_control_and_is_remembered_like_it(seed: int) -> None:
    drawn, cleared, minded = Drawn(seed), 0, 0
    for _ in range(250):
        file, mono, limits = [""], 1000 * SECOND, drawn.limits()
        short, long = (build_gate(limits, kill_reason=partial(file.__getitem__, 0)) for _ in range(2))
        way = FastGate(limits, short)
        for number in range(5):
            asked = drawn.asked(number)
            file[0], mono = asked.killed, mono + int(asked.passes_s * SECOND)

            is_clear = clears(way, asked, mono)
            decision = long.check_order(asked.request, view(asked, mono))

            if is_clear:
                assert decision == short.passed_decision, asked
            else:
                assert short.check_order(asked.request, view(asked, mono)) == decision
            cleared, minded = cleared + is_clear, minded + (not decision.is_passed)
            if asked.request.kind in (OrderKind.MARKET, OrderKind.LIMIT) and decision.is_passed:
                assert is_clear, asked
    assert min(cleared, minded) > 200


def clears(way: FastGate, asked: Asked, mono: int) -> bool:
    around = (asked.request, asked.instrument, asked.held, asked.reference, asked.age_ns, mono)
    if asked.request.purpose.is_exit:
        return way.allows_exit(*around)
    return way.allows_entry(*around, asked.working, lambda symbol: asked.others, lambda: asked.day_profit)


WIDE = Limits(
    allow_short=False, max_order_quantity=MUCH, max_order_notional=MUCH, max_position_notional=MUCH,
    max_gross_notional=MUCH, freeze_quantity=D(100), freeze_quantities={"BBB": D(1)},
)  # fmt: skip


@pytest.mark.parametrize(
    ("quantity", "held", "price"),
    [("1", "0", "0.05"), ("1", "0", "1"), ("100", "0", "100"), ("10", "10", "100"), ("0.5", "0", "100")],
    ids=["the least tick", "a rupee", "the most of one order", "all that is held", "half a piece"],
)
def test_the_short_way_clears_what_no_control_minds_to_the_piece(quantity: str, held: str, price: str) -> None:
    way = FastGate(WIDE, build_gate(WIDE, kill_reason=lambda: ""))
    instrument = Instrument(symbol="AAA", token=256, lot_size=D("0.5"))
    side = Side.SELL if D(held) else Side.BUY
    asked = request(quantity=D(quantity), side=side, price=D(price))
    assert way.allows_entry(asked, instrument, D(held), D(price), 0, 10**12, 0, None, lambda: D(0))


def test_half_a_piece_counts_at_its_worth_by_the_short_way() -> None:
    limits = Limits(allow_short=True, max_position_notional=D(40))
    way = FastGate(limits, build_gate(limits, kill_reason=lambda: ""))
    instrument = Instrument(symbol="AAA", token=256, lot_size=D("0.5"))
    for side in Side:
        asked = request(quantity=D("0.5"), side=side)
        assert not way.allows_entry(asked, instrument, D(0), D(100), 0, 10**12, 0, None, lambda: D(0))
