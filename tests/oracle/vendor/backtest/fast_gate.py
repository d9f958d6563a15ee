"""The fast path through the gate: the controls of one account in one function, for the common order.

True means that every control would let the order pass. False means only that the controls must check it one by one, to
find the reason or because the case is rare. So nothing is denied here. But a control that is missing here would never
be applied, so a test compares both paths.
"""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.instrument import INDEX, Instrument
from tradebot.domain.order import ZERO, OrderKind, OrderRequest, Side
from tests.oracle.vendor.trading.desk.gate.exposure_controls import MissingFunds
from tests.oracle.vendor.trading.desk.gate.flow_controls import FreshData, MessageRate, NoDuplicate, NotKilled
from tests.oracle.vendor.trading.desk.gate.gate import Gate
from tests.oracle.vendor.trading.desk.gate.level_controls import level_fault
from tests.oracle.vendor.trading.desk.gate.limits import Limits
from tests.oracle.vendor.trading.desk.gate.order_controls import FreezeQuantity

BUY, MARKET, LIMIT = Side.BUY, OrderKind.MARKET, OrderKind.LIMIT
PERCENT = Decimal(100)


class FastGate:
    """Clears orders in symbols without other working orders, at a known price, while nothing is halted or closed.

    Two controls remember earlier orders, MessageRate and NoDuplicate. Their memories are read and updated directly.
    """

    def __init__(self, limits: Limits, gate: Gate, *, lacking: MissingFunds | None = None) -> None:
        self._limits, self._lacking = limits, lacking
        self._max_quantity, self._max_notional = limits.max_order_quantity, limits.max_order_notional
        self._per_symbol, self._gross = limits.max_position_notional, limits.max_gross_notional
        self._max_age_s = limits.stale_after_s
        self._products = frozenset(limits.permitted_products)
        self._collar, self._exit_collar = limits.price_collar_pct, limits.price_collar_pct * 2
        self._exit_age_s = max(FreshData.EXIT_AGE_S, limits.stale_after_s)
        self._rate, self._duplicates = gate.find_control(MessageRate), gate.find_control(NoDuplicate)
        self._killed = gate.find_control(NotKilled).kill_reason
        self._freeze = None if limits.freeze_quantity is None else gate.find_control(FreezeQuantity)

    def allows_entry(
        self,
        request: OrderRequest,
        instrument: Instrument,
        held: Decimal,
        reference: Decimal,
        age_ns: int,
        mono: int,
        open_orders: int,
        others: Callable[[str], Decimal] | None,
        day_profit: Callable[[], Decimal],
    ) -> bool:
        """Return whether every control lets an entry pass, and if so record it in both memories.

        `held` is the signed position, `age_ns` the age of the price `reference`, `mono` monotonic ns. `others` gives
        the worst-case notional of the other symbols, None where there is none.
        """
        quantity = request.quantity
        if not quantity.is_finite() or not ZERO < quantity <= self._max_quantity:
            return False
        if request.product not in self._products or not self._is_sound(request, instrument, reference, self._collar):
            return False
        if not age_ns / SECOND <= self._max_age_s or open_orders >= self._limits.max_open_orders:
            return False
        max_stop_pct = self._limits.max_stop_pct
        if max_stop_pct is not None and level_fault(request, reference, max_stop_pct) is not None:
            return False
        if not self._fits(request, held, request.price or reference, others):
            return False
        if self._lacking is not None and self._lacking(request, reference):
            return False
        profit = day_profit()
        if not profit.is_finite() or -profit > self._limits.max_daily_loss:
            return False
        return self._flows(request, mono, is_exit=False)

    def _fits(
        self, request: OrderRequest, held: Decimal, price: Decimal, others: Callable[[str], Decimal] | None
    ) -> bool:
        # What Permitted, Size and MaxPosition check, for a position without working orders.
        quantity, is_buy = request.quantity, request.side is BUY
        reach = held + quantity if is_buy else held - quantity
        worst = abs(reach) * price
        if (reach < 0 and not is_buy and not self._limits.allow_short) or price * quantity > self._max_notional:
            return False
        gross = worst if others is None else others(request.symbol) + worst
        return worst <= self._per_symbol and gross.is_finite() and gross <= self._gross

    def allows_exit(
        self, request: OrderRequest, instrument: Instrument, held: Decimal, reference: Decimal, age_ns: int, mono: int
    ) -> bool:
        """Return whether every control lets an exit pass.

        `held` is the signed quantity that may be closed: the venue holds it too, and no other order closes it.
        """
        quantity = request.quantity
        open_ = held if request.side is not BUY else -held  # the quantity that an exit of this side may close
        if not quantity.is_finite() or not ZERO < quantity <= open_:
            return False
        if not self._is_sound(request, instrument, reference, self._exit_collar):
            return False
        return age_ns / SECOND <= self._exit_age_s and self._flows(request, mono, is_exit=True)

    def _is_sound(self, request: OrderRequest, instrument: Instrument, reference: Decimal, collar: Decimal) -> bool:
        # What the controls of permission, sanity, freeze quantity and collar check, for a finite quantity above zero.
        if instrument.kind is INDEX or request.trigger_price is not None:
            return False
        if request.quantity % instrument.lot_size:
            return False
        if self._freeze is not None and self._is_too_large(self._freeze, request, instrument):
            return False
        price = request.price
        if request.kind is MARKET and price is None:
            away = request.protection_pct
            return away is not None and away.is_finite() and ZERO < away <= collar
        if request.kind is not LIMIT or price is None or not price.is_finite() or price <= 0:
            return False
        if price % instrument.tick_size:
            return False
        return (price - reference) * request.side.sign * PERCENT <= collar * reference

    def _is_too_large(self, freeze: FreezeQuantity, request: OrderRequest, instrument: Instrument) -> bool:
        max_quantity = freeze.max_quantity(instrument) if request.quantity > freeze.smallest_limit else None
        return max_quantity is not None and request.quantity > max_quantity

    def _flows(self, request: OrderRequest, mono: int, *, is_exit: bool) -> bool:
        # What NotKilled, NoDuplicate and MessageRate check. They come last, because the last two record the order.
        if self._killed() or self._duplicates.duplicate_reason(request, mono, is_exit) is not None:
            return False
        if not self._rate.try_count(mono, is_exit):
            return False
        self._duplicates.remember_order(request, mono)
        return True
