"""What a fill costs, as the blotter asks it: the market's bill, a percentage, or nothing."""

from __future__ import annotations

from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.order import ZERO, Execution, Order, OrderFact, Side
from tradebot.markets.calendar import day_of
from tradebot.markets.charges import PAISA, UNITS_A_PAISA, Tariff, UnitTariff, segment_of, tariff_of
from tradebot.stages.blotter import ChargesOf

DAY, IST_NS = 86_400 * SECOND, 19_800 * SECOND
UNITS = Decimal(100 * UNITS_A_PAISA)  # of a rupee
TARIFFS_KEPT = 100_000  # a day of 5,000 symbols needs 10,000


def india(universe: Universe) -> ChargesOf:
    """Return the function that bills a fill by the market's table of the fill's day."""

    # (symbol, exchange, product, side, day) -> the tariff, None for a symbol that is not ours
    tariffs: dict[tuple[str, str, str, Side, int], tuple[Tariff, UnitTariff] | None] = {}

    def tariff(execution: Execution) -> tuple[Tariff, UnitTariff] | None:
        if execution.symbol not in universe:
            return None
        segment = segment_of(universe.get(execution.symbol).kind, execution.product)
        found = tariff_of(segment, execution.side, day_of(execution.traded_at), execution.exchange)
        return found, found.in_units()

    def bill(order: Order, fact: OrderFact) -> Decimal:
        execution = fact.execution
        assert execution is not None, "only a fill has charges"
        day = (execution.traded_at + IST_NS) // DAY
        key = (execution.symbol, execution.exchange, execution.product, execution.side, day)
        if key not in tariffs:
            if len(tariffs) >= TARIFFS_KEPT:
                tariffs.clear()
            tariffs[key] = tariff(execution)
        both = tariffs[key]
        if both is None:
            return ZERO
        # Parts are rounded on the order's whole turnover: a fill is charged what it adds.
        before, (exact, of) = order.value, both
        after = before + execution.quantity * execution.price
        scaled = after * UNITS
        units = int(scaled)
        if units == scaled and after > 0:
            if not before:
                return Decimal(of.total(units)) * PAISA
            scaled_before = before * UNITS
            if (units_before := int(scaled_before)) == scaled_before and before > 0:
                return Decimal(of.total(units) - of.total(units_before)) * PAISA
        return exact.total(after) - exact.total(before) if before else exact.total(after)

    return bill


def percent(rate: Decimal, *, decimals: int) -> ChargesOf:
    """Return the function that bills `rate` percent of a fill's value, rounded to `decimals`, half to even."""
    share, step = rate / 100, Decimal(1).scaleb(-decimals)

    def bill(order: Order, fact: OrderFact) -> Decimal:
        execution = fact.execution
        assert execution is not None, "only a fill has charges"
        return (execution.quantity * execution.price * share).quantize(step)

    return bill


def nothing(order: Order, fact: OrderFact) -> Decimal:
    """Bill nothing."""
    return ZERO
