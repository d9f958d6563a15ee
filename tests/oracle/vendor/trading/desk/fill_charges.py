"""The charges of a fill, as the blotter asks for them: by the market's tariff, a percentage, or none."""

from __future__ import annotations

from datetime import time
from decimal import Decimal

from tradebot.domain.instrument import Universe
from tradebot.domain.order import ZERO, Fill, Order, Side
from tradebot.errors import DataError
from tradebot.markets.calendar import ist_date, ist_to_ns
from tradebot.markets.charges import (
    PAISA,
    UNITS_PER_PAISA,
    Tariff,
    UnitTariff,
    kind_by_name,
    rates_valid_between,
    segment_of,
    tariff_of,
)
from tradebot.markets.debits import DELIVERY, DematDebits
from tradebot.markets.exchanges import INDIA
from tradebot.markets.market import market_of
from tests.oracle.vendor.trading.desk.book.blotter import ChargesOf

TARIFF_TABLES = {INDIA: tariff_of}  # time zone of a market -> its table of charges
UNITS_PER_CURRENCY = 100 * UNITS_PER_PAISA  # tariff units in one unit of the account's currency


class MarketCharges:
    """Charges a fill by its market's tariff of the fill's day, and a delivery sale with the depository's fee.

    A market without a known tariff has no charges. Charges depend on the order's earlier fills and on the delivery
    fills of the same day that were charged before, and on nothing else: a symbol that only an earlier run named costs
    what it cost there. With `charges_unnamed` False such a fill is free, as runs of older versions counted it.
    """

    def __init__(self, universe: Universe, *, charges_unnamed: bool = True) -> None:
        self._universe, self._charges_unnamed, self.debits = universe, charges_unnamed, DematDebits()
        # (symbol, exchange, product, side) -> tariff as (exact, in whole units), None without one. Only the tariffs of
        # one table of rates are kept, because fills come in the order of time.
        self._tariffs: dict[tuple[str, str, str, Side], tuple[Tariff, UnitTariff] | None] = {}
        self._begins = self._ends = 0  # market ns between which that table of rates is in force

    def __call__(self, order: Order, fill: Fill) -> Decimal:
        if not self._begins <= fill.traded_at < self._ends:
            self._begins, self._ends = (
                ist_to_ns(day, time.min) for day in rates_valid_between(ist_date(fill.traded_at))
            )
            self._tariffs.clear()
        key = (fill.symbol, fill.exchange, fill.product, fill.side)
        try:
            tariffs = self._tariffs[key]
        except KeyError:
            tariffs = self._tariffs[key] = self._tariff(fill)
        if tariffs is None:
            return ZERO
        fee = self._depository(tariffs[0], fill) if fill.product == DELIVERY else ZERO
        # The charges of an order are rounded on its whole turnover; a fill is charged what it adds to them.
        before, (exact, in_units) = order.value, tariffs
        after = fill.quantity * fill.price
        if before:
            after += before
        units, units_before = _units(after), _units(before) if before else 0
        if units is None or units_before is None:  # no whole units: only the slower exact tariff can charge it
            return exact.total_charges(after) - exact.total_charges(before) + fee
        paise = in_units.total_paise(units)
        if before:
            paise -= in_units.total_paise(units_before)
        charges = Decimal(paise) * PAISA
        return charges + fee if fee else charges

    def _tariff(self, fill: Fill) -> tuple[Tariff, UnitTariff] | None:
        if fill.symbol in self._universe:
            instrument = self._universe.instrument_of(fill.symbol)
            kind, exchange = instrument.kind, instrument.exchange
        elif self._charges_unnamed:
            kind, exchange = kind_by_name(fill.symbol, fill.exchange), fill.exchange
        else:
            return None
        if (table := TARIFF_TABLES.get(market_of(exchange).zone_name)) is None:
            return None
        segment = segment_of(kind, fill.product)
        try:
            found = table(segment, fill.side, ist_date(fill.traded_at), fill.exchange)
        except DataError:
            return None  # a fill is booked at any exchange; the fill check reports an unexpected one
        return found, found.in_units()

    def _depository(self, tariff: Tariff, fill: Fill) -> Decimal:
        is_charged = self.debits.book_delivery(
            symbol=fill.symbol,
            side=fill.side,
            quantity=fill.quantity,
            traded_at=fill.traded_at,
            key=fill.fill_key,
        )
        return tariff.depository_charge if is_charged else ZERO


def charges_by_market(universe: Universe, *, charges_unnamed: bool = True) -> ChargesOf:
    """Return the function that charges a fill by the tariff of its instrument's market on the fill's day."""
    return MarketCharges(universe, charges_unnamed=charges_unnamed)


def _units(value: Decimal) -> int | None:
    # None for a value that is not a whole number of units, or not above 0.
    above, below = value.as_integer_ratio()
    units, rest = divmod(above * UNITS_PER_CURRENCY, below)
    return None if rest or units <= 0 else units


def percent_charges(rate: Decimal, *, decimals: int) -> ChargesOf:
    """Return the function that charges `rate` percent of a fill's value, rounded to `decimals`, half to even."""
    share, step = rate / 100, Decimal(1).scaleb(-decimals)

    def bill(order: Order, fill: Fill) -> Decimal:
        return (fill.quantity * fill.price * share).quantize(step)

    return bill


def no_charges(order: Order, fill: Fill) -> Decimal:
    """Return no charges."""
    return ZERO
