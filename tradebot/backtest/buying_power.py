"""The buying power of a backtest account: its cash, less the margin of its positions at the exchange's own rates.

It is the money of `exchange/account.py` in whole units: net = cash + realised - charges - margin of the open positions.
Working orders reserve nothing, because each is checked again when it fills. Unrealised losses block nothing; this errs
in the trader's favour.
"""

from __future__ import annotations

import math
from decimal import Decimal

from tradebot.backtest.bar_table import BarTable
from tradebot.backtest.job import Job
from tradebot.backtest.ledger import BacktestLedger
from tradebot.domain.instrument import Instrument, InstrumentKind
from tradebot.domain.order import Fill, OrderRequest
from tradebot.exchange.margin import margin_rate
from tradebot.trading.desk.book.blotter import ChargesOf
from tradebot.trading.desk.book.book import Book
from tradebot.trading.desk.book.marks import Marks

# More than any fill is charged, in percent of its value plus an amount of the currency. An account with that much left
# can pay, so the exact charges need not be computed.
CHARGE_BOUND_PCT, CHARGE_BOUND_FEES = 3, 1_000


class BuyingPower:
    """Updated by the simulated broker fill by fill.

    `blocked_margin` is the margin that positions block beyond the cash paid for them. Money is in integer units.
    """

    def __init__(self, job: Job, ledger: BacktestLedger, table: BarTable, charges_of: ChargesOf) -> None:
        self._charges_of = charges_of  # its own instance: asking what a fill would cost must not book it
        self._ledger, self._instruments = ledger, job.instruments
        self._ids = table.ids
        self._money = 10**ledger.money_decimals
        # A fill is affordable without further computation if its value * `_spare_pct` / 100 + `_spare` is left.
        self._spare, self._spare_pct = (
            CHARGE_BOUND_FEES * self._money,
            100 + CHARGE_BOUND_PCT + math.ceil(job.costs.commission_pct),
        )
        self._cash = int(job.cash * self._money)
        self._rates = [_rate(job, instrument).as_integer_ratio() for instrument in job.instruments]
        self._lots = [max(int(i.lot_size.scaleb(i.quantity_decimals)), 1) for i in job.instruments]
        highest = [int(one.high.max()) if len(one) else 0 for one in table.series]
        # The most that one lot can cost, in money units. An account with that much left can always pay one.
        self._lot_money = max(map(math.prod, zip(self._lots, highest, ledger.money_factors, strict=True)), default=0)
        self._tied_by = [0] * len(job.instruments)  # id -> its part of `blocked_margin`
        self.blocked_margin = 0
        self.is_margined = any(share != whole for share, whole in self._rates)
        # The number of positions that are sold short or not paid in full; only these can ruin an account.
        self.leveraged_count = 0

    def update_margin(self, id_: int, book: Book) -> None:
        """Update the margin after a booked fill.

        A fill needs no update if the account is not `is_margined`, `leveraged_count` is 0 and the position is not
        short.
        """
        share, whole = self._rates[id_]
        position = book.positions.open.get(self._instruments[id_].symbol)
        cost = 0 if position is None else int(position.cost * self._money)
        tied = -(-abs(cost) * share // whole) - cost
        self.blocked_margin += tied - self._tied_by[id_]
        self.leveraged_count += bool(tied) - bool(self._tied_by[id_])
        self._tied_by[id_] = tied

    @property
    def ruin_value(self) -> int:
        """Return the value of all positions, in money units, at which the account is worth nothing."""
        return -(self._cash + self._ledger.cash_flow)

    def is_ruined(self, marks: Marks) -> bool:
        """Return whether the account is worth nothing, with its positions at their marks."""
        held = self._ledger.held_units
        return self.ruin_value >= sum(
            n * int(marks.last[id_]) * self._ledger.money_factors[id_] for id_, n in enumerate(held) if n
        )

    def affordable_quantity(self, id_: int, quantity: int, price: int, book: Book, request: OrderRequest) -> int:
        """Return how many quantity units of an entry the account can pay, charges included.

        `price` is in price units. A result below `quantity` is rounded down to whole lots.
        """
        unit, net = price * self._ledger.money_factors[id_], self._cash + self._ledger.cash_flow - self.blocked_margin
        value = quantity * unit
        if value * self._spare_pct // 100 + self._spare <= net:
            return quantity  # enough for any charges
        share, whole = self._rates[id_]
        need = value if share == whole else -(-value * share // whole)
        charges = self._charges(id_, quantity, price, book, request)
        if need + charges <= net:
            return quantity
        affordable = max(net - charges, 0) * whole // (unit * share)
        return affordable // self._lots[id_] * self._lots[id_]

    def missing_cash_reason(self, request: OrderRequest, reference: Decimal) -> str:
        """Return why the account cannot pay even one lot of an entry, empty when it can."""
        net = self._cash + self._ledger.cash_flow - self.blocked_margin
        if net >= self._lot_money:
            return ""
        id_ = self._ids[request.symbol]
        share, whole = self._rates[id_]
        need = (
            self._lots[id_] * self._instruments[id_].price_to_units(reference) * self._ledger.money_factors[id_] * share
        )
        if need <= net * whole:
            return ""
        return f"{net / self._money:,.2f} is left, and one lot takes {need / whole / self._money:,.2f}"

    def _charges(self, id_: int, quantity: int, price: int, book: Book, request: OrderRequest) -> int:
        instrument, order = self._instruments[id_], book.blotter.orders[request.order_id]
        fill = Fill(
            request.order_id,
            request.order_id,
            request.symbol,
            request.exchange,
            request.side,
            instrument.quantity_from_units(quantity),
            instrument.price_from_units(price),
            book.conditions.now,
            request.product,
        )
        return int(self._charges_of(order, fill) * self._money)


def _rate(job: Job, instrument: Instrument) -> Decimal:
    # No broker gives intraday margin for positions held overnight: shares without a square-off are paid in full.
    is_share = instrument.kind not in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
    return Decimal(1) if is_share and job.hours.market == "always" else margin_rate(job.desk.product, instrument.kind)
