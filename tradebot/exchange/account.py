"""The trader's account at the exchange: positions, holdings, cash and margin, computed from its fills.

An account has three inputs: fills (`book_fill`), conversions (`convert_position`) and the start of a new day
(`roll_to_day`). It can therefore be rebuilt from the exchange's log. Simplifications, and in whose favour each errs:
* the margin of an intraday position is a fixed share of its cost;
* unrealised losses block no funds: for the trader;
* a position that was not squared off is carried, where a broker would have closed it for a fee: for the trader;
* a converted position keeps the charges of the product in which it was traded.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from copy import copy
from datetime import date
from decimal import Decimal

from tradebot.domain.instrument import InstrumentKind
from tradebot.domain.message import Message
from tradebot.domain.order import ZERO, Side
from tradebot.domain.products import DELIVERY
from tradebot.exchange.margin import INTRADAY_MARGIN_RATE as INTRADAY_MARGIN_RATE
from tradebot.exchange.margin import NOTHING_BLOCKED, BlockedMargin, MarginReservation, blocked_margin
from tradebot.exchange.position import PositionCost, PositionRow, average_price
from tradebot.exchange.ticket import BookOrder, Conversion, TradeRow
from tradebot.markets.charges import NO_CHARGES, Charges, fill_charges, segment_of
from tradebot.markets.debits import DematDebits
from tradebot.markets.market import market_of

Key = tuple[str, str, str]  # exchange, symbol, product


class InstrumentMark(Message, frozen=True):
    """The kind, last price and previous close of an instrument, as an account needs them."""

    kind: InstrumentKind
    last_price: Decimal
    previous_close: Decimal


class DematHolding(Message, frozen=True):
    """Shares in the demat account.

    `used_quantity` was sold today and is not yet delivered. `t1_quantity` was bought on the last trading day and is not
    yet delivered: owned and sellable, but not part of `quantity`.
    """

    symbol: str
    exchange: str
    quantity: Decimal
    average_price: Decimal
    used_quantity: Decimal = ZERO
    last_price: Decimal = ZERO
    close_price: Decimal = ZERO
    t1_quantity: Decimal = ZERO

    @property
    def owned_quantity(self) -> Decimal:
        """Return the shares owned, delivered or not."""
        return self.quantity + self.t1_quantity

    @property
    def unrealised_pnl(self) -> Decimal:
        """Return the unrealised profit at the last price."""
        return self.owned_quantity * (self.last_price - self.average_price)


class OpeningBalance(Message, frozen=True):
    """The cash and holdings that an account starts with; `cash` is money in its currency."""

    cash: Decimal
    holdings: tuple[DematHolding, ...] = ()
    account_id: str = "SIM001"


class Margins(Message, frozen=True):
    """The funds of an account, money in its currency.

    `net` is what new orders may use: `opening` + `realised` - `charges` - `used`. `used` is `positions` + `orders` +
    `delivery` - `holding_sales`: the margin of open intraday positions, the margin of working orders, and the price of
    shares bought for delivery, less the credit for holdings sold today. `cash` is the ledger after every fill is paid
    in full. `unrealised` is shown and not counted.
    """

    net: Decimal
    opening: Decimal
    cash: Decimal
    used: Decimal
    positions: Decimal
    orders: Decimal
    delivery: Decimal
    holding_sales: Decimal
    realised: Decimal
    unrealised: Decimal
    charges: Decimal


class Account:
    """One account. At all times, exactly: cash + cost of the positions = opening + realised - charges."""

    def __init__(self, balance: OpeningBalance, *, mark: Callable[[str], InstrumentMark], session_day: date) -> None:
        self.account_id, holdings = balance.account_id, balance.holdings
        self.opening_funds = self.cash = balance.cash
        self.session_day = session_day
        self.charges_by_part: Charges = NO_CHARGES  # of today
        self._mark = mark
        self._lots: dict[Key, PositionCost] = {}
        self._holdings: dict[tuple[str, str], PositionCost] = {
            (h.exchange, h.symbol): PositionCost(h.owned_quantity, h.owned_quantity * h.average_price) for h in holdings
        }
        self._arriving = {(h.exchange, h.symbol): h.t1_quantity for h in holdings}  # the part not yet delivered
        self._turnover: dict[str, Decimal] = {}  # order id -> filled value, for charges per order
        self._debits = DematDebits()
        self._working: dict[Key, dict[str, MarginReservation]] = {}  # position -> order id -> its reservation
        self._blocked: dict[Key, BlockedMargin] = {}
        # The sum of `_blocked`, stored so that a check costs the same with any number of positions.
        self._all_blocked = NOTHING_BLOCKED
        self._cost = ZERO  # the sum of the positions' costs

    @property
    def total_charges(self) -> Decimal:
        """Return everything charged today."""
        return self.charges_by_part.total

    @property
    def used_margin(self) -> Decimal:
        """Return the margin that positions and working orders use."""
        return self._all_blocked.total_margin

    @property
    def available_funds(self) -> Decimal:
        """Return the funds that new orders may use."""
        return self.cash + self._cost - self.used_margin

    def book_fill(self, trade: TradeRow) -> Charges:
        """Book one fill and return its charges. Raises DataError where no charges are known."""
        listing = (trade.exchange, trade.symbol)
        segment = segment_of(self._mark(trade.symbol).kind, trade.product)
        turnover = self._turnover.get(trade.order_id, ZERO)
        is_debit = trade.product == DELIVERY and self._debits.book_delivery(
            symbol=trade.symbol, side=trade.side, quantity=trade.quantity, traded_at=trade.traded_at
        )
        bill = fill_charges(
            segment=segment,
            side=trade.side,
            quantity=trade.quantity,
            price=trade.price,
            on=market_of(trade.exchange).date_of(trade.traded_at),
            order_turnover=turnover,
            exchange=trade.exchange,
            with_dp=is_debit,
        )
        value = trade.quantity * trade.price
        self._turnover[trade.order_id] = turnover + value
        self.cash -= trade.side.sign * value + bill.total
        self.charges_by_part += bill
        key = (*listing, trade.product)
        lots = self._lots.setdefault(key, PositionCost())
        before = lots.cost
        lots.book_fill(side=trade.side, quantity=trade.quantity, price=trade.price)
        self._cost += lots.cost - before
        self._block(key)
        return bill

    def convert_position(self, asked: Conversion) -> None:
        """Move part of a position to another product at its cost."""
        listing = (asked.exchange, asked.symbol)
        taken = self._lots[*listing, asked.was].take_out(asked.quantity, is_carried=asked.is_carried)
        target = self._lots.setdefault((*listing, asked.becomes), PositionCost())
        target.take_over(asked.side.sign * asked.quantity, taken, is_carried=asked.is_carried)
        for product in (asked.was, asked.becomes):
            self._block((*listing, product))

    def convertible_quantity(self, asked: Conversion) -> Decimal:
        """Return how much of the position the requested conversion may move."""
        lots = self._lots.get((asked.exchange, asked.symbol, asked.was), PositionCost())
        into = self._lots.get((asked.exchange, asked.symbol, asked.becomes), PositionCost())
        sign = asked.side.sign
        if into.quantity * sign < 0:  # the conversion would close a position of the other side, which only a trade does
            return ZERO
        of_kind = lots.overnight_quantity if asked.is_carried else lots.quantity - lots.overnight_quantity
        return max(min(lots.quantity * sign, of_kind * sign), ZERO)

    def conversion_margin(self, asked: Conversion) -> Decimal:
        """Return the funds that a conversion would block, less those it would free."""
        listing = (asked.exchange, asked.symbol)
        was, into = (
            copy(self._lots[*listing, asked.was]),
            copy(self._lots.get((*listing, asked.becomes), PositionCost())),
        )
        into.take_over(
            asked.side.sign * asked.quantity, was.take_out(asked.quantity, is_carried=False), is_carried=False
        )
        cost = ZERO
        for product, lots in ((asked.was, was), (asked.becomes, into)):
            key = (*listing, product)
            after = self._blocked_by(key, self._working.get(key, {}).values(), lots)
            cost += after.total_margin - self._blocked.get(key, NOTHING_BLOCKED).total_margin
        return cost

    def roll_to_day(self, day: date) -> None:
        """Start `day`: book yesterday's deliveries, carry the rest, and reset today's sums to zero.

        A day that is not later than the current one changes nothing.
        """
        if day <= self.session_day:
            return
        self._arriving = {k[:2]: x.quantity for k, x in self._lots.items() if k[2] == DELIVERY and x.quantity > 0}
        for (exchange, symbol, product), lots in list(self._lots.items()):
            if product == DELIVERY:
                held = self._holdings.setdefault((exchange, symbol), PositionCost())
                if lots.quantity:
                    side = Side.BUY if lots.quantity > 0 else Side.SELL
                    held.book_fill(side=side, quantity=abs(lots.quantity), price=lots.cost / lots.quantity)
            if product == DELIVERY or not lots.quantity:
                del self._lots[exchange, symbol, product]
            else:
                self._lots[exchange, symbol, product] = lots.carried_over()
        self._holdings = {listing: held.carried_over() for listing, held in self._holdings.items() if held.quantity}
        self.session_day = day
        self.charges_by_part = NO_CHARGES
        self._cost = sum((lots.cost for lots in self._lots.values()), ZERO)
        self._blocked, self._all_blocked = {}, NOTHING_BLOCKED
        for key in {**self._lots, **self._working}:  # a dictionary keeps the order, a set would not
            self._block(key)
        self.opening_funds = self.cash + self._cost

    def reserve_margin(self, order: BookOrder, price: Decimal) -> None:
        """Block margin for a working order at `price`, or release it once the order has ended."""
        key = _key(order)
        working = self._working.setdefault(key, {})
        if not order.is_ended:
            working[order.order_id] = MarginReservation(order.ticket.side, order.pending, price)
        elif working.pop(order.order_id, None) is None:
            return
        self._block(key)

    def has_reservation(self, order: BookOrder) -> bool:
        """Return whether the order passed the margin check and is still working."""
        return order.order_id in self._working.get(_key(order), {})

    def funds_shortage(self, order: BookOrder, price: Decimal) -> tuple[Decimal, Decimal] | None:
        """Return (required, available) money if the funds do not cover a new or changed order, else None.

        An order that lowers the margin in use, such as an exit, needs no funds.
        """
        key = _key(order)
        others = {id_: r for id_, r in self._working.get(key, {}).items() if id_ != order.order_id}
        wanted = MarginReservation(order.ticket.side, order.pending, price)
        without = self._blocked_by(key, others.values()).total_margin
        required = self._blocked_by(key, [*others.values(), wanted]).total_margin - without
        # What the position blocks now is available to it again.
        available = self.available_funds + self._blocked.get(key, NOTHING_BLOCKED).total_margin - without
        return (required, available) if required > 0 and required > available else None

    def sellable_quantity(self, exchange: str, symbol: str) -> Decimal:
        """Return the shares held plus those bought today for delivery. Working sales are not subtracted."""
        held = self._holdings.get((exchange, symbol))
        today = self._lots.get((exchange, symbol, DELIVERY))
        return (held.quantity if held else ZERO) + (today.quantity if today else ZERO)

    def delivered_quantity(self, exchange: str, symbol: str) -> Decimal:
        """Return the shares that lay in the demat account this morning; those bought yesterday are still on the way."""
        held = self._holdings.get((exchange, symbol))
        return (held.quantity if held else ZERO) - self._arriving.get((exchange, symbol), ZERO)

    def net_positions(self) -> list[PositionRow]:
        """Return net positions, carried and today's, including closed ones, in the order they were opened."""
        return [self._row(key, lots) for key, lots in self._lots.items()]

    def day_positions(self) -> list[PositionRow]:
        """Return the positions of today's fills alone."""
        return [self._row(key, today) for key, lots in self._lots.items() if (today := lots.today_alone()) is not None]

    def demat_holdings(self) -> list[DematHolding]:
        """Return this morning's holdings, with the quantity sold from each today."""
        rows = []
        for (exchange, symbol), held in self._holdings.items():
            today = self._lots.get((exchange, symbol, DELIVERY))
            mark = self._mark(symbol)
            rows.append(
                DematHolding(
                    symbol=symbol,
                    exchange=exchange,
                    quantity=held.quantity - self._arriving.get((exchange, symbol), ZERO),
                    t1_quantity=self._arriving.get((exchange, symbol), ZERO),
                    average_price=average_price(held.cost, held.quantity),
                    used_quantity=max(-today.quantity, ZERO) if today else ZERO,
                    last_price=mark.last_price,
                    close_price=mark.previous_close,
                )
            )
        return rows

    def margin_summary(self) -> Margins:
        """Return the funds, with positions marked at the last price."""
        blocked = self._all_blocked
        return Margins(
            net=self.available_funds,
            opening=self.opening_funds,
            cash=self.cash,
            used=blocked.total_margin,
            positions=blocked.positions,
            orders=blocked.orders,
            delivery=blocked.delivery,
            holding_sales=blocked.holding_sales,
            realised=sum((lots.realised for lots in self._lots.values()), ZERO),
            unrealised=sum((x.quantity * self._mark(k[1]).last_price - x.cost for k, x in self._lots.items()), ZERO),
            charges=self.total_charges,
        )

    def _block(self, key: Key) -> None:
        before = self._blocked.get(key, NOTHING_BLOCKED)
        after = self._blocked[key] = self._blocked_by(key, self._working.get(key, {}).values())
        self._all_blocked = BlockedMargin(
            *(total - old + new for total, old, new in zip(self._all_blocked, before, after, strict=True))
        )

    def _blocked_by(
        self, key: Key, working: Iterable[MarginReservation], lots: PositionCost | None = None
    ) -> BlockedMargin:
        lots = lots or self._lots.get(key) or PositionCost()
        return blocked_margin(lots, list(working), product=key[2], kind=self._mark(key[1]).kind)

    def _row(self, key: Key, lots: PositionCost) -> PositionRow:
        mark = self._mark(key[1])
        return lots.net_row(key, last=mark.last_price, close=mark.previous_close)


def _key(order: BookOrder) -> Key:
    return (order.ticket.exchange, order.ticket.symbol, order.ticket.product)
