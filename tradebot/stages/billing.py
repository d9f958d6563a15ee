"""What a fill costs, as the blotter asks it: the market's bill, a percentage, or nothing."""

from __future__ import annotations

from decimal import Decimal

from tradebot.domain.instrument import Universe
from tradebot.domain.order import ZERO, Order, OrderFact
from tradebot.markets.calendar import day_of
from tradebot.markets.charges import fill_charges, segment_of
from tradebot.stages.blotter import ChargesOf


def india(universe: Universe) -> ChargesOf:
    """Return the function that bills a fill by the market's table of the fill's day."""

    def bill(order: Order, fact: OrderFact) -> Decimal:
        execution = fact.execution
        assert execution is not None, "only a fill has charges"
        if execution.symbol not in universe:
            return ZERO
        instrument = universe.get(execution.symbol)
        return fill_charges(
            segment=segment_of(instrument.kind, execution.product),
            side=execution.side,
            quantity=execution.quantity,
            price=execution.price,
            on=day_of(execution.traded_at),
            order_turnover=order.value,
            exchange=execution.exchange,
        ).total

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
