"""The record of a run: orders and fills as rows while it goes; afterwards exact columns, round trips and equity."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from struct import Struct

import numpy as np

from tradebot.backtest.bar_table import BarTable
from tradebot.backtest.result import FillColumns, OrderColumns, TradeColumns
from tradebot.domain.instrument import Instrument
from tradebot.domain.market import Ints
from tradebot.domain.order import OrderKind, OrderPurpose, OrderRequest, OrderState
from tradebot.errors import DataError

KINDS = {kind: code for code, kind in enumerate(OrderKind)}
PURPOSES = {purpose: code for code, purpose in enumerate(OrderPurpose)}
STATES = {state: code for code, state in enumerate(OrderState)}
DENIED, INTENT = STATES[OrderState.DENIED], STATES[OrderState.INTENT]
ORDER, FILL = Struct("9q").pack, Struct("6q").pack  # four times as fast as appending a row to an array
MAX_EXACT_UNITS = 1 << 62  # the largest sum that int64 is trusted with


class BacktestLedger:
    """Orders and fills of one account, as rows.

    `money_decimals` scales money to integers; `money_factors` turn units of price * quantity into money units.
    """

    def __init__(self, instruments: Sequence[Instrument], strategies: Sequence[str], money_decimals: int) -> None:
        self._instruments = instruments
        self._strategies = {name: code for code, name in enumerate(strategies)} | {"": -1}
        self.money_decimals = money_decimals
        self.reason_codes: dict[str, int] = {"": 0}  # reason -> its code
        self._orders = bytearray()  # as ORDER packs them
        self.order_states: list[int] = []  # one per order
        self._fills = bytearray()  # as FILL packs them
        self.held_units = [0] * len(instruments)  # id -> signed quantity in units
        self.money_factors = [int(factor) for factor in money_factors(instruments, money_decimals)]
        self._money, self._charged = Decimal(10**money_decimals), Decimal(0)  # the charges of all fills so far
        self.cash_flow = 0  # money received by fills less money paid, charges included

    def add_order(self, request: OrderRequest, id_: int, quantity: int, at: int, *, denied: str = "") -> int:
        """Add an order that is meant to be sent, or was `denied` for that reason, and return its row.

        `quantity` is in units, `at` is market ns.
        """
        row = len(self.order_states)
        self._orders += ORDER(
            id_,
            self._strategies[request.strategy],
            request.side.sign,
            KINDS[request.kind],
            PURPOSES[request.purpose],
            self.reason_codes.setdefault(denied or request.reason, len(self.reason_codes)),
            quantity,
            at,
            0 if request.stop_loss is None else self._instruments[id_].price_to_units(request.stop_loss),
        )
        self.order_states.append(DENIED if denied else INTENT)
        return row

    def set_order_state(self, row: int, state: OrderState) -> None:
        """Set the state that the order in `row` has come to."""
        self.order_states[row] = STATES[state]

    def add_fill(self, row: int, id_: int, k: int, at: int, signed: int, price: int, charged: Decimal) -> None:
        """Add a fill of the order in `row`: `signed` quantity units at `price` units, in the bar at index `k`.

        `charged` is the account's total charges, this fill included.
        """
        charges, self._charged = int((charged - self._charged) * self._money), charged
        self._fills += FILL(row, k, at, signed if signed > 0 else -signed, price, charges)
        self.held_units[id_] += signed
        self.cash_flow -= signed * price * self.money_factors[id_] + charges

    def order_columns(self) -> OrderColumns:
        """Return the columns of all orders."""
        table = np.frombuffer(self._orders, dtype=np.int64).reshape(-1, 9).T
        symbol, strategy, side, kind, purpose, reason = (column.astype(np.int32) for column in table[:6])
        return OrderColumns(
            symbol=symbol,
            strategy=strategy,
            side=side,
            kind=kind,
            purpose=purpose,
            reason=reason,
            state=np.array(self.order_states, dtype=np.int32),
            quantity=table[6].copy(),
            decided_at=table[7].copy(),
            stop=table[8].copy(),
        )

    def fill_columns(self) -> tuple[FillColumns, Ints]:
        """Return the columns of all fills, and the timeline index of each fill's bar."""
        order, k, at, quantity, price, charges = np.frombuffer(self._fills, dtype=np.int64).reshape(-1, 6).T.copy()
        rows = FillColumns(order=order.astype(np.int32), at=at, quantity=quantity, price=price, charges=charges)
        return rows, k


