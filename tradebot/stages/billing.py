"""What a fill costs, as the blotter asks it: the market's bill, a percentage, or nothing."""

from __future__ import annotations

from decimal import Decimal

from tradebot.clock import SECOND
from tradebot.domain.instrument import Universe
from tradebot.domain.order import ZERO, Execution, Order, OrderFact, Side
from tradebot.markets.calendar import day_of
from tradebot.markets.charges import Tariff, segment_of, tariff_of
from tradebot.stages.blotter import ChargesOf

DAY, IST_NS = 86_400 * SECOND, 19_800 * SECOND
TARIFFS_KEPT = 100_000  # a day of 5,000 symbols needs 10,000


def india(universe: Universe) -> ChargesOf:
    """Return the function that bills a fill by the market's table of the fill's day."""

    # (symbol, exchange, product, side, day) -> the tariff, None for a symbol that is not ours
    tariffs: dict[tuple[str, str, str, Side, int], Tariff | None] = {}

    def tariff(execution: Execution) -> Tariff | None:
        if execution.symbol not in universe:
            return None
        segment = segment_of(universe.get(execution.symbol).kind, execution.product)
        return tariff_of(segment, execution.side, day_of(execution.traded_at), execution.exchange)

    def bill(order: Order, fact: OrderFact) -> Decimal:
        execution = fact.execution
        assert execution is not None, "only a fill has charges"
        day = (execution.traded_at + IST_NS) // DAY
        key = (execution.symbol, execution.exchange, execution.product, execution.side, day)
        if key not in tariffs:
            if len(tariffs) >= TARIFFS_KEPT:
                tariffs.clear()
            tariffs[key] = tariff(execution)
        of = tariffs[key]
        if of is None:
            return ZERO
        # Parts are rounded on the order's whole turnover: a fill is charged what it adds.
        value = execution.quantity * execution.price
        return of.total(order.value + value) - of.total(order.value) if order.value else of.total(value)

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
