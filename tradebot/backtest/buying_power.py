"""What the account of a backtest can still pay: its cash, less what its positions tie up by the exchange's own rates.

The money of `exchange/account.py` in whole units: net = cash + realised - charges - margin of the open positions. What
is at work reserves nothing, for it is asked again when it fills; unrealised losses block nothing (for the trader).
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

# What no bill comes near, in percent of the fill and in the currency: with that left none is worked out.
CHARGE_BOUND_PCT, CHARGE_BOUND_FEES = 3, 1_000


class BuyingPower:
    """Kept by the counter fill by fill; `blocked_margin` is what positions block beyond what they took from the cash."""

    def __init__(self, job: Job, ledger: BacktestLedger, panel: BarTable, charges_of: ChargesOf) -> None:
        self._charges_of = charges_of  # of its own: to ask what a fill would cost is not to book it
        self._ledger, self._instruments = ledger, job.instruments
        self._ids = panel.ids
        self._money = 10**ledger.money_decimals
        self._spare, self._spare_pct = (
            CHARGE_BOUND_FEES * self._money,
            100 + CHARGE_BOUND_PCT + math.ceil(job.costs.commission_pct),
        )
        self._cash = int(job.cash * self._money)
        self._rates = [_rate(job, instrument).as_integer_ratio() for instrument in job.instruments]
        self._lots = [max(int(i.lot_size.scaleb(i.quantity_decimals)), 1) for i in job.instruments]
        highest = [int(one.high.max()) if len(one) else 0 for one in panel.series]
        # What a lot takes at most, as money: with so much left nothing has to be worked out.
        self._lot_money = max(map(math.prod, zip(self._lots, highest, ledger.money_factors, strict=True)), default=0)
        self._tied_by = [0] * len(job.instruments)  # id -> its part of `blocked_margin`
        self.blocked_margin = 0
        self.is_margined = any(share != whole for share, whole in self._rates)
        self.leveraged_count = (
            0  # positions that are sold short or not paid in full: with others an account cannot be ruined
        )

    def update_margin(self, id_: int, book: Book) -> None:
        """Take note of a booked fill; of one in an account that is not `is_margined`, has nothing `leveraged_count` and is not
        short there is nothing to note."""
        share, whole = self._rates[id_]
        position = book.positions.open.get(self._instruments[id_].symbol)
        cost = 0 if position is None else int(position.cost * self._money)
        tied = -(-abs(cost) * share // whole) - cost
        self.blocked_margin += tied - self._tied_by[id_]
        self.leveraged_count += bool(tied) - bool(self._tied_by[id_])
        self._tied_by[id_] = tied

    @property
    def ruin_value(self) -> int:
        """What all positions together must be worth for the account to be worth nothing, as money."""
        return -(self._cash + self._ledger.cash_flow)

    def is_ruined(self, marks: Marks) -> bool:
        """Return whether the account is worth nothing, its positions at their marks."""
        held = self._ledger.held_units
        return self.ruin_value >= sum(
            n * int(marks.last[id_]) * self._ledger.money_factors[id_] for id_, n in enumerate(held) if n
        )

    def affordable_quantity(self, id_: int, quantity: int, price: int, book: Book, request: OrderRequest) -> int:
        """Return how much of an entry of `quantity_from_units` units at `price_from_units` units the account can pay, charges included."""
        unit, net = price * self._ledger.money_factors[id_], self._cash + self._ledger.cash_flow - self.blocked_margin
        value = quantity * unit
        if value * self._spare_pct // 100 + self._spare <= net:
            return quantity  # whatever it is charged
        share, whole = self._rates[id_]
        need = value if share == whole else -(-value * share // whole)
        charges = self._charges(id_, quantity, price, book, request)
        if need + charges <= net:
            return quantity
        most = max(net - charges, 0) * whole // (unit * share)
        return most // self._lots[id_] * self._lots[id_]

    def missing_cash_reason(self, request: OrderRequest, reference: Decimal) -> str:
        """Return why not even a lot of an entry can be paid, empty when it can."""
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
        execution = Fill(
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
        return int(self._charges_of(order, execution) * self._money)


def _rate(job: Job, instrument: Instrument) -> Decimal:
    # Nobody lends for a day to who holds overnight: shares that no session's end closes are paid in full.
    is_share = instrument.kind not in (InstrumentKind.FUTURE, InstrumentKind.OPTION)
    return Decimal(1) if is_share and job.hours.market == "always" else margin_rate(job.desk.product, instrument.kind)