def money_decimals(instruments: Sequence[Instrument]) -> int:
    """Return the decimals in which every price * quantity of the instruments is whole, at least 2."""
    return max([2, *(i.price_decimals + i.quantity_decimals for i in instruments)])


def round_trips(orders: OrderColumns, fills: FillColumns, ks: Ints, factors: Ints) -> TradeColumns:
    """Return the round trips from flat to flat; a position that is still open gives none.

    `ks` are the timeline indexes of the fills' bars; `factors[id]` scales price * quantity units to money.
    """
    symbol = orders.symbol[fills.order]
    by_symbol = np.argsort(symbol, kind="stable")
    symbol, order, k = symbol[by_symbol], fills.order[by_symbol], ks[by_symbol]
    quantity, price, at = fills.quantity[by_symbol], fills.price[by_symbol], fills.at[by_symbol]
    side = orders.side[order].astype(np.int64)
    total = np.cumsum(side * quantity)
    # Each instrument counts from zero: subtract what the instruments before it left open.
    first = np.flatnonzero(np.diff(symbol, prepend=-1))
    before = np.where(first > 0, total[first - 1], 0)
    position = total - np.repeat(before, np.diff(first, append=len(symbol)))
    flat = np.flatnonzero(position == 0)
    if not len(flat):
        return _no_trades()
    begins = np.concatenate(([0], flat[:-1] + 1))
    begins = np.maximum(begins, first[np.searchsorted(first, flat, side="right") - 1])
    enters = side == side[begins][np.searchsorted(flat, np.arange(len(symbol))).clip(max=len(flat) - 1)]
    value = price * quantity

    def summed(column: Ints) -> Ints:
        running = np.concatenate(([0], np.cumsum(column)))
        return running[flat + 1] - running[begins]

    entry, exit_ = summed(np.where(enters, value, 0)), summed(np.where(enters, 0, value))
    direction = side[begins]
    found = TradeColumns(
        symbol=symbol[flat],
        strategy=orders.strategy[order[begins]],
        side=direction.astype(np.int32),
        reason=orders.purpose[order[flat]],
        bars=k[flat] - k[begins],
        entered_at=at[begins],
        exited_at=at[flat],
        quantity=summed(np.where(enters, quantity, 0)),
        entry_value=entry,
        exit_value=exit_,
        gross=direction * (exit_ - entry) * factors[symbol[flat]],
        charges=summed(fills.charges[by_symbol]),
    )
    in_time = np.argsort(found.exited_at, kind="stable")
    return TradeColumns(**{name: getattr(found, name)[in_time] for name in TradeColumns.__struct_fields__})


def _no_trades() -> TradeColumns:
    codes, ints = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=np.int64)
    return TradeColumns(
        symbol=codes,
        strategy=codes,
        side=codes,
        reason=codes,
        bars=ints,
        entered_at=ints,
        exited_at=ints,
        quantity=ints,
        entry_value=ints,
        exit_value=ints,
        gross=ints,
        charges=ints,
    )


def equity_curve(
    table: BarTable, first: int, cash: int, orders: OrderColumns, fills: FillColumns, ks: Ints, factors: Ints
) -> Ints:
    """Return the account's value, in money units, at the end of every bar of the timeline from `first` on."""
    n = len(table) - first
    flow = np.zeros(n, dtype=np.int64)
    id_, side = orders.symbol[fills.order], orders.side[fills.order].astype(np.int64)
    np.add.at(flow, ks - first, -side * fills.quantity * fills.price * factors[id_] - fills.charges)
    value = cash + np.cumsum(flow)
    for traded in np.unique(id_).tolist():
        is_its_fill = id_ == traded
        steps = np.zeros(n, dtype=np.int64)
        np.add.at(steps, ks[is_its_fill] - first, side[is_its_fill] * fills.quantity[is_its_fill])
        value += np.cumsum(steps) * table.closes_from(traded, first) * factors[traded]
    return value


def money_factors(instruments: Sequence[Instrument], decimals: int) -> Ints:
    """Return, per instrument, the factor from units of price * quantity to money of `decimals`."""
    return np.array([10 ** (decimals - i.price_decimals - i.quantity_decimals) for i in instruments], dtype=np.int64)


def check_exact_size(values: Mapping[str, int]) -> None:
    """Raise DataError if a value is too large for exact integers; `values` maps a name for people to a value."""
    for what, value in values.items():
        if abs(value) >= MAX_EXACT_UNITS:
            raise DataError(f"{what} is too large to be counted exactly; give its instrument fewer decimals")
